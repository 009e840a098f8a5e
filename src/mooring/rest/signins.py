"""Sign-ins of browsers: an opaque id for the cookie, which ends with the token that it was made of."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..model.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..model.access import Actor
    from ..service.tokens import Tokens

__all__ = ["LIFETIME", "SignIns"]

LIFETIME: Final = 7 * 86_400.0
"""Seconds until somebody has to sign in anew: a week of work."""
_BYTES: Final = 32
_MOST: Final = 64
"""Of one token: a person has a few browsers, and whoever has the token cannot fill our memory with it."""


@dataclass(eq=False)
class _SignIn:
    actor: Actor
    ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    users: set[Callable[[], None]] = field(default_factory=set)


class SignIns:
    """Who has signed in, for as long as this process lives. Only hashes of the ids are kept.

    Args:
        named: Tokens that come and go; a sign-in goes with its own. None for none.
    """

    def __init__(self, named: Tokens | None) -> None:
        self._named = named
        self._known: dict[bytes, _SignIn] = {}

    def begin(self, actor: Actor) -> Secret:
        """Sign somebody in; returns the id. Of too many of one token, the oldest ends."""
        theirs = [digest for digest, one in self._known.items() if one.actor == actor]
        for digest in theirs[: max(0, len(theirs) - _MOST + 1)]:
            self._end(digest)
        shown = Secret(secrets.token_urlsafe(_BYTES))
        digest = _digest(shown.reveal().encode())
        self._known[digest] = sign_in = _SignIn(actor)
        timer = asyncio.get_running_loop().call_later(LIFETIME, self._end, digest)
        sign_in.ends.callback(timer.cancel)
        if self._named is not None:
            sign_in.ends.enter_context(self._named.holding(actor, lambda: self._end(digest)))
        return shown

    def actor(self, shown: bytes) -> Actor | None:
        """Who has this id; None for nobody."""
        found = self._known.get(_digest(shown))  # of the hash, whose time tells nothing
        if found is None or (found.actor.token and self._named is not None and not self._named.known(found.actor.name)):
            return None
        return found.actor

    def end(self, shown: bytes) -> None:
        """Sign out: whatever goes on under it is cut."""
        self._end(_digest(shown))

    @contextlib.contextmanager
    def holding(self, shown: bytes, cut: Callable[[], None]) -> Iterator[None]:
        """Cut what goes on in the block when the sign-in ends; ``cut`` may be called more than once."""
        found = self._known.get(_digest(shown))
        if found is None:
            cut()
            yield
            return
        found.users.add(cut)
        try:
            yield
        finally:
            found.users.discard(cut)

    def _end(self, digest: bytes) -> None:
        found = self._known.pop(digest, None)
        if found is not None:
            found.ends.close()
            for cut in list(found.users):
                cut()


def _digest(shown: bytes) -> bytes:
    return hashlib.sha256(shown).digest()
