"""``mooring start`` as its users call it: a real daemon, a real sshd, a terminal where one counts."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from mooring.cli.trust import main as trust
from mooring.model.errors import InvalidInput
from mooring.model.options import OPTIONS
from mooring.simulate.ports import ReservedPort
from tests.cli.calling import MOORING, mooring
from tests.cli.fleet import simulated
from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon
from tests.peers.ending import ending
from tests.peers.keys import Keyring, public_line
from tests.peers.sshd import Sshd

SECRET = "s3cr3t-word"


@pytest.fixture
def daemon(shared_daemon: RunningDaemon) -> RunningDaemon:
    return shared_daemon


@pytest.fixture
def environment(daemon: RunningDaemon) -> Mapping[str, str]:
    return daemon.environment()


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where nobody listens."""
    port = ReservedPort("127.0.0.1")
    yield f"x@127.0.0.1:{port.port}"
    port.close()


def flags(server: Sshd) -> list[str]:
    return ["--identity", str(server.client_key), "--host-key", public_line(server.host_keys[0])]


def states(daemon: RunningDaemon) -> dict[str, str]:
    return {one["alias"]: one["state"] for one in daemon.client.request("GET", "/v1/sessions")["sessions"]}


def test_every_option_of_a_target_is_a_flag() -> None:
    shown = mooring("start", "-h", environment=os.environ).stdout
    assert {name for name in OPTIONS if f"--{name.replace('_', '-')}" in shown} == set(OPTIONS)


def test_it_is_up_and_its_alias_is_printed(daemon: RunningDaemon, sshd: Sshd) -> None:
    words = ["start", f"web1://{sshd.user}@127.0.0.1:{sshd.port}", "--label", "site:ams", "--label", "role:web"]
    options = ["--channels", "3", "--keepalive", "5.5", "--legacy", "--rate", "100/s", "--jump", "none"]
    done = mooring(*words, *options, *flags(sshd), environment=daemon.environment())
    assert (done.returncode, done.stdout, done.stderr) == (0, "web1\n", "")
    status = daemon.client.request("GET", "/v1/sessions/web1")
    assert (status["state"], status["labels"]) == ("up", ["site:ams", "role:web"])
    for option in ("channels=3", "keepalive=5.5", "legacy=yes", "rate=100/s", "jump=none"):
        assert option in status["target"]


def test_json(environment: Mapping[str, str], sshd: Sshd) -> None:
    target = f"{sshd.user}@127.0.0.1:{sshd.port}"
    done = mooring("start", target, *flags(sshd), "--json", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["state"] == "up"


def test_a_file_is_where_the_caller_stands(environment: Mapping[str, str], sshd: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(sshd.client_key.read_bytes())
    key.chmod(0o600)
    (tmp_path / "trusted").write_bytes(sshd.known_hosts.read_bytes())
    target = f"web1://{sshd.user}@127.0.0.1:{sshd.port}?identity=key"
    done = mooring("start", target, "--known-hosts", "trusted", environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "web1\n", "")


def trust_in_the_place_of_another(daemon: RunningDaemon, fingerprint: str) -> None:
    daemon.wait_state("web1", state="parked")
    with pytest.raises(InvalidInput, match="another key was known before: the host key of") as refused:
        trust(["web1", "--yes"])
    assert fingerprint in str(refused.value)
    done = mooring("trust", "web1", "--fingerprint", fingerprint, environment=daemon.environment())
    assert (done.returncode, done.stdout, done.stderr) == (0, "web1\n", "")


def test_it_tells_why_it_is_parked_and_its_key_is_trusted(
    daemon: RunningDaemon, sshd: Sshd, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = daemon.environment()
    monkeypatch.setenv("MOORING_SOCKET", str(daemon.socket))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    known = tmp_path / "known_hosts"
    known.touch()
    words = ["--identity", str(sshd.client_key), "--known-hosts", str(known)]
    target = f"web1://{sshd.user}@127.0.0.1:{sshd.port}"
    done = mooring("start", target, *words, environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    fingerprint = str(daemon.client.request("GET", "/v1/sessions/web1")["offered_key"])
    first, hint = done.stderr.splitlines()
    assert first.startswith("mooring start: web1 is parked: no host key is known for")
    assert hint.startswith("  hint: compare the fingerprint")
    assert hint.endswith("then `mooring trust web1` trusts it")
    with pytest.raises(InvalidInput, match="nobody can be asked here: no host key is known for"):
        trust(["web1"])
    with pytest.raises(InvalidInput, match="web1 shows ssh-ed25519 SHA256:"):
        trust(["web1", "--fingerprint", "SHA256:another"])
    for answer, code in (("n", 1), ("y", 0)):
        with OnTerminal([*MOORING, "trust", "web1"], environment) as terminal:
            assert fingerprint in terminal.expect("Type y to trust it: ")
            terminal.type(f"{answer}\r")
            ended, seen = terminal.end()
            assert (ended, "nothing was changed" in seen) == (code, code == 1)
    assert states(daemon) == {"web1": "up"}
    with pytest.raises(InvalidInput, match="web1 shows no key that waits to be trusted: it is up"):
        trust(["web1"])

    known.write_text(f"[127.0.0.1]:{sshd.port} {public_line(keyring.key('another'))}\n")
    target += f"?known_hosts={known}&identity={sshd.client_key}"
    daemon.client.request("POST", "/v1/sessions", {"target": target, "replace": True})
    trust_in_the_place_of_another(daemon, fingerprint)


def test_it_tells_once_why_it_waits_and_gives_up_at_its_deadline(daemon: RunningDaemon, nobody: str) -> None:
    done = mooring("start", f"down://{nobody}", "--timeout", "2", environment=daemon.environment())
    assert (done.returncode, done.stdout) == (124, "")
    assert done.stderr.splitlines() == [
        f"down is not up: cannot reach {nobody}: Connection refused",
        f"mooring start: down is not up after 2 s: cannot reach {nobody}: Connection refused",
        "  hint: the daemon goes on trying until `mooring stop down`",
    ]
    assert set(states(daemon)) == {"down"}


def test_a_host_that_says_nothing(environment: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"mute://x@127.0.0.1:{silent.getsockname()[1]}"
        done = mooring("start", target, "--timeout", "0.5", environment=environment)
    assert (done.returncode, done.stdout) == (124, "")
    assert done.stderr.startswith("mooring start: mute is not up after 0.5 s: it is being connected\n")


def test_no_wait(daemon: RunningDaemon, nobody: str) -> None:
    done = mooring("start", f"down://{nobody}", "--no-wait", environment=daemon.environment())
    assert (done.returncode, done.stdout, done.stderr) == (0, "down\n", "")
    assert set(states(daemon)) == {"down"}


def test_an_alias_that_is_taken(daemon: RunningDaemon, sshd: Sshd, nobody: str) -> None:
    environment = daemon.environment()
    assert mooring("start", f"web1://{nobody}", "--no-wait", environment=environment).returncode == 0
    target = f"web1://{sshd.user}@127.0.0.1:{sshd.port}"
    done = mooring("start", target, *flags(sshd), environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "mooring start: web1 is in use\n  hint: --replace ends the one that is held and starts this one\n"
    )
    done = mooring("start", target, *flags(sshd), "--replace", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "web1\n", "")
    assert states(daemon) == {"web1": "up"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["web1://"], "the target has no host"),
        (["web1://h", "--host-key", "maybe"], "keyword 'host_key' must be verify, accept-new, off"),
        (["web1://h", "--label", "ams"], "must be key:value"),
        (["web1://h", "--timeout", "0"], "must be a number more than 0 and at most 86400"),
        (["web1://h", "--timeout", "nan"], "must be a number more than 0"),
        (["web1://h", "--timeout", "soon"], "must be a number more than 0"),
        ([], "Missing argument 'TARGET'"),
        (["web1://h", "--ask-password"], "--ask-password needs a terminal"),
    ],
)
def test_what_cannot_be_meant_starts_nothing(daemon: RunningDaemon, words: list[str], message: str) -> None:
    done = mooring("start", *words, environment=daemon.environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert states(daemon) == {}


def test_a_password_is_asked_for_on_a_terminal(environment: Mapping[str, str]) -> None:
    with simulated("--password", SECRET) as hosts:
        target = f"web1://demo@127.0.0.1:{hosts['hosts'][0]['port']}"
        command = [*MOORING, "start", target, "--host-key", hosts["host_key"], "--ask-password"]
        with OnTerminal(command, environment) as terminal:
            terminal.expect("Password of demo@127.0.0.1: ")
            terminal.type(f"{SECRET}\r")
            code, seen = terminal.end()
    assert code == 0
    assert seen.split()[-1] == "web1"
    assert SECRET not in seen


@pytest.mark.parametrize(("typed", "code"), [("\r", 2), ("\x04", 2), ("\x03", 130)])
def test_no_password_is_typed(daemon: RunningDaemon, typed: str, code: int) -> None:
    with OnTerminal([*MOORING, "start", "web1://demo@127.0.0.1", "--ask-password"], daemon.environment()) as terminal:
        terminal.expect("Password of demo@127.0.0.1: ")
        terminal.type(typed)
        ended, seen = terminal.end()
    assert ended == code
    assert "Traceback" not in seen
    assert states(daemon) == {}


def test_a_spinner_on_a_terminal_alone_and_ctrl_c_leaves_it_held(daemon: RunningDaemon, nobody: str) -> None:
    with OnTerminal([*MOORING, "start", f"down://{nobody}"], daemon.environment(), columns=40) as terminal:
        terminal.expect("| down backoff: cannot reach x@127.0.0.")
        terminal.type("\x03")
        code, seen = terminal.end()
    assert code == 130
    assert "down is still held: the daemon goes on trying until `mooring stop down`" in seen
    assert "Traceback" not in seen
    assert set(states(daemon)) == {"down"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_password_leaves_the_command_line(daemon: RunningDaemon, nobody: str) -> None:
    target = f"down://{nobody.replace('@', f':{SECRET}@')}"
    with ending(
        subprocess.Popen(
            [*MOORING, "start", target],
            env=daemon.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as process:
        assert process.stderr is not None
        assert "down is not up" in process.stderr.readline()
        seen = Path(f"/proc/{process.pid}/cmdline").read_bytes() + Path(f"/proc/{process.pid}/environ").read_bytes()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert SECRET.encode() not in seen
    assert re.search(rb"down://x:\*+@127", seen)
    assert "still held" in rest
    assert SECRET not in daemon.log() + json.dumps(daemon.client.request("GET", "/v1/sessions"))


def test_stopped_meanwhile(daemon: RunningDaemon, nobody: str) -> None:
    with ending(
        subprocess.Popen(
            [*MOORING, "start", f"down://{nobody}"], env=daemon.environment(), stderr=subprocess.PIPE, text=True
        )
    ) as process:
        assert process.stderr is not None
        assert "down is not up" in process.stderr.readline()
        daemon.client.request("DELETE", "/v1/sessions/down")
        _, rest = process.communicate(timeout=30)
    assert (process.returncode, rest) == (255, "mooring start: down was stopped meanwhile\n")


def test_the_daemon_goes_away_meanwhile(start_daemon: Callable[..., RunningDaemon], nobody: str) -> None:
    daemon = start_daemon()
    with ending(
        subprocess.Popen(
            [*MOORING, "start", f"down://{nobody}"], env=daemon.environment(), stderr=subprocess.PIPE, text=True
        )
    ) as process:
        assert process.stderr is not None
        assert "down is not up" in process.stderr.readline()
        daemon.kill()
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 255
    assert rest.startswith("mooring start: ")
