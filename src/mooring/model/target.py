"""Whom to connect to: the DSN ``alias://user:pass@host:port?option=value`` and its shorter forms."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from .errors import InvalidTarget
from .options import OPTIONS, PLACES, Rate
from .secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["Target"]

_MAX_LENGTH: Final = 16_384
_REPEATABLE: Final = frozenset({"label", "jump", "identity"})
_FIELDS: Final[Mapping[str, Callable[[object], object]]] = {**PLACES, **OPTIONS}
_ESCAPE: Final = "in a user name or password write / ? # @ : % as %2F %3F %23 %40 %3A %25"
_IPV6_FORM: Final = "an IPv6 address stands in brackets, as in [2001:db8::1]:22"
_HOST_FORM: Final = f"write a name in other letters in its xn-- form; {_IPV6_FORM}; {_ESCAPE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One peer and how to reach it. What is None here comes from ssh_config, and then from the defaults.

    ``parse`` and ``with_options`` check what they are given; the constructor takes fields as they are.

    Attributes:
        alias: The session's name.
        host: A host name, an address, or a ``Host`` of ssh_config.
        username: Whom to log in as.
        password: Inline password; ``password_from`` keeps it out of files and process lists.
        port: TCP port.
        label: ``key:value`` labels for selectors.
        jump: Hops on the way, nearest first; each an alias, ssh_config host or ``[user@]host[:port]``. Empty
            (``none`` in a text) where ssh_config's are not wanted.
        identity: Private key files; empty (``none``) likewise.
        password_from: Where the password is: ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE``.
        known_hosts: The file of trusted host keys.
        host_key: ``verify``, ``accept-new``, ``off``, or the one key (or its ``SHA256:`` fingerprint) to accept.
        legacy: Whether old algorithms may be offered too.
        channels: ``session`` channels open at once to begin with.
        handshakes: Handshakes that the device bears at once.
        rate: Connections in a span of time that the device accepts.
        keepalive: Seconds between keepalives; three without an answer end the connection.
        connect_timeout: Seconds for TCP, handshake and login together.
    """

    alias: str
    host: str
    username: str | None = None
    password: Secret | None = None
    port: int | None = None
    label: tuple[str, ...] = ()
    jump: tuple[str, ...] | None = None
    identity: tuple[str, ...] | None = None
    password_from: str | None = None
    known_hosts: str | None = None
    host_key: str | None = None
    legacy: bool | None = None
    channels: int | None = None
    handshakes: int | None = None
    rate: Rate | None = None
    keepalive: float | None = None
    connect_timeout: float | None = None

    @classmethod
    def parse(cls, text: str | Target, **keywords: Any) -> Target:
        """Parse ``alias://[user[:password]@]host[:port][?option=value&...]`` or ``[user@]host[:port]``.

        User, password and option values are percent-decoded. An empty password is none. An IPv6 address stands in
        brackets. Without ``alias://`` the host, made fit, is its own alias. Messages never repeat any of the text,
        since a password may be anywhere in a malformed one.

        Args:
            text: The text; a Target is taken as it is.
            keywords: Fields of Target under their names; they win over the text.

        Raises:
            InvalidTarget: Something is malformed; the message says what and at which character.
        """
        target = text if isinstance(text, Target) else cls(**_parse(text))
        return target.with_options(**keywords) if keywords else target

    def with_options(self, **keywords: Any) -> Target:
        """A copy with other fields; each may be given as text, as in a DSN, but without percent signs.

        None leaves a field as it was; an empty password takes the password away.

        Raises:
            InvalidTarget: A name is no field of a target, or a value does not fit it.
        """
        changed: dict[str, Any] = {name: _keyword(name, value) for name, value in keywords.items() if value is not None}
        return replace(self, **changed) if changed else self

    def dsn(self, *, reveal: bool = False) -> str:
        """The target as a DSN that ``parse`` reads back.

        Args:
            reveal: Write the password; the default masks it.
        """
        user = quote(self.username, safe="") if self.username is not None else ""
        if self.password is not None:
            user += ":" + (quote(self.password.reveal(), safe="") if reveal else MASK)
        at = "@" if self.username is not None or self.password is not None else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port is not None else ""
        options = "&".join(f"{name}={quote(value, safe='/:@+~')}" for name, value in self._options())
        return f"{self.alias}://{user}{at}{host}{port}" + (f"?{options}" if options else "")

    def _options(self) -> Iterator[tuple[str, str]]:
        for name in OPTIONS:
            value = getattr(self, name)
            if isinstance(value, tuple):
                yield from ((name, part) for part in value or (("none",) if name != "label" else ()))
            elif isinstance(value, bool):
                yield name, "yes" if value else "no"
            elif isinstance(value, float):
                yield name, f"{value:g}" if float(f"{value:g}") == value else repr(value)
            elif value is not None:
                yield name, str(value)

    def __str__(self) -> str:
        """The DSN, its password masked."""
        return self.dsn()

    def __repr__(self) -> str:
        """The DSN, its password masked, as a call."""
        return f"Target.parse({self.dsn()!r})"


def _parse(text: object) -> dict[str, Any]:
    """The fields that a DSN or a shorter form names."""
    if not isinstance(text, str):
        raise InvalidTarget(f"a target is a text, not {type(text).__name__}")
    if len(text) > _MAX_LENGTH:
        raise InvalidTarget(f"the target is {len(text)} characters long; {_MAX_LENGTH} are allowed")
    for position, char in enumerate(text, 1):
        if char == " " or not char.isprintable():
            raise InvalidTarget(
                f"the target has a space or control character at character {position}",
                hint="write a space as %20 in a user name, password or option",
            )
    alias, separator, rest = text.partition("://")
    if not separator:
        alias, rest = "", text
    start = len(text) - len(rest)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    found = _parse_authority(authority, start)
    if separator:
        found["alias"] = _check("alias", alias, "the alias before '://'")
    else:
        made = re.sub(r"[^A-Za-z0-9._-]", "-", found["host"]).lstrip("._-")
        found["alias"] = _check("alias", made, "the alias made from the host", hint="write alias://host")
    start += len(authority)
    if tail not in {"", "/"} and not tail.startswith("?"):
        raise InvalidTarget(
            f"the target has {tail[0]!r} at character {start + 1}, after the host",
            hint=f"options follow the host as ?name=value&name=value; {_ESCAPE}",
        )
    found.update(_parse_query(tail[1:], start + 2))
    return found


def _parse_authority(authority: str, start: int) -> dict[str, Any]:
    """User, password, host and port; ``start`` is how many characters stand before."""
    userinfo, at, hostport = authority.rpartition("@")
    found: dict[str, Any] = {}
    if "@" in userinfo:
        raise InvalidTarget(
            f"the target has a second '@' after the one at character {start + userinfo.index('@') + 1}", hint=_ESCAPE
        )
    user, _, password = userinfo.partition(":")
    if at and not user and not password:
        raise InvalidTarget(
            f"the target has no user name before the '@' at character {start + len(userinfo) + 1}",
            hint="leave the '@' out to take the user from ssh_config or the system",
        )
    if user:
        found["username"] = _decoded("username", user, "the user name", start + 1)
    if password == MASK:
        raise InvalidTarget(
            f"the password at character {start + len(user) + 2} is the mask that stands for one",
            hint="write the password itself, or leave it out",
        )
    if password:
        found["password"] = _decoded("password", password, "the password", start + len(user) + 2)
    return found | _parse_host(hostport, start + len(userinfo) + len(at) + 1)


def _parse_host(hostport: str, position: int) -> dict[str, Any]:
    """Host and port; ``position`` is that of the first character."""
    if not hostport:
        raise InvalidTarget(
            f"the target has no host at character {position}",
            hint=f"write alias://user@host:port or user@host; {_ESCAPE}",
        )
    if hostport.startswith("["):
        host, bracket, port = hostport[1:].partition("]")
        if not bracket or ":" not in host or (port and not port.startswith(":")):
            raise InvalidTarget(f"no IPv6 address in brackets at character {position}", hint=_IPV6_FORM)
        found = {"host": _check("host", host, f"the address in brackets at character {position}", hint=_IPV6_FORM)}
    else:
        host, colon, port = hostport.partition(":")
        port = colon + port
        if ":" in port[1:]:
            second = position + len(host) + 1 + port[1:].index(":")
            raise InvalidTarget(
                f"the target has a second ':' after its host at character {second}", hint=f"{_IPV6_FORM}; {_ESCAPE}"
            )
        found = {"host": _check("host", host, f"the host at character {position}", hint=_HOST_FORM)}
    if port:
        place = position + len(hostport) - len(port) + 1
        found["port"] = _check("port", port[1:], f"the port at character {place}", hint=_ESCAPE)
    return found


def _parse_query(query: str, position: int) -> dict[str, Any]:
    """The options; ``position`` is that of the first one's first character."""
    found: dict[str, Any] = {}
    for part in query.split("&") if query else ():
        written, equals, raw = part.partition("=")
        name = written.replace("-", "_")
        if name not in OPTIONS:
            kind = "unknown" if part else "empty"
            hint = _ESCAPE if "@" in query else _names_like(name, OPTIONS)
            raise InvalidTarget(f"{kind} option at character {position}", hint=hint)
        if not equals:
            raise InvalidTarget(f"option {name!r} at character {position} has no value", hint=f"write {name}=...")
        value = _decoded(name, raw, f"option {name!r}", position + len(name) + 1)
        if name in found:
            if name not in _REPEATABLE or not (value and found[name]):
                raise InvalidTarget(
                    f"option {name!r} at character {position} stands there twice", hint="leave one of them out"
                )
            value = _check(name, found[name] + value, f"option {name!r}")
        found[name] = value
        position += len(part) + 1
    return found


def _decoded(name: str, text: str, what: str, position: int) -> Any:  # noqa: ANN401
    """A field's value from its percent-encoded text; ``position`` is that of the text's first character."""
    bad = re.search(r"%(?![0-9A-Fa-f]{2})", text)
    if bad:
        raise InvalidTarget(
            f"{what} has a '%' without two hexadecimal digits at character {position + bad.start()}",
            hint="write a percent sign as %25",
        )
    # No exception here: that of a strict decoder would carry the password.
    value = unquote(text, errors="surrogateescape")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidTarget(f"{what} at character {position} is not UTF-8 after percent-decoding")
    return _check(name, value, f"{what} at character {position}")


def _check(name: str, value: object, what: str, *, hint: str | None = None) -> Any:  # noqa: ANN401
    """The value as it is kept."""
    try:
        return _FIELDS[name](value)
    except ValueError as error:
        words = str(error)
    raise InvalidTarget(f"{what} {words}", hint=hint)


def _keyword(name: str, value: object) -> object:
    """A keyword's value, checked as the DSN's text would be."""
    if name not in _FIELDS:
        raise InvalidTarget(f"unknown keyword {name!r}", hint=_names_like(name, _FIELDS))
    return _check(name, value, f"keyword {name!r}")


def _names_like(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return (f"did you mean {close[0]}? " if close else "") + "there are " + ", ".join(names)
