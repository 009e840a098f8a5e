"""The token that opens the TCP door: made at the first start, for this user's eyes alone."""

from __future__ import annotations

import contextlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

from ..model.errors import StateError
from ..model.secret import Secret
from ..store.faults import faults
from ..store.private import read_private, write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..model.access import Actor
    from ..service import Tokens

__all__ = ["bearer", "load"]

_LENGTH: Final = 32
_LEAST: Final = 16
"""Characters: what is shorter was cut off, or made by hand and not strong enough."""


def load(path: Path) -> Secret:
    """The token in the file, which is made if there is none.

    Raises:
        StateError: It cannot be read or made, others may read it, or it holds no token.
    """
    with faults(path):
        with contextlib.suppress(FileNotFoundError):
            return _read(path)
        return _make(path)


def bearer(token: Secret, actor: Actor, *, named: Tokens) -> Callable[[str], Actor | None]:
    """Who each token makes of its bearer: the one of the file, and those that have names."""
    known = token.reveal().encode()

    def whose(given: str) -> Actor | None:
        shown = given.encode("utf-8", "replace")
        return actor if hmac.compare_digest(known, shown) else named.bearer(shown, "gateway")

    return whose


def _read(path: Path) -> Secret:
    token = read_private(path, "token", 1024).decode("ascii", "replace").strip()
    if len(token) < _LEAST or not token.isascii() or not token.isprintable() or " " in token:
        raise StateError(f"{path} holds no token", hint="remove it, and a new one is made")
    return Secret(token)


def _make(path: Path) -> Secret:
    token = secrets.token_urlsafe(_LENGTH)
    write_private(path, f"{token}\n".encode("ascii"))
    return Secret(token)
