"""Whom a masked DSN logs in as and where, the way sshpool tells it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from .secret import MASK

__all__ = ["Login", "login"]

_DSN: Final = re.compile(
    r"[^:]*://(?:(?P<user>[^:@?]*)(?P<password>:[^@?]*)?@)?(?:\[(?P<address>[^]]*)\]|(?P<host>[^:/?]*))"
    r"(?::(?P<port>[0-9]+))?(?P<options>\?.*)?"
)
"""What ``Target.dsn`` writes: whatever could be mistaken for a delimiter is percent-encoded there."""


class Login(NamedTuple):
    """The parts of a target that sshpool knows.

    Attributes:
        user: The user's name.
        password: The mask where there is a password, here or at its place; None where there is none.
        host: A name or an address.
        port: The port; 22 where the target has none.
    """

    user: str
    password: str | None
    host: str
    port: int


def login(dsn: str, user: str) -> Login:
    """The login that a DSN means.

    A user name or port that only ssh_config knows is not in it; the status of a session that is up has both.

    Args:
        dsn: As ``Target.dsn`` and ``SessionStatus.target`` write it.
        user: Who logs in where the target does not say so.

    Raises:
        ValueError: It is no such DSN.
    """
    match = _DSN.fullmatch(dsn)
    if match is None:
        raise ValueError("no DSN as a target writes it")
    options = match["options"] or ""
    hidden = match["password"] or "?password_from=" in options or "&password_from=" in options
    return Login(
        user=unquote(match["user"] or "") or user,
        password=MASK if hidden else None,
        host=match["address"] or match["host"],
        port=int(match["port"] or 22),
    )
