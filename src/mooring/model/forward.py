"""Forwards as values: the places they lead from and to, and how one stands."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final, Protocol

from .errors import InvalidInput

__all__ = [
    "ForwardKind",
    "ForwardRequest",
    "ForwardState",
    "ForwardStatus",
    "KeptForward",
    "Origin",
    "Place",
    "parse_forward",
]

_LOOPBACK: Final = "127.0.0.1"
_PART: Final = re.compile(r"\[[^\[\]]*\]|[^:\[\]]*")
_PATH_LENGTH: Final = 100
"""Bytes of a Unix socket's path that every system takes (unix(7): 108 with the end of the string, macOS: 104)."""


class PathLike(Protocol):
    """A path, as ``os.PathLike``."""

    def __fspath__(self) -> str:
        """As text."""


class ForwardKind(enum.StrEnum):
    """Which side listens, and who says where a connection leads."""

    LOCAL = "local"
    """We listen; the far side connects on."""
    REMOTE = "remote"
    """The far side listens; we connect on."""
    SOCKS = "socks"
    """We listen; each connection says by SOCKS 4, 4a or 5 where the far side is to connect."""


class ForwardState(enum.StrEnum):
    """Where a forward stands."""

    STANDING = "standing"
    """It listens, and its session is up."""
    WAITING = "waiting"
    """Its session is not up; it stands again by itself when that is."""
    RETRYING = "retrying"
    """Its session is up, but nobody lets it listen; it is tried again."""
    CLOSED = "closed"
    """It was closed, or its session was."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen or to connect: a host and port, or a Unix socket's path.

    Attributes:
        host: A name or address; empty, of a listener, for all addresses. Empty with a path.
        port: The port; 0, of a listener, for any free one.
        path: The socket's path; empty for TCP.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, where: str | int | tuple[str, int] | PathLike | Place, *, host: str = _LOOPBACK) -> Place:
        """What a caller wrote: ``8080``, ``"db:5432"``, ``"[::1]:80"``, ``"*:80"``, ``("db", 5432)``, ``"/run/x"``.

        Args:
            where: That.
            host: The host where only a port is given.

        Raises:
            InvalidInput: It is none of these.
        """
        if isinstance(where, Place):
            return where
        if isinstance(where, int) and not isinstance(where, bool):
            return cls(host, _port(where, where))
        if isinstance(where, tuple):
            try:
                name, number = where
                return cls(_bare(name), _port(number, where))
            except (TypeError, ValueError, AttributeError):
                raise InvalidInput(f"{where!r} is no place: a tuple is (host, port)") from None
        text = str(where)
        if "/" in text:
            return cls(path=_path(text))
        name, colon, port = text.rpartition(":")
        return cls(_host(name, text) if colon else host, _port(port, text))

    def __str__(self) -> str:
        """As it may be written."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host or "*"
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A connection that wants through a forward, as a policy gets it.

    Attributes:
        forward: The forward's name.
        host: The address it comes from, as told by who accepted it; empty for a Unix socket.
        port: Its port there; 0 for a Unix socket.
        wanted: Where it leads unless the policy says otherwise; None for a forward without a destination.
    """

    forward: str
    host: str
    port: int
    wanted: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardRequest:
    """What a client asks of a server of ours, as a policy gets it.

    Attributes:
        user: Who asks: the name of its login.
        place: Where it wants to be connected to, or where it wants us to listen.
        host: The address of who connects through it, as told by the client; empty where we are to listen.
        port: Its port there; 0 where we are to listen.
    """

    user: str
    place: Place
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardStatus:
    """A forward at one moment.

    Attributes:
        alias: Its session.
        name: Its name, one of its own in that session.
        kind: ``local``, ``remote`` or ``socks``.
        listen: Where it listens, with the port that it was given.
        destination: Where its connections lead; None where each says so itself, or a policy does.
        state: Where it stands.
        connections: Connections through it now.
        accepted: Connections let through since it was made.
        refused: Connections that were not let through, or could not be.
        sent: Bytes from its connections' beginning to their end.
        received: Bytes the other way.
        restored: How often it was made to stand again.
        error: What went wrong last, in a sentence; None where nothing has. Kept when all is well again.
    """

    alias: str
    name: str
    kind: ForwardKind
    listen: str
    destination: str | None
    state: ForwardState
    connections: int = 0
    accepted: int = 0
    refused: int = 0
    sent: int = 0
    received: int = 0
    restored: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptForward:
    """A forward as it is remembered: what of ForwardStatus makes it stand again."""

    alias: str
    name: str
    kind: ForwardKind
    listen: Place
    destination: Place | None


def parse_forward(text: str, kind: ForwardKind) -> tuple[Place, Place | None]:
    """Where to listen and where to lead, as ssh has it for ``-L``, ``-R`` and ``-D``.

    Args:
        text: ``[bind:]port:host:port``, with a socket's path in the place of either side; for SOCKS ``[bind:]port``.
        kind: What of.

    Raises:
        InvalidInput: It is neither; the message says what would do.
    """
    parts = _parts(text)
    if kind is ForwardKind.SOCKS:
        if len(parts) > 2:
            raise InvalidInput(f"{text!r} is no [bind:]port")
        return Place.parse(text), None
    listening = 1 if len(parts) > 1 and ("/" in parts[0] or _is_port(parts[0])) else 2
    listen, destination = parts[:listening], parts[listening:]
    if len(destination) == 2 or (len(destination) == 1 and "/" in destination[0]):
        host = "localhost" if kind is ForwardKind.REMOTE else _LOOPBACK
        return Place.parse(":".join(listen), host=host), Place.parse(":".join(destination))
    raise InvalidInput(f"{text!r} is no [bind:]port:host:port", hint="a socket's path may stand on either side")


def _parts(text: str) -> list[str]:
    """Between the colons that stand outside of brackets."""
    found, position = [], 0
    while True:
        match = _PART.match(text, position)
        found.append(match[0] if match else "")
        position += len(found[-1])
        if position >= len(text):
            return found
        if text[position] != ":":
            raise InvalidInput(f"{text!r} cannot be read from {text[position:]!r} on")
        position += 1


_DIGITS: Final = 20
"""More are no port, and past some thousands no number to Python."""


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _port(given: str | int, whole: object) -> int:
    if isinstance(given, str) and not _is_port(given):
        raise InvalidInput(f"{whole!r} names no port", hint="host:port, a port alone, or a path with a / in it")
    if (isinstance(given, str) and len(given) > _DIGITS) or not 0 <= int(given) <= 65_535:
        raise InvalidInput(f"{whole!r}: a port is a number from 0 to 65535")
    return int(given)


def _host(text: str, whole: str) -> str:
    if text.count(":") and not (text.startswith("[") and text.endswith("]")):
        raise InvalidInput(f"{whole!r}: an IPv6 address stands in brackets")
    return _bare(text)


def _bare(host: str) -> str:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not all(char.isprintable() and not char.isspace() for char in bare):
        raise InvalidInput(f"{host!r} is no host")
    return "" if bare == "*" else bare


def _path(text: str) -> str:
    if "\0" in text or len(text.encode("utf-8", "surrogateescape")) > _PATH_LENGTH:
        raise InvalidInput(f"the path of a socket may have {_PATH_LENGTH} bytes, and no NUL")
    return text
