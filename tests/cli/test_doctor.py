"""``mooring doctor`` as its users call it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import pwd
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import asyncssh
import pytest

from mooring import __version__
from mooring.cli.doctor import main
from mooring.cli.doctor.finding import Ground
from mooring.cli.doctor.state import disk, trail
from mooring.simulate import SimulatedHosts
from mooring.simulate.ports import ReservedPort
from tests.cli.calling import mooring
from tests.cli.fleet import simulated
from tests.cli.impostor import answer, impostor
from tests.daemon.certificate import make
from tests.daemon.running import RunningDaemon
from tests.peers.agent import Agent
from tests.peers.keys import Keyring

CHECKS = ["daemon", "config", "listeners", "listeners", "listeners", "state", "disk", "audit", "clock"]
CHECKS += ["ssh_config", "known_hosts", "agent", "keys"]
CHECKS += ["python", "uvloop", "descriptors", "sessions"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, where no daemon ever ran."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / "config.toml").touch(mode=0o600)
    inherited = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    return {**inherited, "HOME": str(tmp_path), "MOORING_STATE_DIR": str(tmp_path / "state")} | {
        "MOORING_CONFIG": str(tmp_path / "config.toml")
    }


def findings(environment: Mapping[str, str], code: int) -> dict[str, dict[str, Any]]:
    """What it finds, by the check."""
    done = mooring("doctor", "--json", environment=environment)
    assert (done.returncode, done.stderr) == (code, "")
    return {one["check"]: one for one in map(advised, done.stdout.splitlines())}


def advised(line: str) -> dict[str, Any]:
    """A line of JSON; what is not well comes with what to do."""
    found: dict[str, Any] = json.loads(line)
    assert bool(found["hint"]) is (found["verdict"] != "ok"), found
    return found


def every(environment: Mapping[str, str], check: str, *words: str) -> list[dict[str, Any]]:
    """All that one check finds, where there is no daemon; here, since a process each would take a second."""
    written = io.StringIO()
    with mock.patch.dict(os.environ, environment, clear=True), contextlib.redirect_stdout(written):
        assert main(["--json", *words]) == 1
    return [one for one in map(advised, written.getvalue().splitlines()) if one["check"] == check]


def test_all_is_well(shared_daemon: RunningDaemon) -> None:
    done = mooring("doctor", environment={**shared_daemon.environment(), "SSH_AUTH_SOCK": ""})
    assert (done.returncode, done.stderr) == (0, "")
    found = [line.split()[:2] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert [check for _, check in found] == CHECKS
    assert {verdict for verdict, check in found if check != "clock"} == {"ok"}  # nobody may keep this machine's


def test_no_daemon_and_what_to_do(environment: Mapping[str, str]) -> None:
    done = mooring("doctor", environment=environment)
    first, hint = done.stdout.splitlines()[:2]
    assert done.returncode == 1
    assert first.startswith("fail  daemon       no daemon answers at unix:")
    assert hint.startswith("  hint: start it with `mooringd`")


def test_files_that_others_may_use(start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon()
    token, mine = daemon.state_dir / "token", daemon.state_dir / "whatever"
    token.chmod(0o640)
    mine.touch(0o644)
    elsewhere = {"MOORING_STATE_DIR": "/nowhere", "MOORING_CONFIG": "/nowhere/c", "MOORING_SOCKET": str(daemon.socket)}
    found = findings({**daemon.environment(), **elsewhere}, 1)  # it is the daemon that is judged, not what would be one
    assert found["config"]["detail"].startswith(str(daemon.config_file))
    assert (found["state"]["verdict"], found["state"]["detail"]) == ("fail", f"{token} has mode 0640")
    assert found["state"]["hint"] == f"chmod go= {token}"
    token.chmod(0o600)
    daemon.state_dir.chmod(0o755)
    found = findings(daemon.environment(), 0)
    assert (found["state"]["verdict"], found["state"]["hint"]) == ("warn", f"chmod 700 {daemon.state_dir}")


def test_an_agent(environment: dict[str, str], agent: Agent, keyring: Keyring) -> None:
    environment["SSH_AUTH_SOCK"] = str(agent.socket)
    found = findings(environment, 1)["agent"]
    assert (found["verdict"], found["hint"]) == ("warn", "ssh-add adds one")
    agent.add(keyring.key("client"))
    found = findings(environment, 1)["agent"]
    assert found["verdict"] == "ok"
    assert found["detail"].startswith(f"1 key at {agent.socket}")
    environment["SSH_AUTH_SOCK"] = "/nowhere"
    found = findings(environment, 1)["agent"]
    assert found["verdict"] == "warn"
    assert "No such file or directory" in found["detail"]


@pytest.mark.parametrize(
    ("mode", "passphrase", "verdict", "hint"),
    [(0o600, "", "ok", None), (0o644, "", "warn", "chmod 600"), (0o600, "secret", "warn", "ssh-add")],
)
def test_key_files(
    environment: Mapping[str, str],
    keyring: Keyring,
    tmp_path: Path,
    *,
    mode: int,
    passphrase: str,
    verdict: str,
    hint: str | None,
) -> None:
    file = tmp_path / ".ssh" / "id_ed25519"
    shutil.copy(keyring.key(f"doctor{len(passphrase)}", passphrase=passphrase), file)
    file.chmod(mode)
    found = findings(environment, 1)["keys"]
    assert found["verdict"] == verdict
    assert str(file) in found["detail"]
    assert found["hint"] is None if hint is None else hint in found["hint"]


def test_an_ssh_config_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host edge1\n  Port many\n")
    home = pwd.struct_passwd([*pwd.getpwuid(os.getuid())[:5], str(tmp_path), "/bin/sh"])
    monkeypatch.setattr(pwd, "getpwuid", lambda _: home)  # ssh asks there for the home directory
    monkeypatch.setenv("MOORING_STATE_DIR", str(tmp_path / "state"))
    assert main(["--json"]) == 1
    (found,) = [one for one in map(json.loads, capsys.readouterr().out.splitlines()) if one["check"] == "ssh_config"]
    assert found["verdict"] == "fail"
    assert f"{tmp_path}/.ssh/config:2: " in found["detail"]


def test_a_daemon_of_another_version(environment: Mapping[str, str], tmp_path: Path) -> None:
    version = json.dumps({"version": "99.1", "api": 1})
    place = json.dumps({"pid": 1, "state_dir": "/nowhere", "config": None, "socket": "/nowhere/s"})
    bodies = (version, "{}", '{"sessions": []}', place, '{"tokens": []}')
    with impostor(tmp_path / "mooring.sock", *map(answer, bodies)) as where:
        found = findings({**environment, "MOORING_SOCKET": where["MOORING_SOCKET"]}, 0)
    its = found["daemon"]
    assert (its["verdict"], its["detail"]) == ("warn", f"mooringd is version 99.1, and this is {__version__}")
    assert its["hint"].startswith("restart it after an upgrade")
    assert found.keys() == {"daemon", "state", "sessions"}
    assert found["state"]["detail"].startswith("/nowhere is not on this machine")


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_too_few_descriptors(start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon(prefix=["prlimit", "--nofile=200:200"])
    found = findings(daemon.environment(), 1)["descriptors"]
    assert found["verdict"] == "fail"
    assert found["detail"].startswith(f"mooringd, process {daemon.pid}, may have 200, and 0 sessions")
    assert "LimitNOFILE=65536" in found["hint"]


def test_a_configuration_that_cannot_be_honoured(environment: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[daemon]\nprot = 1\n")
    (found,) = every(environment, "config")
    assert (found["verdict"], found["detail"]) == ("fail", f"{file}:2: unknown key 'prot' in [daemon]")
    file.write_text('[sessions.web1]\npassword = "hunter2"\n')
    file.chmod(0o644)
    (found,) = every(environment, "config")
    assert (found["verdict"], "hunter2" in str(found)) == ("fail", False)
    assert found["hint"].startswith(f"chmod 600 {file}")


@pytest.mark.parametrize(
    ("validity", "told"),
    [("-2h:-1h", "ended on"), ("+1h:+2h", "does not count yet"), ("-1h:+1h", "ends on"), ("always:forever", None)],
    ids=["ended", "to come", "soon", "for ever"],
)
def test_certificates(
    environment: Mapping[str, str], keyring: Keyring, tmp_path: Path, validity: str, told: str | None
) -> None:
    file = tmp_path / ".ssh" / "id_ed25519"
    shutil.copy(keyring.key("certified"), file)
    certificate = keyring.ca("doctors").sign(keyring.key("certified"), "root", validity=validity)
    shutil.copy(certificate, tmp_path / ".ssh" / "id_ed25519-cert.pub")
    key, *others = every(environment, "keys")
    assert key["verdict"] == "ok"
    if told is None:
        assert others == []
    else:
        assert (others[0]["verdict"], told in others[0]["detail"]) == ("warn" if told == "ends on" else "fail", True)


def test_keys_that_are_named_old_or_short(environment: Mapping[str, str], tmp_path: Path) -> None:
    short, old, gone = (tmp_path / name for name in ("short", "old", "gone"))
    asyncssh.generate_private_key("ssh-rsa", key_size=1024).write_private_key(short)
    asyncssh.generate_private_key("ssh-dss").write_private_key(old)
    for file in (short, old):
        file.chmod(0o600)
    (tmp_path / "config.toml").write_text(
        f'[call_home.devices.core1]\nsecret_from = "env:X"\nusername = "x"\nidentity = ["{short}", "{old}", "{gone}"]\n'
    )
    found = {one["detail"].partition(" ")[0]: one for one in every(environment, "keys")}
    assert found[str(short)]["verdict"] == "warn"
    assert "1024 bits" in found[str(short)]["detail"]
    assert found[str(old)]["verdict"] == "fail"
    assert "DSA" in found[str(old)]["detail"]
    assert found["the"]["verdict"] == "fail"
    assert str(gone) in found["the"]["detail"]


def test_a_password_file_that_others_may_read(environment: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2")
    file.chmod(0o644)
    (tmp_path / "config.toml").write_text(
        f'[call_home.devices.core1]\nsecret_from = "env:X"\nusername = "x"\npassword_from = "file:{file}"\n'
    )
    (found,) = every(environment, "passwords")
    assert (found["verdict"], found["hint"]) == ("fail", f"chmod 600 {file}")


def test_known_hosts_that_cannot_be_read(environment: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / ".ssh" / "known_hosts"
    file.write_text("edge1 ssh-ed25519 AAAA!\n")
    (found,) = every(environment, "known_hosts")
    assert (found["verdict"], f"{file}:1" in found["detail"]) == ("warn", True)
    file.unlink()
    file.mkdir()
    (found,) = every(environment, "known_hosts")
    assert (found["verdict"], str(file) in found["detail"]) == ("fail", True)


def test_a_file_from_the_future(environment: Mapping[str, str], tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "token").touch(mode=0o600)
    os.utime(state / "token", (2**32, 2**32))
    found, *_ = every(environment, "clock")
    assert (found["verdict"], str(state / "token") in found["detail"]) == ("fail", True)


def test_a_token_that_has_ended(start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon()
    token = {"name": "brief", "actions": ["read"], "selector": "all", "expires_in": 0.001}
    daemon.client.request("POST", "/v1/tokens", token)
    found = findings(daemon.environment(), 0)["tokens"]
    assert (found["verdict"], found["hint"]) == ("warn", "mooring token revoke brief")


def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    ground = Ground(settings=None, state=tmp_path / "not" / "yet")
    assert disk(ground).check == "disk"
    assert disk(ground, 0).verdict == "ok"
    assert disk(ground, 1 << 60, 0).verdict == "warn"
    assert disk(ground, 1 << 60, 1 << 60).verdict == "fail"


def test_a_disk_that_is_too_full_for_recordings(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"[recordings]\nenabled = true\nfree_mib = {1 << 40}\n")
    (found,) = every(environment, "disk")
    assert (found["verdict"], f"free_mib of [recordings] is {1 << 40}" in found["detail"]) == ("fail", True)


@pytest.mark.parametrize(
    ("stuck", "size", "verdict"), [(0.0, 0.0, "ok"), (0.0, 5000.0, "warn"), (1.0, 0.0, "fail"), (1.0, 1.0, "fail")]
)
def test_the_audit_trail(tmp_path: Path, stuck: float, size: float, verdict: str) -> None:
    said = {"stuck": stuck, 'let_go_total{for="age"}': 10_000.0, 'let_go_total{for="size"}': size}
    (found,) = trail(Ground(settings=None, state=tmp_path, trail=said))
    assert found.verdict == verdict
    assert not list(trail(Ground(settings=None, state=tmp_path)))


def test_the_certificate_of_the_door(environment: Mapping[str, str], tmp_path: Path) -> None:
    certificate, key = make(tmp_path)
    key.chmod(0o600)
    (tmp_path / "config.toml").write_text(f'[tls]\ncert = "{certificate}"\nkey = "{key}"\n')
    (found,) = every(environment, "tls")
    assert (found["verdict"], found["hint"]) == ("warn", "renew it, and restart mooringd")
    certificate.write_text("none")
    (found,) = every(environment, "tls")
    assert (found["verdict"], str(certificate) in found["detail"]) == ("fail", True)


def test_the_key_of_the_certificate(environment: Mapping[str, str], tmp_path: Path) -> None:
    certificate, key = make(tmp_path)
    (tmp_path / "config.toml").write_text(f'[tls]\ncert = "{certificate}"\nkey = "{key}"\n')
    key.chmod(0o644)
    found = every(environment, "tls")[-1]
    assert (found["verdict"], found["hint"]) == ("fail", f"chmod o= {key}")
    (tmp_path / "other").mkdir()
    for content in (make(tmp_path / "other")[1].read_bytes(), b"none", None):
        key.unlink()
        if content is not None:
            key.write_bytes(content)
            key.chmod(0o600)
        found = every(environment, "tls")[-1]
        assert (found["verdict"], f"{certificate} and {key} cannot be used" in found["detail"]) == ("fail", True)


@pytest.mark.anyio
async def test_each_session_that_is_not_up(environment: Mapping[str, str], tmp_path: Path) -> None:
    known = tmp_path / ".ssh" / "known_hosts"
    known.touch()
    nobody, silent = ReservedPort(), socket.create_server(("127.0.0.1", 0))
    async with SimulatedHosts(password="x") as hosts:
        wrong = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
        sessions = {
            "good": (hosts[0].port, hosts.public_key),
            "new": (hosts[0].port, "accept-new"),
            "unknown": (hosts[0].port, "verify"),
            "changed": (hosts[0].port, wrong),
            "nobody": (nobody.port, "off"),
            "silent": (silent.getsockname()[1], "off"),
        }
        (tmp_path / "config.toml").write_text(
            "[daemon]\nssh_config = []\n"
            + "".join(
                f'[sessions.{alias}]\nhost = "127.0.0.1"\nport = {port}\nhost_key = "{key}"\nusername = "u"\n'
                f'password = "hunter2"\nconnect_timeout = {1 if alias == "silent" else 20}\nlabel = ["kind:{alias}"]\n'
                for alias, (port, key) in sessions.items()
            )
        )
        short, *found = await asyncio.to_thread(every, environment, "sessions")
        assert hosts[0].auth_attempts == 0
        (chosen,) = await asyncio.to_thread(every, environment, "sessions", "--select", "kind:good")
    nobody.close()
    silent.close()
    assert short["detail"].startswith("2 not up, whose servers answer")
    assert chosen["detail"].startswith("1 not up, whose servers answer")
    told = {one["detail"].partition(": ")[0]: one for one in found}
    assert set(told) == {"unknown", "changed", "nobody", "silent"}
    assert {one["verdict"] for one in found} == {"fail"}
    assert "Connection refused" in told["nobody"]["detail"]
    assert "did not answer within 1 s" in told["silent"]["detail"]
    assert told["unknown"]["hint"]
    assert told["changed"]["hint"]
    assert known.read_bytes() == b""


def test_sessions_as_the_daemon_has_them(start_daemon: Callable[..., RunningDaemon]) -> None:
    with simulated("--count", "1") as hosts:
        port, key = hosts["hosts"][0]["port"], hosts["host_key"]
        table = f'[sessions.web1]\nhost = "127.0.0.1"\nport = {port}\nhost_key = "{key}"\nusername = "x"\n'
        daemon = start_daemon(config=table)
        daemon.wait_state("web1")
        assert findings(daemon.environment(), 0)["sessions"]["detail"] == "1 up"
        daemon.client.request("POST", "/v1/sessions", {"target": f"odd://x@127.0.0.1:{port}?known_hosts=/nowhere"})
        daemon.wait_state("odd", state="parked")
        found = findings(daemon.environment(), 1)["sessions"]
    assert (found["verdict"], found["detail"].startswith("odd is parked: ")) == ("fail", True)


def test_a_selector_that_is_none(environment: Mapping[str, str]) -> None:
    done = mooring("doctor", "--select", ",", environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
