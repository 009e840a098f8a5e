"""Who is told of every message of a NETCONF session."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from ...model.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...wire.netconf.xml import Element

__all__ = ["Listeners", "SessionListener"]

_log: Final = logging.getLogger("mooring.netconf")
_Listener = TypeVar("_Listener")


class SessionListener:
    """Base of those who want to see every message, of whatever kind. Any class with these two methods will do.

    Both are called from the loop, one message after the other: they must not block. What they raise is logged.
    """

    def callback(self, root: tuple[str, dict[str, str]], raw: bytes) -> None:
        """A whole message came; the parts of a reply that streams are none.

        Args:
            root: The qualified name of its root and the attributes.
            raw: The message.
        """

    def errback(self, ex: Exception) -> None:
        """The NETCONF session ended, or a message could not be understood."""


class Listeners:
    """The listeners of one session, told one by one."""

    def __init__(self) -> None:
        self._listeners: list[SessionListener] = []

    def add(self, listener: SessionListener) -> None:
        """Have it told, once."""
        if not (callable(getattr(listener, "callback", None)) and callable(getattr(listener, "errback", None))):
            raise InvalidInput(f"a listener has callback and errback, and a {type(listener).__name__} has not")
        if listener not in self._listeners:
            self._listeners.append(listener)

    def remove(self, listener: SessionListener) -> None:
        """Have it told no more; nothing happens where it is not there."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def instance(self, kind: type[_Listener]) -> _Listener | None:
        """The first one of a class; None without one."""
        return next((listener for listener in self._listeners if isinstance(listener, kind)), None)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._listeners)

    def message(self, element: Element, raw: bytes) -> None:
        """Tell of a message."""
        root = str(element.tag), {str(name): str(value) for name, value in element.items()}
        self._each(lambda listener: listener.callback(root, raw))

    def error(self, error: Exception) -> None:
        """Tell of an error."""
        self._each(lambda listener: listener.errback(error))

    def _each(self, tell: Callable[[SessionListener], None]) -> None:
        for listener in tuple(self._listeners):
            try:
                tell(listener)
            except Exception:  # noqa: BLE001 - it is not ours, and is logged
                _log.exception("a listener failed: %r", listener)
