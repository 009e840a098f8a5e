"""Forwards of a session, for synchronous code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .forward import Forward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..session import Session as AsyncSession
    from ..session.forward.forward import Policy, Where
    from .loop import LoopThread

__all__ = ["Forwards", "Tunnels"]


class Forwards:
    """The forwards of a session, by their names.

    Args:
        session: Whose.
        thread: Where that lives.
    """

    def __init__(self, session: AsyncSession, thread: LoopThread) -> None:
        self._session = session
        self._thread = thread

    def __iter__(self) -> Iterator[Forward]:
        """Them, in the order in which they were made."""
        forwards = self._thread.read(lambda: list(self._session.forwards))
        return iter([Forward(forward, self._thread) for forward in forwards])

    def __getitem__(self, name: str) -> Forward:
        """The one of this name.

        Raises:
            UnknownForward: There is none.
        """
        return Forward(self._thread.read(lambda: self._session.forwards[name]), self._thread)


class Tunnels:
    """The part of a session that carries connections. A policy is called on the loop's thread, and must not block.

    Args:
        session: Whom it stands for.
        thread: Where that lives.
    """

    def __init__(self, session: AsyncSession, thread: LoopThread) -> None:
        self._session = session
        self._thread = thread
        self.forwards = Forwards(session, thread)
        """Its forwards, by their names."""

    def forward_local(
        self, listen: Where, destination: Where | None = None, *, name: str | None = None, policy: Policy | None = None
    ) -> Forward:
        """Listen here, and have the far side connect on, as ``mooring.Session.forward_local``."""
        return self._made(self._session.forward_local, listen, destination, name=name, policy=policy)

    def forward_remote(
        self, listen: Where, destination: Where | None = None, *, name: str | None = None, policy: Policy | None = None
    ) -> Forward:
        """Have the far side listen, and connect on from here, as ``mooring.Session.forward_remote``."""
        return self._made(self._session.forward_remote, listen, destination, name=name, policy=policy)

    def forward_socks(self, listen: Where, *, name: str | None = None, policy: Policy | None = None) -> Forward:
        """Listen here for SOCKS, as ``mooring.Session.forward_socks``."""
        return self._made(self._session.forward_socks, listen, name=name, policy=policy)

    def _made(self, make: Any, *args: Any, **keywords: Any) -> Forward:  # noqa: ANN401 - one of the three above
        made: list[Any] = []

        async def forward() -> None:
            made.append(await make(*args, **keywords))

        forward.__qualname__ = make.__qualname__
        try:
            self._thread.call(forward)
        except BaseException:
            if made:  # and interrupted at that very moment
                self._thread.post(made[0].close)
            raise
        return Forward(made[0], self._thread)
