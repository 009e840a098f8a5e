"""The daemon's doors: private, exact about what is in the way, and what a dead daemon left is no obstacle."""

from __future__ import annotations

import errno
import socket
import stat
from pathlib import Path

import pytest

from mooring.daemon.config import CallHome, Settings, Tls
from mooring.daemon.sockets import Doors, is_loopback, listen, listen_tcp, listen_unix, names, url
from mooring.model.errors import ConfigError, StateError
from mooring.model.gateway import GatewaySettings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - bound for a moment, and nothing is accepted


def _settings(folder: Path, **changes: object) -> Settings:
    settings: dict[str, object] = {
        "config": None,
        "state_dir": folder,
        "socket": folder / "s",
        "host": "127.0.0.1",
        "port": 0,
        "hosts": (),
        "ssh_config": None,
        "log": "text",
        "log_level": "info",
        "tls": None,
        "targets": (),
        "call_home": CallHome(),
        "devices": {},
        "gateway": GatewaySettings(),
        "authenticate": True,
        "remember": True,
    }
    return Settings(**(settings | changes))  # type: ignore[arg-type]  # as it has them


def test_a_unix_socket_is_private_and_goes_with_its_daemon(tmp_path: Path) -> None:
    path = tmp_path / "run" / "mooring.sock"
    with listen_unix(path) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert url(listener) == f"unix:{path}"
        assert is_loopback(listener)
    assert not path.exists()


def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listen_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_the_socket_of_a_living_program_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listen_unix(path), pytest.raises(StateError) as caught, listen_unix(path):
        pass
    assert caught.value.message == f"another program listens on {path}"


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(StateError, match="is there already, and no socket"), listen_unix(path):
        pass
    assert path.read_text() == "precious"


def test_a_socket_that_is_not_ours_any_more_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listen_unix(path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.exists()


def test_a_path_may_be_too_long(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longer than 103 bytes"), listen_unix(tmp_path / ("x" * 104)):
        pass


def test_a_port_in_use_is_named() -> None:
    with listen_tcp("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(StateError) as caught, listen_tcp("127.0.0.1", port):
            pass
    assert caught.value.message == f"port {port} of 127.0.0.1 is in use by another program"
    assert "--port" in (caught.value.hint or "")


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=host), listen_tcp(host, 0):
        pass


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "")])
def test_loopback_is_known_by_any_of_its_names(host: str, shown: str) -> None:
    with listen_tcp(host, 0) as listener:
        assert is_loopback(listener)
        assert url(listener).startswith(f"http://{shown}")


def test_off_loopback_needs_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught, listen(_settings(tmp_path, host=EVERYWHERE, config=tmp_path / "c.toml")):
        pass
    assert caught.value.message.startswith(f"{tmp_path}/c.toml: off loopback http://0.0.0.0:")
    assert caught.value.hint == "name a certificate: [tls] cert and key; or use --host 127.0.0.1"
    assert not (tmp_path / "s").exists()
    with listen(_settings(tmp_path, host=EVERYWHERE, tls=Tls(cert=tmp_path, key=tmp_path))) as doors:
        assert [is_loopback(door) for door in doors.clients] == [True, False]


def test_without_authentication_off_loopback_is_refused_whatever_else(tmp_path: Path) -> None:
    tls = Tls(cert=tmp_path, key=tmp_path)
    with (
        pytest.raises(ConfigError, match="open to everybody"),
        listen(_settings(tmp_path, host=EVERYWHERE, tls=tls, authenticate=False)),
    ):
        pass


def test_a_port_that_is_for_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    # Not the system itself: root may listen anywhere, and in many a container everybody may.
    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(StateError, match="may not listen"), listen_tcp("127.0.0.1", 1):
        pass


@pytest.mark.parametrize(("address", "further"), [("127.0.0.5", {"127.0.0.5"}), (EVERYWHERE, set())])
def test_we_answer_to_the_address_of_an_inherited_socket(tmp_path: Path, address: str, further: set[str]) -> None:
    with socket.create_server((address, 0)) as door:
        settings = _settings(tmp_path, hosts=("gate",), host=EVERYWHERE)
        assert names(Doors([door], [], []), settings) == {"gate"} | further
