"""The sockets that the daemon listens on: Unix for this user, TCP, and where devices call; all may be inherited."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.errors import ConfigError, StateError
from ..store.faults import faults
from .systemd import inherited_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .config import Settings

__all__ = [
    "CALL_HOME",
    "GATEWAY",
    "Doors",
    "bind_tcp",
    "check_open",
    "check_path",
    "is_loopback",
    "is_near",
    "listen",
    "listen_tcp",
    "listen_unix",
    "names",
    "url",
]

CALL_HOME: Final = "call-home"
"""The name of inherited sockets that devices call at."""
GATEWAY: Final = "gateway"
"""The name of those that SSH clients come to."""
_EVERYWHERE: Final = {"0.0.0.0", "::"}  # noqa: S104 - no name of ours: other machines' pages may lead there
_BACKLOG: Final = 1024
_MAX_PATH: Final = 103
"""Bytes of a Unix socket's path on macOS; Linux takes four more (unix(7))."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The listening sockets of a daemon.

    Attributes:
        clients: For those who use it: a Unix one and a TCP one.
        devices: For those that call home.
        visitors: For SSH clients.
        inherited: Those of them that whoever started the daemon gave it.
    """

    clients: list[socket.socket]
    devices: list[socket.socket]
    visitors: list[socket.socket]
    inherited: tuple[socket.socket, ...] = ()


@contextlib.contextmanager
def listen(settings: Settings) -> Iterator[Doors]:
    """The daemon's doors until the block is left, or what was inherited in their places.

    Raises:
        ConfigError: The TCP door could be reached from outside this machine, and would not be safe there.
        StateError, ConfigError: As ``listen_unix`` and ``listen_tcp``.
    """
    with contextlib.ExitStack() as stack:
        inherited = [(name, stack.enter_context(one)) for name, one in inherited_sockets()]
        clients = [one for name, one in inherited if name not in {CALL_HOME, GATEWAY}]
        visitors = [one for name, one in inherited if name == GATEWAY]
        devices = [one for name, one in inherited if name == CALL_HOME]
        families = {one.family for one in clients}
        if socket.AF_UNIX not in families:
            clients.append(stack.enter_context(listen_unix(settings.socket)))
        if families <= {socket.AF_UNIX}:
            clients.append(stack.enter_context(listen_tcp(settings.host, settings.port)))
        for door in clients:
            check_open(door, settings)
        if not devices:
            devices = [
                stack.enter_context(listen_tcp(host, port, flag="--call-home", only_v6=True))
                for host, port in settings.call_home.listen
            ]
        if not visitors:
            visitors = [
                stack.enter_context(listen_tcp(host, port, flag="--gateway", only_v6=True))
                for host, port in settings.gateway.listen
            ]
        yield Doors(clients, devices, visitors, tuple(one for _, one in inherited))


def check_open(door: socket.socket, settings: Settings) -> None:
    """See that a door for clients is open to no more people than it may be.

    Raises:
        ConfigError: It could be reached from outside this machine, and would not be safe there.
    """
    if is_loopback(door):
        return
    if not settings.authenticate:
        raise ConfigError(f"without authentication {url(door)} would be open to everybody", hint="use 127.0.0.1")
    if settings.tls is None:
        raise ConfigError(
            f"off loopback {url(door)} would send its token in the clear",
            source=str(settings.config) if settings.config else None,
            hint="name a certificate: [tls] cert and key; or use --host 127.0.0.1",
        )


@contextlib.contextmanager
def listen_unix(path: Path) -> Iterator[socket.socket]:
    """A socket at a path, for its user alone, until the block is left. One that a dead daemon left there is replaced.

    Raises:
        StateError: Somebody listens there, something else stands there, or it cannot be made.
        ConfigError: The path is too long for a socket.
    """
    _check_length(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made = _bind(listener, path)
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if path.stat().st_ino == made:
                    path.unlink()
    finally:
        listener.close()


def check_path(path: Path) -> None:
    """See that a socket can be made at a path, as far as that is known before it is; nothing is touched.

    Raises:
        StateError, ConfigError: As ``listen_unix``.
    """
    _check_length(path)
    with faults(path):
        _is_left(path)


def _check_length(path: Path) -> None:
    if len(os.fsencode(path)) > _MAX_PATH:
        raise ConfigError(
            f"the socket's path {path} is longer than {_MAX_PATH} bytes", hint="name a shorter one with --socket"
        )


def _bind(listener: socket.socket, path: Path) -> int:
    """Listen there, and return the inode that was made."""
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    with faults(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_left(path):
            path.unlink(missing_ok=True)
        before = os.umask(0o177)  # from its first moment nobody else may connect
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        return path.stat().st_ino


def _is_left(path: Path) -> bool:
    """Whether a socket is there on which nobody listens.

    Raises:
        StateError: Something else is there.
    """
    if not path.is_socket():
        if path.exists():
            raise StateError(f"{path} is there already, and no socket", hint="name another one with --socket")
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except TimeoutError:
            pass  # somebody listens and is too busy to accept
    raise StateError(
        f"another program listens on {path}", hint="stop it, or name another socket with --socket or MOORING_SOCKET"
    )


@contextlib.contextmanager
def listen_tcp(host: str, port: int, *, flag: str = "--port", only_v6: bool = False) -> Iterator[socket.socket]:
    """A TCP socket that listens on an address, until the block is left.

    Args:
        host: As for ``bind_tcp``, like all others.
        port: The port.
        flag: What names another one.
        only_v6: Whether ``::`` leaves IPv4 to others.

    Raises:
        ConfigError, StateError: As ``bind_tcp``.
    """
    with bind_tcp(host, port, flag=flag, only_v6=only_v6) as listener:
        try:
            listener.listen(_BACKLOG)
        except OSError as error:
            raise _not_bound(host, port, error, flag) from error
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        yield listener


@contextlib.contextmanager
def bind_tcp(host: str, port: int, *, flag: str = "--port", only_v6: bool = False) -> Iterator[socket.socket]:
    """A TCP socket that has an address and does not listen there, until the block is left.

    Args:
        host: The address.
        port: The port; 0 is any free one.
        flag: What names another one, for errors.
        only_v6: Whether ``::`` leaves IPv4 to a socket of its own, so that both can be named.

    Raises:
        ConfigError: The host is not an address of this machine.
        StateError: The port is in use, or not for us.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"the host {host!r} is no address: {error.strerror or error}") from error
    family, _, _, _, address = found[0]
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if only_v6 and family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise _not_bound(host, port, error, flag) from error
        yield listener


def _not_bound(host: str, port: int, error: OSError, flag: str) -> StateError | ConfigError:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return StateError(
            f"port {port} of {host} is in use by another program",
            hint=f"find it with `ss -ltnp sport = :{port}`, or name another port with {flag}",
        )
    if error.errno == errno.EACCES:
        return StateError(f"we may not listen on {where}", hint="ports below 1024 are for root")
    return ConfigError(f"cannot listen on {where}: {error.strerror or error}")


def names(doors: Doors, settings: Settings) -> set[str]:
    """By which names and addresses clients may call us over TCP: those of the configuration, and where we listen."""
    bound = {str(door.getsockname()[0]) for door in doors.clients if door.family in (socket.AF_INET, socket.AF_INET6)}
    return {*settings.hosts, settings.host, *bound} - _EVERYWHERE


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    if listener.family == getattr(socket, "AF_UNIX", None):
        return True
    return is_near(listener.getsockname()[0])


def is_near(address: str) -> bool:
    """Whether an IP address is one that only this machine can reach."""
    return address == "::1" or address.startswith(("127.", "::ffff:127."))


def url(listener: socket.socket, *, tls: bool = False) -> str:
    """Where a socket can be reached."""
    if listener.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
