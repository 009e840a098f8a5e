"""``Session`` and ``SessionListener`` as ncclient documents them, with or without ncclient."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from . import origin
from .origin import SessionError, SessionListener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Session", "SessionListener"]


class Session(origin.Session):
    """Base of sessions over a transport. A subclass that reads in a thread of its own starts it with ``start``.

    Args:
        capabilities: Ours.
        group: None.
        target: Called by ``run``, where it is given.
        name: The thread's; by default ``session``.
        args: For the target.
        kwargs: Likewise.
    """

    def __init__(  # noqa: PLR0917 - as documented
        self,
        capabilities: Any = (),  # noqa: ANN401 - ncclient's Capabilities, or their URIs
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        del group  # reserved, as in threading
        super().__init__(capabilities)
        if name is not None:
            self.name = name
        self._target = target
        self._args = args
        self._kwargs = kwargs or {}

    def run(self) -> None:
        """Call the target, or do what the transport does."""
        if self._target is not None:
            threading.Thread.run(self)
        else:
            super().run()

    def add_listener(self, listener: Any) -> None:  # noqa: ANN401 - a listener is what has its methods
        """Have every message and error told.

        Raises:
            SessionError: It has no ``callback`` or no ``errback``.
        """
        if not (callable(getattr(listener, "callback", None)) and callable(getattr(listener, "errback", None))):
            raise SessionError("Listener must be a SessionListener type")
        with self._lock:
            self._listeners.add(listener)
