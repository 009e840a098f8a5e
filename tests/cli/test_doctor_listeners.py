"""``mooring doctor`` at the places where mooringd listens, or would."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pwd
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest

from mooring.cli.doctor import main
from mooring.cli.doctor.finding import Finding, Ground
from mooring.cli.doctor.holder import Holder, holder
from mooring.cli.doctor.listeners import listeners
from mooring.daemon.sockets import listen_tcp
from mooring.simulate.ports import ReservedPort
from tests.cli.calling import mooring
from tests.daemon.certificate import make
from tests.daemon.running import RunningDaemon

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a daemon may tell
SAYS_IT_INHERITED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3);"
    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='call-home');"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, where no daemon ever ran."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MOORING_")}
    ours = {"HOME": str(tmp_path), "MOORING_STATE_DIR": str(tmp_path / "s")}
    return {**inherited, **ours, "MOORING_CONFIG": str(tmp_path / "config.toml")}


def found(environment: Mapping[str, str]) -> list[Finding]:
    """What is said of listeners; found here, since a process each would take a second."""
    written = io.StringIO()
    with mock.patch.dict(os.environ, environment, clear=True), contextlib.redirect_stdout(written):
        main(["--json"])
    return listening(written.getvalue())


def listening(lines: str) -> list[Finding]:
    return [one for one in (Finding(**json.loads(line)) for line in lines.splitlines()) if one.check == "listeners"]


@contextlib.contextmanager
def saying(*words: bytes) -> Iterator[int]:
    """A port where each of the next connections is told something; empty words hang up at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            for word in words:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(word)
                    while word and connection.recv(1000):
                        pass

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)


def door(kind: str, port: int | None, address: str = "127.0.0.1", **changes: bool) -> dict[str, Any]:
    """A place as a daemon tells of it."""
    return {"kind": kind, "address": address, "port": port, "tls": False, "inherited": False, "open": False} | changes


def judged(folder: Path, *doors: Mapping[str, Any], timeout: float = 30.0) -> Sequence[Finding]:
    """What is found of a daemon that tells of these."""
    return list(listeners(Ground(settings=None, state=folder, answers=True, doors=doors), timeout))


def test_a_daemon_that_runs(start_daemon: Callable[..., RunningDaemon], tmp_path: Path) -> None:
    certificate, key = make(tmp_path)
    key.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as called:
        daemon = start_daemon(
            prefix=[sys.executable, "-c", SAYS_IT_INHERITED, str(called.fileno())],
            inherit=[called.fileno(), 3],
            arguments=["--gateway", "127.0.0.1:0"],
            config=f'[tls]\ncert = "{certificate}"\nkey = "{key}"\n',
        )
        gateway = daemon.client.request("GET", "/v1/gateway")["listen"][0]
        handed = f"127.0.0.1:{called.getsockname()[1]} (call-home)"
        assert [(one.verdict, one.detail) for one in found(daemon.environment())] == [
            ("ok", f"unix:{daemon.socket} answers"),
            ("ok", f"https://127.0.0.1:{daemon.port} answers"),
            ("ok", f"{handed} was handed to mooringd by who started it: not tried"),
            ("ok", f"{gateway} (gateway) answers"),
        ]
        called.settimeout(0)
        with pytest.raises(BlockingIOError):
            called.accept()


@pytest.mark.parametrize("kind", ["call-home", "gateway"])
def test_who_speaks_ssh_has_to_say_so(tmp_path: Path, kind: str) -> None:
    with saying(b"SSH-2.0-x\r\n", b"220 mail\r\n", b"") as port:
        good, other, silent = judged(tmp_path, *(door(kind, port) for _ in range(3)))
    assert (good.verdict, good.detail) == ("ok", f"127.0.0.1:{port} ({kind}) answers")
    assert (other.verdict, "220 mail" in other.detail) == ("fail", True)
    assert (silent.verdict, "hung up" in silent.detail) == ("fail", True)
    assert other.hint


def test_a_place_where_nobody_answers(tmp_path: Path) -> None:
    nobody, silent = ReservedPort(), socket.create_server(("127.0.0.1", 0))
    with contextlib.closing(nobody), silent:
        places = [door("http", nobody.port), door("http", silent.getsockname()[1])]
        refused, waited = judged(tmp_path, *places, timeout=0.1)
    assert (refused.verdict, "Connection refused" in refused.detail) == ("fail", True)
    assert (waited.verdict, "timed out" in waited.detail) == ("fail", True)


def test_how_open_a_place_is(tmp_path: Path) -> None:
    fine = b"HTTP/1.1 200 OK\r\n\r\n"
    with saying(fine, fine, b"SSH-2.0-x\r\n") as port:
        clear, nobody_asked, encrypted = judged(
            tmp_path, door("http", port, EVERYWHERE), door("http", port, open=True), door("gateway", port, EVERYWHERE)
        )
    assert (clear.verdict, "in the clear" in clear.detail, "[tls]" in str(clear.hint)) == ("warn", True, True)
    assert (nobody_asked.verdict, "--no-auth" in str(nobody_asked.hint)) == ("warn", True)
    assert encrypted == ("ok", "listeners", f"0.0.0.0:{port} (gateway) answers, other machines too", None)


def test_a_daemon_that_does_not_tell(tmp_path: Path) -> None:
    (only,) = listeners(Ground(settings=None, state=tmp_path, answers=True))
    assert (only.verdict, "admin" in only.detail) == ("ok", True)


def test_no_daemon_and_nothing_in_its_way(environment: Mapping[str, str], tmp_path: Path) -> None:
    http, called = ReservedPort(), ReservedPort()
    with contextlib.closing(http), contextlib.closing(called):
        (tmp_path / "config.toml").write_text(
            f'[daemon]\nport = {http.port}\n[call_home]\nlisten = ["127.0.0.1:{called.port}"]\n'
        )
        assert [(one.verdict, one.detail) for one in found(environment)] == [
            ("ok", f"mooringd may listen at unix:{tmp_path}/s/mooring.sock"),
            ("ok", f"mooringd may listen at http://127.0.0.1:{http.port}"),
            ("ok", f"mooringd may listen at 127.0.0.1:{called.port} (call-home)"),
        ]
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_no_daemon_and_others_in_its_place(environment: Mapping[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x"
    environment = {**environment, "MOORING_SOCKET": str(path)}
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        unix.close()  # what a dead daemon leaves is in nobody's way
        port = tcp.getsockname()[1]
        (tmp_path / "config.toml").write_text(f'[daemon]\nport = 0\n[gateway]\nlisten = ["127.0.0.1:{port}"]\n')
        left, _, taken = listening(mooring("doctor", "--json", environment=environment).stdout)
    assert left.verdict == "ok"
    assert path.is_socket()
    name = Path("/proc/self/comm").read_text().strip()
    assert taken == (
        "fail",
        "listeners",
        f"port {port} of 127.0.0.1 is in use by another program: {name}, process {os.getpid()}",
        "stop it, or name another place with --gateway",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_a_daemon_that_has_its_place_and_does_not_answer(environment: Mapping[str, str], tmp_path: Path) -> None:
    path = tmp_path / "s" / "mooring.sock"
    path.parent.mkdir(mode=0o700)
    (path.parent / "lock").write_text(f"{os.getpid()}\n")
    (tmp_path / "config.toml").write_text("[daemon]\nport = 0\n")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    unix.accept()[0].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        try:
            own, _ = listening(mooring("doctor", "--json", environment=environment).stdout)
        finally:
            unix.shutdown(socket.SHUT_RDWR)
            thread.join(30)
    assert (own.verdict, own.detail) == ("fail", f"unix:{path} is mooringd's own, process {os.getpid()}")
    assert "log" in str(own.hint)


def test_what_mooringd_would_refuse(environment: Mapping[str, str], tmp_path: Path) -> None:
    place = ReservedPort()
    with contextlib.closing(place):
        twice = f'["127.0.0.1:{place.port}", "127.0.0.1:{place.port}"]'
        (tmp_path / "config.toml").write_text(
            f'[daemon]\nhost = "{EVERYWHERE}"\nport = 0\n[call_home]\nlisten = {twice}\n'
        )
        _, clear, first, second = found(environment)
    assert (clear.verdict, "would send its token in the clear" in clear.detail) == ("fail", True)
    assert "[tls]" in str(clear.hint)
    assert (first.verdict, second.verdict) == ("ok", "fail")
    assert second.detail == f"127.0.0.1:{place.port} (call-home) is named twice"


@pytest.mark.parametrize(
    ("host", "gateway", "told"),
    [
        ("::", EVERYWHERE, "named twice"),  # the door of HTTP takes IPv4 too
        (EVERYWHERE, "127.0.0.1", "named twice"),
        ("127.0.0.1", EVERYWHERE, "named twice"),
        (EVERYWHERE, "[::]", "may listen"),  # the others leave it to a place of its own
        ("127.0.0.1", "127.0.0.2", "may listen"),
    ],
)
def test_which_places_are_the_same(
    environment: Mapping[str, str], tmp_path: Path, host: str, gateway: str, told: str
) -> None:
    with contextlib.closing(ReservedPort()) as place:
        (tmp_path / "config.toml").write_text(
            f'[daemon]\nhost = "{host}"\nport = {place.port}\n[gateway]\nlisten = ["{gateway}:{place.port}"]\n'
        )
        _, http, one = found(environment)
    assert (one.verdict, told in one.detail) == ("fail" if told == "named twice" else "ok", True)
    assert "named twice" not in http.detail  # that it is in the clear is another matter


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a bound place is taken, for that moment")
def test_a_daemon_may_start_meanwhile(environment: Mapping[str, str], tmp_path: Path) -> None:
    started = []

    def start(door: socket.socket, _settings: object) -> None:
        host, port = door.getsockname()[:2]
        with listen_tcp(host, port):
            started.append(port)

    module = sys.modules[listeners.__module__]
    with contextlib.closing(ReservedPort()) as place, mock.patch.object(module, "check_open", start):
        (tmp_path / "config.toml").write_text(f"[daemon]\nport = {place.port}\n")
        _, one = found(environment)
    assert (one.verdict, started) == ("ok", [place.port])


def is_ours(found: Holder | None) -> bool:
    return found is not None and found.pid == os.getpid()


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
@pytest.mark.parametrize(
    ("bound", "wanted", "meets"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", EVERYWHERE, True),
        ("localhost", "localhost", True),
        ("127.0.0.2", "localhost", False),
        ("127.0.0.1", "127.0.0.2", False),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("::1", EVERYWHERE, False),
        ("::", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
    ],
)
def test_who_listens_at_a_port(bound: str, wanted: str, *, meets: bool) -> None:
    family, _, _, _, (address, *_) = socket.getaddrinfo(bound, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, 0))
        port = listener.getsockname()[1]
        assert not is_ours(holder(wanted, port))  # nobody listens yet
        listener.listen()
        assert is_ours(holder(wanted, port)) is meets


LISTENS: Final = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print(os.getpid(), flush=True)
if sys.argv[2] == "leaves it to a child" and os.fork():
    os._exit(0)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
@pytest.mark.parametrize("stays", ["stays", "leaves it to a child"])
def test_who_listens_at_a_path_when_descriptors_are_not_shown(tmp_path: Path, stays: str) -> None:
    """As those of root's systemd are not, but to root."""
    path = str(tmp_path / "x")
    command = [sys.executable, "-c", LISTENS, path, stays]
    module = sys.modules[holder.__module__]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        mock.patch.object(module, "_process", return_value=None),
    ):
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if stays == "stays":
            assert holder(path, None) == Holder(Path(f"/proc/{pid}/comm").read_text().strip(), pid)
        else:
            process.wait()
            assert holder(path, None) == Holder(pwd.getpwuid(os.getuid()).pw_name, None)
        assert process.stdin is not None
        process.stdin.close()


def hang_up(listener: socket.socket) -> None:
    """On whoever comes, until nobody listens any more."""
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()


def test_which_socket_of_root_s_it_is(environment: Mapping[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x"
    module = sys.modules[listeners.__module__]
    root = mock.patch.object(module, "holder", return_value=Holder("root", None))
    (tmp_path / "config.toml").write_text("[daemon]\nport = 0\n")
    with socket.socket(socket.AF_UNIX) as taken, root:
        taken.bind(str(path))
        taken.listen()
        hanging_up = threading.Thread(target=hang_up, args=(taken,), daemon=True)
        hanging_up.start()
        one, _ = found({**environment, "MOORING_SOCKET": str(path)})
        taken.shutdown(socket.SHUT_RDWR)
        hanging_up.join(30)
    assert (one.verdict, f"`ss -lxp src {path}`" in (one.hint or "")) == ("warn", True)


@pytest.mark.parametrize(
    ("has", "verdict", "told"),
    [
        (Holder("systemd", 1), "ok", "is held by systemd, process 1, which starts mooringd when somebody comes"),
        (Holder("root", None), "warn", "a process of root, maybe systemd, which starts mooringd when somebody comes"),
        (Holder("joe", None), "fail", "is in use by another program: a process of joe"),
        (None, "fail", "is in use by another program"),
    ],
    ids=["systemd", "root", "another user", "unknown"],
)
def test_who_else_may_have_a_place(
    environment: Mapping[str, str], tmp_path: Path, *, has: Holder | None, verdict: str, told: str
) -> None:
    module = sys.modules[listeners.__module__]
    with socket.create_server(("127.0.0.1", 0)) as taken, mock.patch.object(module, "holder", return_value=has):
        (tmp_path / "config.toml").write_text(f"[daemon]\nport = {taken.getsockname()[1]}\n")
        _, one = found(environment)
    assert (one.verdict, one.detail.endswith(told)) == (verdict, True)
