"""What a visitor's channel needs of the visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from ..model.access import Action
    from ..model.errors import MooringError
    from ..service.audit import Deed
    from ..session import Session
    from ..store.recordings.tape import Tape
    from ..wire.frames import Terminal
    from .share import Share

__all__ = ["Host"]


class Host(Protocol):
    """Whose channel it is."""

    share: Share

    def why_cut(self, fault: Exception | None = None) -> BaseException | None:
        """Why the connection was ended by us, given what its channels are told of its end; None where it was not."""

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run something for as long as the connection lasts."""

    async def reach(self, actions: tuple[Action, ...], *, tell: bool = True) -> Session:
        """The session, up, for somebody who may do one of these things on it; a refusal is recorded, if told."""

    def check(self, actions: tuple[Action, ...]) -> Session:
        """The session, for somebody who may do one of these things now."""

    def begin(self, actions: tuple[Action, ...], name: str, what: bytes) -> tuple[Deed, Action]:
        """Have it recorded that something is started by somebody who may do one of these things now, and which."""

    async def record(
        self, action: Action, name: str, term: Terminal, failed: Callable[[MooringError], None]
    ) -> Tape | None:
        """Record the terminal of what is about to be started; None where that is not to be.

        Raises:
            StateError: It cannot be, and must not be started therefore.
        """

    def has(self, permission: str) -> bool:
        """Whether the key that was proven grants ``pty`` and the like."""

    def agent(self) -> bool:
        """Whether the ssh-agent may be forwarded; it is from then on."""
