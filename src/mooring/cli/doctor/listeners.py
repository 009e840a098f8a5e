"""Where mooringd listens: whether it answers there, and while it does not run, whether it could listen."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...daemon.sockets import bind_tcp, check_open, check_path, is_near
from ...model.errors import MooringError, StateError
from .finding import START, fail, ok, warn
from .holder import holder, meet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...daemon.config import Settings
    from .finding import Finding, Ground
    from .holder import Address

    Door = Mapping[str, Any]

__all__ = ["listeners"]

_EACH: Final = 10.0
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where it is reached from here
_ASKED: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_V6: Final = 6
_WELL: Final = b"HTTP/1.1 200"
_SSH: Final = b"SSH-2.0-"
"""How a server's first line begins (RFC 4253, 4.2)."""


def listeners(ground: Ground, timeout: float = _EACH) -> Iterator[Finding]:
    """Look at each place where mooringd listens, or would listen.

    Args:
        ground: What there is.
        timeout: Seconds that each may take to answer.
    """
    if ground.doors is not None:
        for door in ground.doors:
            yield _answering(door, timeout)
    elif ground.answers:
        yield ok("listeners", "mooringd tells where it listens only to those with admin on all")
    elif ground.settings is not None and sys.platform != "win32":
        yield from _free(ground, ground.settings)


def _where(door: Door) -> str:
    address, port = door["address"], door["port"]
    if port is None:
        return f"unix:{address}"
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return f"http{'s' if door['tls'] else ''}://{where}" if door["kind"] == "http" else f"{where} ({door['kind']})"


def _answering(door: Door, timeout: float) -> Finding:
    where = _where(door)
    if door["inherited"]:
        return ok("listeners", f"{where} was handed to mooringd by who started it: not tried")
    try:
        _greet(door, timeout)
    except OSError as error:  # ssl.SSLError and TimeoutError are some
        return fail("listeners", f"mooringd does not answer at {where}: {error.strerror or error}", START)
    if door["open"]:
        told = f"{where} answers, and asks nobody who they are"
        return warn("listeners", told, "start it without --no-auth if others use this machine")
    far = door["port"] is not None and not is_near(door["address"])
    if far and door["kind"] == "http" and not door["tls"]:
        told = f"{where} answers other machines too, and tokens come to it in the clear"
        return warn("listeners", told, "name a certificate: [tls] cert and key; or use --host 127.0.0.1")
    return ok("listeners", f"{where} answers" + (", other machines too" if far else ""))


def _greet(door: Door, timeout: float) -> None:
    """Hear the first words of what listens there.

    Raises:
        OSError: There are none in time, or others than there should be.
    """
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(_connected(door, timeout))
        if door["tls"]:  # nothing secret is said, and the check of [tls] looks at the certificate
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = stack.enter_context(context.wrap_socket(connection))
        wanted = _WELL if door["kind"] == "http" else _SSH
        if wanted == _WELL:
            connection.sendall(_ASKED)
        words = b""
        while len(words) < len(wanted):
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            part = connection.recv(64)
            if not part:
                break
            words += part
    if not words.startswith(wanted):
        raise OSError(f"it said {words!r}" if words else "it hung up")


def _connected(door: Door, timeout: float) -> socket.socket:
    address, port = door["address"], door["port"]
    if port is not None:
        return socket.create_connection((_ANYWHERE.get(address, address), port), timeout)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _free(ground: Ground, settings: Settings) -> list[Finding]:
    taken: list[tuple[Address, int]] = []
    return [_tried(door, settings, taken, ground.pid) for door in _configured(settings)]


def _configured(settings: Settings) -> Iterator[Door]:
    def door(kind: str, address: str, port: int | None, *, tls: bool = False) -> Door:
        return {"kind": kind, "address": address, "port": port, "tls": tls}

    yield door("http", str(settings.socket), None)
    yield door("http", settings.host, settings.port, tls=settings.tls is not None)
    for kind, places in (("call-home", settings.call_home.listen), ("gateway", settings.gateway.listen)):
        for address, port in places:
            yield door(kind, address, port)


def _tried(door: Door, settings: Settings, taken: list[tuple[Address, int]], pid: int | None) -> Finding:
    """Whether a daemon of this user could listen there."""
    where, address, port = _where(door), door["address"], door["port"]
    flag = "--socket" if port is None else "--port" if door["kind"] == "http" else f"--{door['kind']}"
    try:
        if port is None:
            check_path(Path(address))
        else:
            _bind(door, settings, taken, flag)
    except MooringError as error:
        has = holder(address, port)
        if has is None:
            return fail("listeners", error.message, error.hint or f"name another place with {flag}")
        if has.name == "systemd":
            return ok("listeners", f"{where} is held by {has}, which starts mooringd when somebody comes")
        if has.name == "root" and has.pid is None:  # its sockets for system units are root's
            told = f"{error.message}: {has}, maybe systemd, which starts mooringd when somebody comes"
            which = f"ss -lxp src {address}" if port is None else f"ss -ltnp sport = :{port}"
            ask = f"see as root which it is (`{which}`); stop another"
            return warn("listeners", told, f"{ask}, or name another place with {flag}")
        if has.pid is not None and has.pid == pid:
            return fail("listeners", f"{where} is mooringd's own, process {pid}", START)
        return fail("listeners", f"{error.message}: {has}", f"stop it, or name another place with {flag}")
    return ok("listeners", f"mooringd may listen at {where}")


def _bind(door: Door, settings: Settings, taken: list[tuple[Address, int]], flag: str) -> None:
    """Take a port as a daemon would, but for a moment, and without listening: one that starts meanwhile can have it.

    Raises:
        MooringError: It cannot be had, would be open to too many, or is one of those taken before.
    """
    address, port, http = door["address"], door["port"], door["kind"] == "http"
    with bind_tcp(address, port, flag=flag, only_v6=not http) as bound:
        its = _addresses(bound)
        others = [one for one, number in taken if number == port != 0]
        if any(one.version == other.version and meet(one, other) for one in its for other in others):
            raise StateError(f"{_where(door)} is named twice", hint="name every place once")
        taken += [(one, port) for one in its]
        if http:
            check_open(bound, settings)


def _addresses(bound: socket.socket) -> list[Address]:
    """What a socket takes: with ``::`` IPv4 too, unless it was told not to."""
    its = ipaddress.ip_address(bound.getsockname()[0])
    if its.version == _V6 and its.is_unspecified and not bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return [its, ipaddress.IPv4Address(0)]
    return [its]
