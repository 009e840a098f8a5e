"""Named tokens: made and revoked by those who may do everything, shown at the doors, cut off when they end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..model.access import Action, Actor
from ..model.errors import InvalidInput, TokenInUse, UnknownToken
from ..model.secret import Secret
from ..model.token import KeptToken, Token
from .audit import Audit
from .through import through

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    _Kept = list[KeptToken]
    _Tokens = list[Token]

__all__ = ["TokenMemory", "Tokens"]

_BYTES: Final = 32
_PREFIX: Final = "mooring_"
"""By which people, and programs that look for secrets in the wrong places, know one."""
_MOST: Final = 10_000
_ID: Final = 16
"""Digits of the hash that tell one token from all others."""
_LONGEST_TIMER: Final = 86_400.0
"""Seconds: what ends later is looked at again then, since the clock may have been set meanwhile."""


class TokenMemory(Protocol):
    """What keeps tokens over a restart: a change is on the disk when its verb returns."""

    async def kept(self) -> list[KeptToken]:
        """Them, in the order in which they were made."""

    async def keep(self, kept: KeptToken) -> None:
        """Keep one."""

    async def forget(self, name: str) -> None:
        """Keep one no longer."""


class Tokens:
    """The named tokens of a daemon.

    Args:
        memory: Brings them back after a restart; None forgets them.
        clock: The time: seconds since 1970, UTC.

    Attributes:
        audit: Records what is done; the fleet's.
    """

    def __init__(self, memory: TokenMemory | None, clock: Callable[[], float] = time.time) -> None:
        self._memory = memory
        self._clock = clock
        self._kept: dict[str, KeptToken] = {}
        self._bearers: dict[bytes, Token] = {}
        self._users: dict[str, set[Callable[[], None]]] = {}
        self._changing = asyncio.Lock()
        self.audit = Audit()

    async def restore(self) -> None:
        """Know the tokens that were remembered.

        Raises:
            StateError: They cannot be read.
        """
        if self._memory is not None:
            for kept in await self._memory.kept():
                self._add(kept)

    def list(self, actor: Actor) -> _Tokens:
        """The tokens, in the order in which they were made; those too that have ended, until they are revoked.

        Raises:
            NotAllowed: The actor may not do everything.
        """
        self.audit.check_everything(actor, "see tokens")
        return [kept.token for kept in self._kept.values()]

    async def create(
        self, actor: Actor, name: str, actions: Collection[Action], selector: str, expires_in: float | None
    ) -> tuple[Token, Secret]:
        """Make a token. It is remembered when this returns, and cancelling does all or nothing.

        Args:
            actor: Who asks. It takes ``admin`` on all.
            name: Its name, for the log and for revoking it.
            actions: What its bearer may do.
            selector: On which sessions.
            expires_in: Seconds until it ends; None for never.

        Returns:
            What is known of it, and what its bearer shows: it is told here once, and kept nowhere.

        Raises:
            NotAllowed: The actor may not do everything.
            InvalidInput: The name, actions or time cannot be; ``InvalidSelector`` for the selector.
            TokenInUse: Another token has this name.
            StateError: It cannot be remembered.
        """
        self.audit.check_everything(actor, "create tokens")
        now = self._clock()
        token = Token(
            name=name,
            actions=tuple(action for action in Action if action in actions),
            selector=selector,
            created=now,
            expires=None if expires_in is None else now + expires_in,
        )
        secret = Secret(_PREFIX + secrets.token_urlsafe(_BYTES))
        told: dict[str, Any] = {"name": name, "actions": list(token.actions), "expires": token.expires}
        async with self.audit.begin(actor, "admin.token.create", selector=selector, **told):
            await through(self._create(KeptToken(token=token, digest=_digest(secret.reveal().encode()))))
        return token, secret

    async def _create(self, kept: KeptToken) -> None:
        async with self._changing:
            if kept.token.name in self._kept:
                raise TokenInUse("another token has this name", hint="revoke that, or choose another name")
            if len(self._kept) >= _MOST:
                raise InvalidInput(f"there are {_MOST} tokens", hint="revoke those that have ended")
            if self._memory is not None:
                await self._memory.keep(kept)
            self._add(kept)

    def _add(self, kept: KeptToken) -> None:
        self._kept[kept.token.name] = kept
        self._bearers[kept.digest] = kept.token

    async def revoke(self, actor: Actor, name: str) -> Token:
        """End a token at once: whatever goes on under it is cut. Cancelling does all or nothing.

        Args:
            actor: Who asks. It takes ``admin`` on all.
            name: Its name.

        Raises:
            NotAllowed: The actor may not do everything.
            UnknownToken: No token has this name.
            StateError: It cannot be forgotten, and goes on.
        """
        self.audit.check_everything(actor, "revoke tokens")
        self._kept_of(name)
        async with self.audit.begin(actor, "admin.token.revoke", name=name):
            return await through(self._revoke(name))

    async def _revoke(self, name: str) -> Token:
        async with self._changing:
            kept = self._kept_of(name)
            if self._memory is not None:
                await self._memory.forget(name)
            del self._kept[name]
            del self._bearers[kept.digest]
        for cut in list(self._users.get(name, ())):
            cut()
        return kept.token

    def _kept_of(self, name: str) -> KeptToken:
        if name not in self._kept:
            raise UnknownToken("no token has this name", hint="`mooring token list` shows all that there are")
        return self._kept[name]

    def bearer(self, shown: bytes, door: str) -> Actor | None:
        """Who shows this; None for nobody we know, and where its time is over.

        Args:
            shown: What they show.
            door: The way they come in.
        """
        return self.bearer_of(_digest(shown), door)

    def bearer_of(self, digest: bytes, door: str) -> Actor | None:
        """The same, of the SHA-256 of what they show."""
        token = self._bearers.get(digest)  # of the hash, whose time tells nothing
        if token is None or token.ended(self._clock()):
            return None
        return Actor(name=token.name, door=door, grants=(token.grant,), token=digest.hex()[:_ID])

    @contextlib.contextmanager
    def holding(self, actor: Actor, cut: Callable[[], None]) -> Iterator[None]:
        """Cut what goes on in the block when the actor's token ends, by its time or because it is revoked.

        Args:
            actor: On whose behalf; whoever came without a named token is never cut off.
            cut: Cuts it; it may be called more than once.
        """
        if not actor.token:
            yield
            return
        alarm = _Alarm(self, actor.name, cut)
        users = self._users.setdefault(actor.name, set())
        users.add(cut)
        try:
            alarm.set()
            yield
        finally:
            alarm.cancel()
            users.discard(cut)
            if not users:
                self._users.pop(actor.name, None)

    def known(self, name: str) -> bool:
        """Whether there is a token of this name whose time is not over."""
        return self.left(name) != 0

    def left(self, name: str) -> float | None:
        """Seconds until a token ends; 0 for one that has, or is none; None for one that does not."""
        kept = self._kept.get(name)
        if kept is None:
            return 0.0
        expires = kept.token.expires
        return None if expires is None else max(0.0, expires - self._clock())


class _Alarm:
    """Goes off when a token's time is over."""

    def __init__(self, tokens: Tokens, name: str, cut: Callable[[], None]) -> None:
        self._tokens = tokens
        self._name = name
        self._cut = cut
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        left = self._tokens.left(self._name)
        if left == 0:
            self._cut()
        elif left is not None:
            self._timer = asyncio.get_running_loop().call_later(min(left, _LONGEST_TIMER), self.set)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _digest(shown: bytes) -> bytes:
    return hashlib.sha256(shown).digest()
