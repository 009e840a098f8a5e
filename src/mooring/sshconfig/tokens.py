"""``%h``, ``${NAME}`` and ``~``: the expansions of ssh_config(5), TOKENS and ENVIRONMENT VARIABLES."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .local import Local

__all__ = ["CONNECTION", "HOSTNAME", "PROXY", "Peer", "expand", "expand_home"]

HOSTNAME = "h"
PROXY = "hnpr"
CONNECTION = "CLdhijklnpru"

_TOKEN = re.compile(r"%(.?)|\$\{(?:([^}]*)(\}?))", re.DOTALL)
_TOKEN_ONLY = re.compile(r"%(.?)()()", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Peer:
    """What the tokens stand for: the connection as far as it is known."""

    original: str
    host: str
    port: int
    user: str
    key_alias: str | None
    jump: str
    local: Local

    def token(self, letter: str) -> str:
        """The text for ``%letter``."""
        return _TOKENS[letter](self)


def _connection_hash(peer: Peer) -> str:
    # As OpenSSH until 9.8 has it; later versions add %j.
    text = peer.local.hostname + peer.host + str(peer.port) + peer.user
    return hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


_TOKENS: Mapping[str, Callable[[Peer], str]] = {
    "C": _connection_hash,
    "L": lambda peer: peer.local.hostname.partition(".")[0],
    "d": lambda peer: peer.local.home,
    "h": lambda peer: peer.host,
    "i": lambda peer: str(peer.local.uid),
    "j": lambda peer: peer.jump,
    "k": lambda peer: peer.original if peer.key_alias is None else peer.key_alias,
    "l": lambda peer: peer.local.hostname,
    "n": lambda peer: peer.original,
    "p": lambda peer: str(peer.port),
    "r": lambda peer: peer.user,
    "u": lambda peer: peer.local.user,
}


def expand(text: str, peer: Peer, allowed: str, *, environment: bool = False) -> str:
    """Put values for tokens and, with ``environment``, for ``${NAME}``.

    Raises:
        ValueError: A token that is not ``allowed`` here, a ``%`` at the end, a malformed or unset ``${NAME}``.
    """

    def value(found: re.Match[str]) -> str:
        letter, name, closed = found.groups()
        if letter == "%":
            return "%"
        if letter is not None:
            if not letter or letter not in allowed:
                raise ValueError(f'"%{letter}" has no meaning here')
            return peer.token(letter)
        if not closed or not name:
            raise ValueError(f'"{text}" has a malformed ${{NAME}}')
        if name not in peer.local.environment:
            raise ValueError(f"the environment has no variable {name}")
        return peer.local.environment[name]

    return (_TOKEN if environment else _TOKEN_ONLY).sub(value, text)


def expand_home(path: str, local: Local) -> str:
    """Put a home directory for ``~`` or ``~name`` at the start.

    Raises:
        ValueError: There is no such user.
    """
    if not path.startswith("~"):
        return path
    name, _, rest = path[1:].partition("/")
    home = local.home_of(name) if name else local.home
    if home is None:
        raise ValueError(f"there is no user {name}")
    return home.removesuffix("/") + "/" + rest.lstrip("/")
