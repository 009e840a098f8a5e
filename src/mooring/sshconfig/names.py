"""Host and user names, and the places made of them: jump hosts and forwards.

Names reach a shell as ``%h`` and ``%r`` of a ProxyCommand (CVE-2023-51385), so what a shell would read as more than
a name is refused, as OpenSSH refuses it.
"""

from __future__ import annotations

import re

from .values import domain, port, port_number

__all__ = ["forward", "host_and_port", "jump_hop", "valid_host", "valid_user"]

_BAD_IN_HOST = re.compile(r"[\s\x00-\x1f\x7f'`\"$\\;&<>|(){},]")
_BAD_IN_USER = re.compile(r"[\x00-\x1f\x7f'`\";&<>|(){}]|\s-|\\\Z")
_PERCENT_BYTE = re.compile("%([0-9a-fA-F]{2})")
_PATH_MAX = 108


def valid_host(name: str) -> bool:
    """Whether a host name is free of what could be an option, or more than a word, to a shell."""
    return bool(name) and not name.startswith("-") and not _BAD_IN_HOST.search(name)


def valid_user(name: str) -> bool:
    """Whether a remote user name is free of what could be an option, or more than a word, to a shell."""
    return bool(name) and not name.startswith("-") and not _BAD_IN_USER.search(name)


def jump_hop(word: str) -> str:
    """One jump host, ``[user@]host[:port]`` or ``ssh://[user@]host[:port]``, as the former.

    Raises:
        ValueError: It is neither, or a name in it is not fit for a shell.
    """
    if word.startswith("ssh://"):
        user, host, number = _split_uri(word.removeprefix("ssh://"))
    else:
        user, at, rest = word.rpartition("@")
        if at and not user:
            raise ValueError(f'"{word}" has an empty user name')
        host, number = _split_port(rest)
    if not valid_host(host.replace("%", "")):
        raise ValueError(f'"{word}" does not name a host')
    if user and not valid_user(user):
        raise ValueError(f'"{word}" has an invalid user name')
    shown = f"[{host}]" if ":" in host else host
    return (f"{user}@" if user else "") + shown + (f":{number}" if number else "")


def _split_uri(text: str) -> tuple[str, str, int | None]:
    user, at, rest = text.partition("@")
    if not at:
        user, rest = "", text
    user = user.partition(";")[0]
    if (at and not user) or re.search("%(?![0-9a-fA-F]{2})", user):
        raise ValueError(f'"ssh://{text}" has an invalid user name')
    user = _PERCENT_BYTE.sub(lambda found: chr(int(found[1], 16)), user.replace("+", " "))
    host, number = _split_port(rest.removesuffix("/"))
    domain(host)
    return user, host, number


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f'"{text}" has an unclosed bracket')
        number = rest[1:]
    else:
        host, _, number = text.partition(":")
    if not host or "/" in host:
        raise ValueError(f'"{text}" does not name a host')
    return host, port(number) if number else None


def host_and_port(word: str) -> str:
    """``HOST:PORT``, either of them ``*``; what PermitRemoteOpen lists."""
    host, colon, number = word.rpartition(":")
    if not colon or not host or (":" in host and not host.startswith("[")):
        raise ValueError(f'"{word}" is not of the form HOST:PORT')
    if number != "*":
        port(number)
    return word


def forward(words: tuple[str, ...], *, kind: str) -> tuple[str, ...]:
    """Check a forward's specification, which we keep and do not use.

    Args:
        words: The arguments: what to listen on and, but for a dynamic forward, where to connect to.
        kind: ``localforward``, ``remoteforward`` or ``dynamicforward``.

    Raises:
        ValueError: It is malformed.
    """
    dynamic = kind == "dynamicforward" or (kind == "remoteforward" and len(words) == 1)
    if not words or not words[0]:
        raise ValueError("the argument is missing")
    if not dynamic and (len(words) == 1 or not words[1]):
        raise ValueError("the destination is missing")
    if len(words) > (1 if dynamic else 2):
        raise ValueError("extra arguments at the end of the line")
    fields = _fields(":".join(words))
    if not (_listens(fields, kind) if dynamic else _listens_and_connects(fields, kind)):
        raise ValueError(f'"{" ".join(words)}" is not a forward')
    return words


def _fields(spec: str) -> list[str]:
    """Cut at colons outside brackets; a backslash makes the next character plain."""
    pattern = re.compile(r"\[([^]]*)\](?::|\Z)|(?!\[)((?:\\.|[^:\\])*)(?::|\Z)", re.DOTALL)
    fields: list[str] = []
    at = 0
    while at < len(spec):
        found = pattern.match(spec, at)
        if found is None or found.end() == at:
            return []
        fields.append(found[1] if found[1] is not None else re.sub(r"\\(.)", r"\1", found[2]))
        at = found.end()
    return fields


def _is_path(field: str) -> bool:
    return "/" in field and len(field) < _PATH_MAX


def _is_port(field: str, *, zero: bool) -> bool:
    try:
        return port_number(field) > 0 or zero
    except ValueError:
        return False


def _listens(fields: list[str], kind: str) -> bool:
    """``[HOST:]PORT``, or a path alone."""
    if len(fields) == 1 and _is_path(fields[0]):
        return True
    return len(fields) in {1, 2} and _is_port(fields[-1], zero=kind == "remoteforward")


def _listens_and_connects(fields: list[str], kind: str) -> bool:
    """``LISTEN HOST:PORT`` or ``LISTEN PATH``."""
    if len(fields) >= 2 and _is_path(fields[-1]):
        return _listens(fields[:-1], kind)
    return len(fields) >= 3 and bool(fields[-2]) and _is_port(fields[-1], zero=False) and _listens(fields[:-2], kind)
