"""Whom to connect to: the DSN ``alias://user:pass@host:port?option=value`` and its shorter forms."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote_to_bytes

from .errors import InvalidTarget
from .options import OPTIONS, Rate
from .secret import MASK, Secret
from .selector import ALIAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Target"]

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?")
_RESERVED_ALIASES: Final = frozenset({"all"})
_MAX_LENGTH: Final = 16_384
_MAX_PORT: Final = 65_535
_REPEATABLE: Final = frozenset({"label", "jump", "identity"})
_ALIAS_FORM: Final = "an alias has letters, digits, '.', '_' and '-', a letter or digit first"
_ESCAPE: Final = "in a user name or password write / ? # @ : % as %2F %3F %23 %40 %3A %25"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One peer and how to reach it. What is None here comes from ssh_config, and then from the defaults.

    Attributes:
        alias: The session's name.
        host: A host name, an address, or a ``Host`` of ssh_config.
        username: Whom to log in as.
        password: Inline password; ``password_from`` keeps it out of files and process lists.
        port: TCP port.
        label: ``key:value`` labels for selectors.
        jump: Hops on the way, nearest first; each an alias, ssh_config host or ``[user@]host[:port]``.
        identity: Private key files.
        password_from: Where the password is: ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE``.
        known_hosts: The file of trusted host keys.
        host_key: ``verify``, ``accept-new``, ``off``, or the one key (or its ``SHA256:`` fingerprint) to accept.
        legacy: Whether old algorithms may be offered too.
        channels: ``session`` channels open at once to begin with.
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
    rate: Rate | None = None
    keepalive: float | None = None
    connect_timeout: float | None = None

    @classmethod
    def parse(cls, text: str | Target, **keywords: Any) -> Target:
        """Parse ``alias://[user[:password]@]host[:port][?option=value&...]`` or ``[user@]host[:port]``.

        User, password and option values are percent-decoded. An IPv6 address stands in brackets. Without
        ``alias://`` the host, made fit, is its own alias. Messages never repeat what stands between ``://``
        and the options, since a password may be there.

        Args:
            text: The text; a Target is taken as it is.
            keywords: Fields of Target under their names; they win over the text.

        Raises:
            InvalidTarget: Something is malformed; the message says what and at which character.
        """
        target = text if isinstance(text, Target) else cls(**_parse(text))
        return target.with_options(**keywords) if keywords else target

    def with_options(self, **keywords: Any) -> Target:
        """A copy with other fields; each may be given as text, as in a DSN. None leaves a field as it was.

        Raises:
            InvalidTarget: A name is no field of a target, or a value does not fit it.
        """
        changed: dict[str, Any] = {
            name: _keyword(name, value) for name, value in keywords.items() if value is not None
        }
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
                yield from ((name, part) for part in value)
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


_FIELDS: Final = tuple(field.name for field in fields(Target))


def _parse(text: str) -> dict[str, Any]:
    """The fields that a DSN or a shorter form names."""
    if not isinstance(text, str):
        msg = f"a target is a text, not {type(text).__name__}"
        raise InvalidTarget(msg)
    if len(text) > _MAX_LENGTH:
        msg = f"the target is {len(text)} characters long; {_MAX_LENGTH} are allowed"
        raise InvalidTarget(msg)
    for position, char in enumerate(text, 1):
        if char.isspace() or not char.isprintable():
            msg = f"the target has a space or control character at character {position}"
            raise InvalidTarget(msg, hint="write it as %20 or the like")
    alias, separator, rest = text.partition("://")
    if not separator:
        alias, rest = "", text
    start = len(text) - len(rest)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    found = _parse_authority(authority, start)
    if separator and not ALIAS.fullmatch(alias):
        msg = f"the target has no well-formed alias in the {len(alias)} characters before '://'"
        raise InvalidTarget(msg, hint=_ALIAS_FORM)
    found["alias"] = _check_alias(alias) if separator else _alias_of(found["host"])
    if tail and tail[0] != "?" and tail != "/":
        msg = f"the target has {tail[0]!r} at character {start + len(authority) + 1}, after the host"
        raise InvalidTarget(msg, hint=_ESCAPE)
    found.update(_parse_query(tail[1:], start + len(authority) + 1))
    return found


def _parse_authority(authority: str, start: int) -> dict[str, Any]:
    userinfo, at, hostport = authority.rpartition("@")
    found: dict[str, Any] = {}
    if at:
        if "@" in userinfo:
            msg = f"the target has a second '@' at character {start + userinfo.index('@') + 1}"
            raise InvalidTarget(msg, hint=_ESCAPE)
        user, colon, password = userinfo.partition(":")
        if user:
            found["username"] = _decode(user, "the user name", start)
        if colon and password:
            found["password"] = Secret(_decode(password, "the password", start + len(user) + 1))
    place = start + len(userinfo) + len(at)
    host, port = _split_port(hostport, place)
    found["host"] = host
    if port is not None:
        found["port"] = _check_port(port, place + len(hostport) - len(port) + 1)
    return found


def _split_port(hostport: str, place: int) -> tuple[str, str | None]:
    """Host and port text; ``place`` is how many characters stand before."""
    if hostport.startswith("["):
        host, bracket, rest = hostport[1:].partition("]")
        if not bracket or not _IPV6.fullmatch(host) or (rest and not rest.startswith(":")):
            msg = f"no IPv6 address in brackets at character {place + 1}"
            raise InvalidTarget(msg, hint="write [2001:db8::1]:22")
        return host, rest[1:] if rest else None
    host, colon, port = hostport.partition(":")
    if ":" in port:
        msg = f"the target has a second ':' in its host at character {place + len(host) + 2 + port.index(':')}"
        raise InvalidTarget(msg, hint=f"an IPv6 address stands in brackets, [2001:db8::1]:22; {_ESCAPE}")
    if not host:
        msg = f"the target has no host at character {place + 1}"
        raise InvalidTarget(msg, hint="write alias://user@host:port or user@host")
    if not _HOST.fullmatch(host):
        msg = f"no host name or address at character {place + 1}"
        raise InvalidTarget(msg, hint="letters, digits, '.', '-' and '_' make a host name; " + _ESCAPE)
    return host, port if colon else None


def _parse_query(query: str, start: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    position = start + 1
    for part in query.split("&") if query else ():
        raw_name, equals, raw_value = part.partition("=")
        name = raw_name.replace("-", "_")
        if name not in OPTIONS:
            msg = f"unknown option at character {position}"
            raise InvalidTarget(msg, hint=_options_like(raw_name))
        if not equals:
            msg = f"option {name!r} at character {position} has no value"
            raise InvalidTarget(msg, hint=f"write {name}=...")
        value: object = _decode(raw_value, f"option {name!r}", position + len(name))
        if name in found and name not in _REPEATABLE:
            msg = f"option {name!r} stands twice, again at character {position}"
            raise InvalidTarget(msg, hint="leave one of them")
        checked = _check_option(name, value, f" at character {position}")
        found[name] = found[name] + checked if name in found else checked
        position += len(part) + 1
    return found


def _decode(text: str, what: str, start: int) -> str:
    bad = re.search(r"%(?![0-9A-Fa-f]{2})", text)
    if bad:
        msg = f"{what} has a '%' without two hexadecimal digits at character {start + bad.start() + 1}"
        raise InvalidTarget(msg, hint="write a percent sign as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        msg = f"{what} is not UTF-8 after percent-decoding, from character {start + 1}"
        raise InvalidTarget(msg) from None


def _check_alias(alias: object) -> str:
    if not isinstance(alias, str) or not ALIAS.fullmatch(alias):
        msg = f"{alias!r} is no alias"
        raise InvalidTarget(msg, hint=_ALIAS_FORM)
    if alias in _RESERVED_ALIASES:
        msg = f"{alias!r} cannot be an alias, since a selector means every session by it"
        raise InvalidTarget(msg)
    return alias


def _alias_of(host: str) -> str:
    return _check_alias(re.sub(r"[^A-Za-z0-9._-]", "-", host).lstrip("._-"))


def _check_port(port: object, position: int | None = None) -> int:
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= _MAX_PORT:
        where = f" at character {position}" if position else ""
        msg = f"the port{where} is not a number from 1 to {_MAX_PORT}"
        raise InvalidTarget(msg, hint=_ESCAPE if position else None)
    return port


def _check_option(name: str, value: object, where: str = "") -> Any:
    try:
        return OPTIONS[name](value)
    except ValueError as error:
        msg = f"option {name!r}{where} {error}"
        raise InvalidTarget(msg) from None


def _keyword(name: str, value: object) -> object:
    """A keyword's value, checked as the DSN's text would be."""
    if name in OPTIONS:
        return _check_option(name, value)
    if name == "password" and isinstance(value, (str, Secret)):
        return Secret(value)
    if name == "port":
        return _check_port(value)
    if name == "alias":
        return _check_alias(value)
    if name == "host" and isinstance(value, str) and (_HOST.fullmatch(value) or _IPV6.fullmatch(value)):
        return value
    if name == "username" and isinstance(value, str) and value and value.isprintable():
        return value
    if name in _FIELDS:
        msg = f"keyword {name!r} of a target does not take this {type(value).__name__}"
        raise InvalidTarget(msg)
    msg = f"unknown keyword {name!r}"
    raise InvalidTarget(msg, hint=_options_like(name))


def _options_like(name: str, known: Mapping[str, object] = OPTIONS) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {close[0]}? " if close else "") + "the options are " + ", ".join(known)
