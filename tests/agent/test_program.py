"""``mooring agent`` and ``mooring agent-token`` as their users call them, with a real daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from mooring.model.errors import NothingSelected
from mooring.simulate.ports import ReservedPort
from tests.cli.calling import MOORING, mooring
from tests.daemon.running import RunningDaemon
from tests.peers.ending import ending

from .running import RunningAgent

StartDaemon = Callable[..., RunningDaemon]
StartAgent = Callable[..., RunningAgent]
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def place() -> Iterator[int]:
    """Where agents call, over restarts too."""
    port = ReservedPort("127.0.0.1")
    yield port.port
    port.close()


@pytest.fixture(scope="module")
def _daemon(place: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with RunningDaemon(tmp_path_factory.mktemp("d"), arguments=["--call-home", f"127.0.0.1:{place}"]) as daemon:
        yield daemon


@pytest.fixture
def daemon(_daemon: RunningDaemon) -> Iterator[RunningDaemon]:
    """One that holds no session and expects no agent when a test begins."""
    yield _daemon
    ask = _daemon.client.request
    for expected in ask("GET", "/v1/agent-tokens")["agents"]:
        ask("DELETE", f"/v1/agent-tokens/{expected['agent_id']}")
    with suppress(NothingSelected):
        ask("DELETE", "/v1/sessions?selector=all")


@pytest.fixture
def start_agent(tmp_path: Path, place: int) -> Iterator[StartAgent]:
    with ExitStack() as stack:

        def start(*words: str, folder: str = "agent", **keywords: Any) -> RunningAgent:
            return stack.enter_context(RunningAgent(tmp_path / folder, place, *words, **keywords))

        yield start


def call(daemon: RunningDaemon, *words: str) -> subprocess.CompletedProcess[str]:
    return mooring(*words, environment=daemon.environment())


def token(daemon: RunningDaemon, name: str = "web1", *words: str) -> str:
    done = call(daemon, "agent-token", name, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def written(folder: Path, text: str) -> str:
    path = folder / "token"
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.timeout(240)
def test_from_the_token_to_a_command_and_over_the_ends_of_both(
    daemon: RunningDaemon, start_agent: StartAgent, tmp_path: Path
) -> None:
    text = token(daemon, "web1", "--label", "site:ams")
    agent = start_agent("--id", "web1", "--token-file", written(tmp_path, text))
    daemon.wait_state("web1")
    assert daemon.client.request("GET", "/v1/sessions/web1")["labels"] == ["site:ams"]
    done = call(daemon, "run", "web1", "--", "sh", "-c", "'echo $PPID'")
    assert (done.returncode, done.stdout) == (0, f"{agent.pid}\n"), "the agent itself runs it"
    # The server ends without a word: its memory of the agent is whole, and the token's end with it.
    daemon.restart()
    daemon.wait_state("web1")
    listed = call(daemon, "agent-token", "--list", "--json")
    assert [(each["agent_id"], each["used"]) for each in map(json.loads, listed.stdout.splitlines())] == [
        ("web1", True)
    ]
    why = "the token is not taken: it was used already; `mooring agent-token web1` prints another there"
    other = start_agent("--id", "web1", "--token-file", str(tmp_path / "token"), folder="other", ready=why)
    assert other.terminate() == 0
    # The agent ends, and comes again without the token.
    assert agent.terminate() == 0
    assert "ended: SIGTERM" in agent.log()
    agent.words = [*agent.words[:2], "--id", "web1"]
    agent.start()
    daemon.wait_state("web1")
    assert call(daemon, "run", "web1", "--", "echo", "again").stdout == "again\n"
    for log in (daemon.log(), agent.log()):
        assert text not in log
    stopped = call(daemon, "stop", "web1")
    assert stopped.returncode == 0, stopped.stderr
    agent.wait_log("not approved here")


def test_what_it_is_told_to_ignore_is_not_ignored_by_what_it_runs(
    daemon: RunningDaemon, start_agent: StartAgent, tmp_path: Path
) -> None:
    prefix = ["/bin/sh", "-c", "trap '' HUP INT QUIT; exec \"$@\"", "sh"]
    agent = start_agent("--id", "web1", "--token-file", written(tmp_path, token(daemon)), prefix=prefix)
    daemon.wait_state("web1")
    for name in ("HUP", "INT", "QUIT"):
        body = {"command": f"sh -c 'kill -{name} $$; echo ignored'"}  # bash never heeds a QUIT itself
        assert daemon.client.request("POST", "/v1/sessions/web1/run", body)["stdout"] == ""
        os.kill(agent.pid, signal.Signals[f"SIG{name}"])
    assert call(daemon, "run", "web1", "--", "echo", "there").stdout == "there\n"
    assert agent.terminate() == 0


def test_facts_are_those_of_the_host(daemon: RunningDaemon, start_agent: StartAgent, tmp_path: Path) -> None:
    start_agent("--id", "web1", "--token-file", written(tmp_path, token(daemon)))
    for name, value in daemon.client.events("/v1/events"):
        sessions = value["sessions"] if name == "snapshot" else [value] if name == "facts" else []
        if any(each.get("facts", {}).get("hostname") for each in sessions) or name == "facts":
            break
    facts = daemon.client.request("GET", "/v1/sessions/web1")["facts"]
    said = os.uname()
    assert (facts["hostname"], facts["os_name"], facts["machine"]) == (said.nodename, said.sysname, said.machine)
    assert facts["os_version"] == said.release


@pytest.mark.parametrize("way", ["variable", "stdin"])
def test_a_token_that_nobody_reads_off_the_process(
    daemon: RunningDaemon, start_agent: StartAgent, tmp_path: Path, place: int, way: str
) -> None:
    text = token(daemon)
    if way == "variable":
        agent = start_agent("--id", "web1", variables={"MOORING_AGENT_TOKEN": text})
        daemon.wait_state("web1")
        assert text not in call(daemon, "run", "web1", "--", "env").stdout
        assert text not in " ".join(psutil.Process(agent.pid).cmdline())
        return
    words = ["agent", "--to", f"127.0.0.1:{place}", "--id", "web1", "--state-dir", str(tmp_path / "s")]
    with ending(
        subprocess.Popen(
            [*MOORING, *words, "--token-file", "-"], stdin=subprocess.PIPE, env=daemon.environment(), text=True
        )
    ) as process:
        assert process.stdin is not None
        process.stdin.write(f"{text}\n")
        process.stdin.close()
        daemon.wait_state("web1")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


@pytest.mark.timeout(240)
def test_it_takes_sixty_four_megabytes_at_most_and_its_key_alone(
    daemon: RunningDaemon, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent("--id", "web1", "--token-file", written(tmp_path, token(daemon)))
    daemon.wait_state("web1")
    process = psutil.Process(agent.pid)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(32 * MEGABYTE))
    most = process.memory_info().rss
    for words in (
        ("cp", str(large), f"web1:{tmp_path / 'there'}"),
        ("cp", f"web1:{tmp_path / 'there'}", str(tmp_path / "back")),
        ("run", "web1", "--", "head", "-c", str(32 * MEGABYTE), "/dev/zero"),
    ):
        call(daemon, *words)
        most = max(most, process.memory_info().rss)
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    peak = next(line for line in Path(f"/proc/{agent.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert most < 64 * MEGABYTE
    assert int(peak.split()[1]) * 1024 < 64 * MEGABYTE
    # While it runs, no other may have its key.
    done = call(daemon, "agent", "--to", "127.0.0.1:1", "--id", "x", "--state-dir", str(agent.folder / "state"))
    assert done.returncode == 1
    assert "another agent runs with" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ([], 2, "--to"),
        (["--to", "gateway"], 2, "--id"),
        (["--to", "a b", "--id", "x"], 2, "--to: "),
        (["--to", "root@gateway", "--id", "x"], 2, "no user"),
        (["--to", "gateway", "--id", "a\nb"], 2, "an id is a text of 255 letters"),
        (["--to", "gateway", "--id", "a*"], 2, "would mean many"),
        (["--to", "gateway", "--id", "."], 2, "an alias cannot be made of that id"),
        (["--to", "gateway", "--id", "x y"], 255, "`mooring agent-token 'x y'` prints a token"),
        (["--to", "gateway", "--id", "x"], 255, "no server is trusted"),
        (
            ["--to", "gateway", "--id", "x", "--token-file", "/no/such/file"],
            255,
            "the token /no/such/file cannot be read",
        ),
        (["--to", "gateway", "--id", "x", "--token-file", "-"], 255, "no token was given"),
        (["--to", "gateway", "--id", "x", "--trusted-keys", "/dev/null"], 255, "others may write /dev/null"),
        (["--to", "gateway", "--id", "x", "--state-dir", "/dev/null/x"], 1, "cannot be made"),
        (["--to", "gateway", "--id", "x", "--token", "secret-token"], 2, "unrecognized arguments"),
    ],
)
def test_a_wrong_call(tmp_path: Path, words: list[str], code: int, text: str) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    if "--state-dir" not in words and words:
        words = [*words, "--state-dir", str(tmp_path / "state")]
    done = mooring("agent", *words, environment=environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("mooring-agent-x")
    path.chmod(0o644)
    words = ["--to", "gateway", "--id", "x", "--state-dir", str(tmp_path / "s"), "--token-file", str(path)]
    done = mooring("agent", *words, environment=os.environ)
    assert done.returncode == 255
    assert f"hint: chmod 600 {path}" in done.stderr
    path.chmod(0o600)
    done = mooring("agent", *words, environment=os.environ)
    assert done.returncode == 255
    assert "that is no token, or not the whole of one" in done.stderr
    assert "mooring-agent-x" not in done.stderr


_BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"aiosqlite", "click", "litestar", "msgspec", "uvicorn"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from mooring.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_it_takes_no_more_than_the_bare_package(tmp_path: Path) -> None:
    words = ["agent", "--to", "gateway", "--id", "web1", "--state-dir", str(tmp_path / "s")]
    done = subprocess.run(
        [sys.executable, "-c", _BARE, *words], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 255
    assert "no server is trusted" in done.stderr


# agent-token.


@pytest.mark.timeout(180)
def test_tokens_are_listed_and_revoked(daemon: RunningDaemon) -> None:
    nobody = "no agent is expected\n  hint: `mooring agent-token ID` expects one\n"
    assert call(daemon, "agent-token", "--list").stderr == nobody
    done = call(daemon, "agent-token", "web1", "--alias", "ams-web1", "--label", "site:ams", "--hours", "0.5")
    assert done.stdout.startswith("mooring-agent-")
    assert "hint: on the host: mooring agent --to THIS-MACHINE:" in done.stderr
    done = call(daemon, "agent-token", "web 3", "--alias", "web3")
    assert "--id 'web 3' --token-file FILE" in done.stderr
    assert call(daemon, "agent-token", "web 3", "--revoke").stdout == "web 3\n"
    made = json.loads(call(daemon, "agent-token", "web2", "--json").stdout)
    assert (made["expected"]["alias"], made["expected"]["labels"]) == ("web2", [])
    assert made["server_key"].startswith("ssh-ed25519 ")
    assert call(daemon, "agent-token", "--server-key").stdout == f"{made['server_key']}\n"
    heading, *rows = call(daemon, "agent-token", "--list").stdout.splitlines()
    assert heading.split() == ["AGENT", "ALIAS", "ISSUED", "TOKEN", "LABELS"]
    assert rows[0].split()[:2] == ["web1", "ams-web1"]
    assert "good for 29m" in rows[0]
    assert call(daemon, "agent-token", "web1", "--revoke").stdout == "web1\n"
    gone = call(daemon, "agent-token", "web1", "--revoke")
    assert (gone.returncode, gone.stdout) == (255, "")
    daemon.restart()
    left = call(daemon, "agent-token", "--list", "--json").stdout.splitlines()
    assert [json.loads(line)["agent_id"] for line in left] == ["web2"]


@pytest.mark.timeout(180)
def test_a_wrong_call_for_a_token(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(config="[sessions.taken]\nhost = '127.0.0.1'\nport = 1\n")
    for words, code, text in (
        ([], 2, "Missing argument 'ID'"),
        (["web1", "--list"], 2, "take no ID"),
        (["web1", "--hours", "0"], 2, "--hours"),
        (["web*"], 2, "would mean many"),
        (["web 1"], 2, "alias"),
        (["taken"], 1, "taken is in use"),
    ):
        done = call(daemon, "agent-token", *words)
        assert (done.returncode, done.stdout) == (code, ""), words
        assert text in done.stderr
    done = call(daemon, "agent-token", "web1")
    assert done.returncode == 0
    assert "listens for no agents yet\n  hint: `mooringd --call-home" in done.stderr


def test_it_takes_no_memory_for_what_only_a_client_of_ssh_has() -> None:
    program = "import sys, mooring.agent.program; print(*{'.'.join(n.split('.')[:2]) for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "mooring.transport" in loaded
    assert not loaded & {"mooring.session", "mooring.sshconfig", "mooring.far", "lxml"}
