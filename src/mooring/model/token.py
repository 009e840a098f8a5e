"""Named tokens as values: who bears one may do some actions on some sessions, until it ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .access import Action, Grant
from .errors import InvalidInput
from .selector import Selector

__all__ = ["KeptToken", "Token"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TAKEN: Final = frozenset({"token", "anybody"})
"""What the logs call the token of the state directory, and whoever comes where none is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token; the token itself is known to its bearer alone.

    Attributes:
        name: Its name: letters, digits, ``.``, ``_`` and ``-``, at most 64.
        actions: What its bearer may do.
        selector: On which sessions.
        created: When it was made: seconds since 1970, UTC.
        expires: When it ends, likewise; None for never.
    """

    name: str
    actions: tuple[Action, ...]
    selector: str
    created: float
    expires: float | None = None

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            InvalidInput: A part of it cannot be; ``InvalidSelector`` where that is the selector.
        """
        if _NAME.fullmatch(self.name) is None or self.name in _TAKEN:
            raise InvalidInput(
                "that cannot be the name of a token",
                hint="letters, digits, `.`, `_` and `-`, at most 64, and neither `token` nor `anybody`",
            )
        if not self.actions:
            raise InvalidInput("a token needs an action", hint=f"one or more of {', '.join(Action)}")
        Selector.parse(self.selector)
        if self.expires is not None and self.expires <= self.created:
            raise InvalidInput("a token cannot end before it begins")

    @property
    def grant(self) -> Grant:
        """What it grants."""
        return Grant(selector=self.selector, actions=frozenset(self.actions))

    def ended(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptToken:
    """A token as it is remembered.

    Attributes:
        token: What is known of it.
        digest: SHA-256 of what its bearer shows. It has 256 random bits, so that no slower hash makes it safer.
    """

    token: Token
    digest: bytes
