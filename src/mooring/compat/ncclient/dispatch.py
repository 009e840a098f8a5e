"""From a message to those who wait for it: replies at once, on the loop; everybody else in turn, on a worker."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

from ...model.errors import MalformedMessage
from ...wire.netconf.hello import BASE
from ...wire.netconf.incoming import GROWN
from ...wire.netconf.operations import NOTIFICATION
from ...wire.netconf.xml import first_tags, local_name, parse
from .callbacks import Callbacks
from .origin import PROMPT, DefaultDeviceHandler, SessionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Session

__all__ = ["Dispatch", "root_of"]

_log: Final = logging.getLogger("mooring.ncclient")
_NOTIFICATION: Final = f"{{{NOTIFICATION}}}notification"
_REPLY: Final = f"{{{BASE}}}rpc-reply"
_Root = tuple[str, dict[str, str]]


class Dispatch:
    """Tells a session's listeners, on the loop.

    Args:
        session: Whose listeners.
        full: As Callbacks has it.
        notified: Given the text of each notification.
    """

    def __init__(self, session: Session, full: Callable[[bool], None], notified: Callable[[str], None]) -> None:
        self._session = session
        self._notified = notified
        self._callbacks = Callbacks(full)
        self._unanswered = 0

    def message(self, raw: bytes) -> None:
        """Tell of a message."""
        text = raw.decode(errors="replace")  # text in another encoding harms itself alone
        found = root_of(raw, text, self._session._device_handler)  # noqa: SLF001 - as ncclient names it
        if isinstance(found, MalformedMessage):
            self._malformed(found)
            return
        if isinstance(found, Exception):
            self.error(found)
            return
        root, text = found
        if root[0] == _REPLY:
            self._unanswered = max(self._unanswered - 1, 0)
            self._callbacks.awaits(reply=self._unanswered > 0)
        for listener in self._listeners():
            if type(listener) in PROMPT:
                try:
                    listener.callback(root, text)
                except Exception as error:  # noqa: BLE001 - a reply to nobody ends nothing
                    _log.warning("a reply that nobody waits for was dropped: %s", error)
            else:
                self._callbacks.put(functools.partial(listener.callback, root, text), len(raw))
        if root[0] == _NOTIFICATION:
            self._notified(text)

    def error(self, error: Exception) -> None:
        """Tell of an error."""
        for listener in self._listeners():
            if type(listener) in PROMPT:
                with listener._lock:  # noqa: SLF001 - requests are made meanwhile
                    listener.errback(error)
            else:
                self._callbacks.put(functools.partial(listener.errback, error), 0)

    def _malformed(self, error: MalformedMessage) -> None:
        """Tell of what is no message. It answers the request that waits longest, since replies come in order."""
        failure = SessionError(str(error))
        failure.__cause__ = error
        for listener in self._listeners():
            if type(listener) in PROMPT:
                with listener._lock:  # noqa: SLF001 - requests are made meanwhile
                    number, oldest = next(iter(listener._id2rpc.items()), (None, None))  # noqa: SLF001 - as ncclient names it
                    listener._id2rpc.pop(number, None)  # noqa: SLF001 - likewise
                if oldest is not None:
                    oldest.deliver_error(failure)
            else:
                self._callbacks.put(functools.partial(listener.errback, failure), 0)

    def sent(self) -> None:
        """A request was sent."""
        self._unanswered += 1
        self._callbacks.awaits(reply=True)

    def after(self, call: Callable[[], object]) -> None:
        """Have something called on the worker when everybody has been told."""
        self._callbacks.put(call, 0)

    def _listeners(self) -> list[Any]:
        with self._session._lock:  # noqa: SLF001 - as ncclient names it
            return list(self._session._listeners)  # noqa: SLF001 - likewise


def root_of(raw: bytes, text: str, handler: Any) -> tuple[_Root, str] | Exception:  # noqa: ANN401 - ncclient's
    """A message's root and text, mended where its device handler knows how, or an error in its place."""
    mends = type(handler).handle_raw_dispatch is not DefaultDeviceHandler.handle_raw_dispatch
    tags = first_tags(raw[:GROWN])
    sound = bool(tags)
    if sound and mends and len(raw) <= GROWN:  # what a handler mends is small, and wrong below its root
        try:
            parse(raw)
        except MalformedMessage:
            sound = False
    if not sound and mends:
        mended = handler.handle_raw_dispatch(text)
        if isinstance(mended, Exception):
            return mended
        if isinstance(mended, str):
            text = mended
            tags = first_tags(mended.encode()[:GROWN])
    if not tags or not local_name(tags[0]):
        return MalformedMessage("a message that is not XML")
    return (str(tags[0].tag), {str(name): str(value) for name, value in tags[0].items()}), text
