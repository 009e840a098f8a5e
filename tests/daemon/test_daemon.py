"""mooringd as its users and their service managers start it: what it says, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Never, Self

import pytest

from mooring.client import Daemon
from mooring.daemon import Options, program
from mooring.model.errors import StateError
from tests.daemon import certificate
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import dsn, table
from tests.peers.ending import ending
from tests.peers.sshd import Sshd

StartDaemon = Callable[..., RunningDaemon]


def _refused(daemon: RunningDaemon, *arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code and the words of a second daemon with the first one's settings, but for these."""
    done = subprocess.run(
        [*daemon.command(), *arguments],
        env={**daemon.environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


@pytest.fixture
def down(tmp_path: Path) -> Iterator[RunningDaemon]:
    """One that was never started."""
    with closing(RunningDaemon(tmp_path)) as daemon:
        yield daemon


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_and_ends(start_daemon: StartDaemon, number: signal.Signals) -> None:
    daemon = start_daemon()
    assert f"listening on unix:{daemon.socket}" in daemon.log()
    assert f"listening on {daemon.url}, the token is in {daemon.state_dir}/token" in daemon.log()
    assert daemon.client.request("GET", "/v1/sessions") == {"sessions": []}
    assert daemon.tcp_client.request("GET", "/v1/sessions") == {"sessions": []}
    assert daemon.terminate(number) == 0
    assert sorted(path.name for path in daemon.state_dir.iterdir()) == [
        "audit.db", "audit.head", "clock", "gateway_host_key", "lock", "mooring.db", "token",
    ]  # fmt: skip


def test_any_free_port_will_do(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(arguments=["--port", "0"])
    url = daemon.log().partition("listening on http")[2].partition(",")[0]
    assert Daemon(f"http{url}", daemon.token).request("GET", "/v1/version")["api"] == 1


def test_it_needs_no_standard_error(down: RunningDaemon) -> None:
    daemon = down
    start = ["sh", "-c", 'exec "$@" 2>&- <&- >&-', "sh", *daemon.command()]
    with Manager(daemon.folder / "notify") as manager:
        environment = {**daemon.environment(), "NOTIFY_SOCKET": str(manager.path)}
        with ending(subprocess.Popen(start, env=environment)) as process:
            manager.wait("READY=1")
            assert daemon.client.request("GET", "/v1/version")["api"] == 1
            process.terminate()
            assert process.wait(30) == 0


def test_help_is_quick_and_complete() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mooring.cli.mooringd", "-h"],
        capture_output=True,
        text=True,
        check=True,
    )
    for flag in ("--config", "--channel", "--host", "--port", "--socket", "--state-dir", "--log", "--rotate-key"):
        assert flag in done.stdout
    assert "asyncssh" not in done.stderr


def test_a_wrong_word_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mooring.cli.mooringd", "--prot", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--prot" in done.stderr


@pytest.mark.parametrize(
    ("program", "first"), [("mooringd", "mooring.daemon.program"), ("sshpoold", "mooring.daemon.program")]
)
def test_ctrl_c_before_it_has_begun(program: str, first: str, tmp_path: Path) -> None:
    interrupted = f"""
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {first!r}: raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from mooring.cli.{program} import main
sys.argv = [{program!r}]
sys.exit(main())
"""
    environment = {**os.environ, "HOME": str(tmp_path), "MOORING_STATE_DIR": str(tmp_path / "s")}
    command = [sys.executable, "-c", interrupted]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_while_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: Options) -> Never:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "load", interrupt)
    assert program.run(Options()) == 130


def test_a_wrong_word_is_told_without_its_password() -> None:
    command = [sys.executable, "-m", "mooring.cli.mooringd", "web1://a:hunter2@b"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unrecognized arguments: web1://a:********@b" in done.stderr


def test_a_second_daemon_on_the_same_state_directory_is_refused(shared_daemon: RunningDaemon) -> None:
    daemon = shared_daemon
    assert _refused(daemon, "--port", "0", "--socket", str(daemon.folder / "other.sock")) == (
        1,
        (
            f"mooringd: another mooringd, process {daemon.pid}, uses the state directory {daemon.state_dir} "
            f"(stop it (kill {daemon.pid}), or name another directory with --state-dir)"
        ),
    )
    assert daemon.client.request("GET", "/v1/sessions") == {"sessions": []}


def test_a_port_in_use_is_refused(shared_daemon: RunningDaemon, tmp_path: Path) -> None:
    daemon = shared_daemon
    assert _refused(daemon, "--state-dir", str(tmp_path / "other"), MOORING_STATE_DIR="") == (
        1,
        (
            f"mooringd: port {daemon.port} of 127.0.0.1 is in use by another program "
            f"(find it with `ss -ltnp sport = :{daemon.port}`, or name another port with --port)"
        ),
    )
    assert not (tmp_path / "other" / "mooring.sock").exists()


def test_a_socket_in_use_is_refused(shared_daemon: RunningDaemon, tmp_path: Path) -> None:
    daemon = shared_daemon
    arguments = ["--state-dir", str(tmp_path / "other"), "--socket", str(daemon.socket), "--port", "0"]
    assert _refused(daemon, *arguments) == (
        1,
        (
            f"mooringd: another program listens on {daemon.socket} "
            "(stop it, or name another socket with --socket or MOORING_SOCKET)"
        ),
    )
    assert daemon.client.request("GET", "/v1/sessions") == {"sessions": []}


def test_what_a_newer_version_wrote_is_left_alone(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.terminate()
    with closing(sqlite3.connect(daemon.state_dir / "mooring.db")) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute(f"PRAGMA user_version = {version + 1}")
        database.commit()
    code, words = _refused(daemon)
    assert code == 1
    assert words == (
        f"mooringd: {daemon.state_dir}/mooring.db has version {version + 1}, and this Mooring knows {version} at most "
        "(install the newer Mooring again, or name another state directory)"
    )
    assert not daemon.socket.exists()


def test_a_mistake_in_the_configuration_is_named(down: RunningDaemon) -> None:
    daemon = down
    daemon.configure("[sessions.web1]\nhots = 'a'\n")
    code, words = _refused(daemon)
    assert code == 2
    assert words.startswith(
        f"mooringd: {daemon.config_file}:4: unknown key 'hots' in [sessions.web1] (did you mean host? there are host, "
    )


def test_off_loopback_without_a_certificate_is_refused(down: RunningDaemon) -> None:
    code, words = _refused(down, "--host", "0.0.0.0")  # noqa: S104 - refused
    assert code == 2
    assert (
        "would send its token in the clear (name a certificate: [tls] cert and key; or use --host 127.0.0.1)" in words
    )


def test_tls(start_daemon: StartDaemon, tmp_path: Path) -> None:
    cert, key = certificate.make(tmp_path)
    daemon = start_daemon(config=f"[tls]\ncert = '{cert}'\nkey = '{key}'\n")
    where = f"https://127.0.0.1:{daemon.port}"
    assert f"listening on {where}" in daemon.log()
    program = (
        "import ssl, sys, urllib.request as u; c = ssl.create_default_context(cafile=sys.argv[2]);"
        "r = u.Request(sys.argv[1], headers={'Authorization': 'Bearer ' + sys.argv[3]});"
        "print(u.urlopen(r, context=c).status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, f"{where}/v1/sessions", str(cert), daemon.token],
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"200\n"
    cert.write_text("")
    daemon.terminate()
    code, words = _refused(daemon)
    assert (code, words.startswith(f"mooringd: [tls] {cert} and {key} cannot be used: ")) == (2, True)


def test_every_line_of_a_json_log_is_one_object(start_daemon: StartDaemon, sshd: Sshd) -> None:
    daemon = start_daemon(config='log_level = "debug"\nlog = "json"\n' + table("web1", sshd))
    daemon.wait_state("web1")
    daemon.client.request("POST", "/v1/sessions/web1/run", {"command": "true"})
    with socket.create_connection(("127.0.0.1", daemon.port)) as garbage:
        garbage.sendall(b"\x00\n\xff")
        garbage.recv(1000)
    daemon.reload("nonsense = 1\n")
    daemon.terminate()
    records = [json.loads(line) for line in daemon.log().splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*[set(record) for record in records])
    assert any(record["message"].startswith("not reloaded: ") for record in records)


class Manager:
    """A service manager's end of NOTIFY_SOCKET. It reads at any time: the kernel keeps ten words and drops the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._news: SimpleQueue[str] = SimpleQueue()
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(str(path))
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.path))
        self._reader.join()
        self._channel.close()

    def _read(self) -> None:
        while news := self._channel.recv(4096):
            self._news.put(news.decode())

    def wait(self, word: str) -> str:
        while word not in (news := self._news.get(timeout=30)):
            pass
        return news


def test_the_service_manager_is_kept_informed(start_daemon: StartDaemon, sshd: Sshd, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "200000"}
        daemon = start_daemon(config=table("web1", sshd), environment=environment)
        assert manager.wait("READY=1") == "READY=1\nSTATUS=1 sessions"
        manager.wait("WATCHDOG=1")
        manager.wait("WATCHDOG=1")
        daemon.reload(table("web1", sshd) + table("web2", sshd))
        assert manager.wait("RELOADING=1").startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert manager.wait("READY=1") == "READY=1\nSTATUS=2 sessions"
        daemon.terminate()
        assert manager.wait("STOPPING=1") == "STOPPING=1\nSTATUS=ending"


AS_SYSTEMD = """
import os, sys
for number, word in enumerate(sys.argv[1:3]):
    os.dup2(int(word), 100 + number)
for number in range(2):
    os.dup2(100 + number, 3 + number)
os.environ |= {"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[3], sys.argv[3:])
"""


def test_inherited_sockets_take_calls_while_nobody_is_there(start_daemon: StartDaemon, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        unix.bind(str(path))
        unix.listen()
        with socket.socket(socket.AF_UNIX) as early:
            early.connect(str(path))
            early.sendall(b"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
            daemon = start_daemon(
                prefix=[sys.executable, "-c", AS_SYSTEMD, str(unix.fileno()), str(tcp.fileno())],
                arguments=["--channel", "web1://a:hunter2@127.0.0.1:1"],  # which has it executed once more
                inherit=[unix.fileno(), tcp.fileno()],
            )
            early.settimeout(30)
            assert early.recv(1000).startswith(b"HTTP/1.1 200 OK")
        assert not daemon.socket.exists()
        client = Daemon(f"http://127.0.0.1:{tcp.getsockname()[1]}", daemon.token)
        assert client.request("GET", "/v1/sessions")["sessions"][0]["alias"] == "web1"
        daemon.terminate()
        assert path.exists()  # it belongs to whoever made it


PRIVATE = ["unshare", "--user", "--map-root-user", "--mount"]
SMALL_DISK = 'mkdir "$0" && mount -t tmpfs -o size=17m,mode=0700 none "$0" && exec "$@"'


def _fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1000)):
            pass


def _start_many(client: Daemon, sshd: Sshd) -> None:
    for number in range(200):
        client.request("POST", "/v1/sessions", {"target": dsn(f"many{number}", sshd)})


def test_a_full_disk_refuses_what_must_be_remembered_and_nothing_else(start_daemon: StartDaemon, sshd: Sshd) -> None:
    probe = subprocess.run([*PRIVATE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"this system gives nobody a small disk: {probe.stderr.decode()}")
    config = table("web1", sshd)
    daemon = start_daemon(config=config, prefix=[*PRIVATE, "sh", "-c", SMALL_DISK, "{state_dir}"])
    inside = Path(f"/proc/{daemon.pid}/root{daemon.state_dir}")
    client = Daemon(daemon.url, (inside / "token").read_text().strip())
    client.request("POST", "/v1/sessions", {"target": dsn("web2", sshd)})
    daemon.wait_state("web1", "web2", client=client)
    ballast = inside / "ballast"
    _fill(ballast)
    with pytest.raises(StateError) as caught:
        _start_many(client, sshd)
    assert "the disk is full" in caught.value.message
    assert caught.value.hint == "make room on that disk, and try again"
    held = {status["alias"] for status in client.request("GET", "/v1/sessions")["sessions"]}
    assert {"web1", "web2"} <= held
    assert client.request("POST", "/v1/sessions/web1/run", {"command": "echo alive"})["stdout"] == "alive\n"
    ballast.unlink()
    client.request("POST", "/v1/sessions", {"target": dsn("late", sshd)})
    assert daemon.terminate() == 0
