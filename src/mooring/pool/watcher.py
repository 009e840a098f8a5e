"""Who is told of each call of a device, step by step: for callers that log or count them in their own way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.errors import MooringError
    from ..session import Session

__all__ = ["CallWatcher"]


class CallWatcher:
    """Told of the calls of devices, and does nothing with it: override what is wanted.

    Unlike events, these are not rationed: strangers can bring about ``came`` and ``failed`` as often as the door's
    limits let them. Everything is called on the event loop, and may neither block nor raise.
    """

    def came(self, address: str) -> None:
        """A call was accepted from ``address:port``; who too often calls is hung up on, and not told of."""

    def up(self, session: Session, address: str) -> None:
        """It is logged in, and its session up."""

    def told(self, session: Session, address: str, facts: Mapping[str, str | None]) -> None:
        """The device told what it is."""

    def untold(self, session: Session, address: str, error: MooringError) -> None:
        """The device was let in, and did not tell what it is."""

    def failed(self, address: str, error: MooringError, session: Session | None) -> None:
        """The call came to nothing; its session where it is known whose it was."""
