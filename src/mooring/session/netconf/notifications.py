"""Notifications (RFC 5277): a bounded queue, and a subscription that comes back with the connection."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections import Counter, deque
from typing import TYPE_CHECKING, Final, Protocol, Self

from ...model.errors import (
    InvalidInput,
    MissingCapability,
    MooringError,
    NetconfEnded,
    RpcError,
    SessionClosed,
    SessionParked,
    WaitTimeout,
)
from ...wire.netconf import operations as wire
from ...wire.netconf.xml import local_name

if TYPE_CHECKING:
    from types import TracebackType

    from ...wire.netconf.operations import Operation
    from ...wire.netconf.reply import Notification
    from .channel import NetconfChannel

__all__ = ["QUEUE", "Notifications", "Subscribed"]

QUEUE: Final = 10_000
"""Notifications that wait for who takes them: minutes of a busy device."""
_BYTES: Final = 64 * 1024 * 1024
"""Bytes of them, however few they are."""

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_FINAL: Final = (MissingCapability, RpcError, SessionClosed, SessionParked, InvalidInput)
"""What another attempt would not mend."""


class Subscribed(Protocol):
    """The NETCONF session, as a subscription uses it."""

    alias: str

    @property
    def reopens(self) -> bool:
        """Whether it opens another channel when one is gone."""

    async def subscribe(self, operation: Operation) -> NetconfChannel:
        """Send a create-subscription, on a new channel where the old one is gone."""

    async def wait_up(self, timeout: float | None) -> None:
        """Wait for the SSH session."""

    def attach(self, notifications: Notifications) -> None:
        """Put what comes here."""

    def detach(self, notifications: Notifications) -> None:
        """And no more."""


class Notifications:
    """One subscription, from entering to leaving: iterate over it, or ``take`` one at a time.

    When the connection is lost it waits for the session to be up again and subscribes anew, with a replay from the
    last notification where the server can; what comes twice by that is given once. Where one did not last a minute,
    it waits before the next, longer each time, up to a minute. It ends when the server says that it is complete
    (``stop_time``), and fails with what cannot be mended by waiting.

    Attributes:
        lost: Notifications that came and were dropped, because the queue was full. The oldest go; the next one that
            is taken says how many before it.
        resubscribed: How often it came back.
    """

    def __init__(
        self,
        session: Subscribed,
        stream: str | None,
        selection: wire.Selection,
        times: tuple[str | None, str | None],
        queue: int,
    ) -> None:
        if queue < 1:
            raise InvalidInput(f"a queue of {queue} holds nothing")
        self._session = session
        self._stream = stream
        self._selection = selection
        self._start, self._stop = times
        if self._stop is not None and self._start is None:
            raise InvalidInput("stop_time takes a start_time")
        self._limit = queue
        self._queue: deque[Notification] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._over = False
        self._error: MooringError | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._last = ""
        self._seen: Counter[int] = Counter()
        self._again: Counter[int] | None = None
        self._dropped = 0
        self._gap = False
        self.lost = 0
        self.resubscribed = 0

    async def __aenter__(self) -> Self:
        """Subscribe."""
        self._session.attach(self)
        try:
            channel = await self._session.subscribe(self._operation(self._start))
        except BaseException:
            self._session.detach(self)
            raise
        self._keeper = asyncio.create_task(self._keep(channel))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more; what the server still sends is dropped."""
        self._session.detach(self)
        self.end(None)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait((self._keeper,))

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> Notification:
        """The next one."""
        notification = await self._next()
        if notification is None:
            raise StopAsyncIteration
        return notification

    async def take(self, timeout: float | None = None) -> Notification:
        """The next one. Cancelling is safe.

        Args:
            timeout: Seconds to wait for it; None waits as long as the subscription lasts.

        Raises:
            WaitTimeout: None came in time.
            NetconfEnded: The subscription is over.
        """
        try:
            async with asyncio.timeout(timeout):
                notification = await self._next()
        except TimeoutError:
            raise WaitTimeout(f"no notification of {self._session.alias} came within {timeout:g} s") from None
        if notification is None:
            raise NetconfEnded(f"the subscription to {self._session.alias} is over")
        return notification

    async def _next(self) -> Notification | None:
        while not self._queue:
            if self._over:
                if self._error is not None:
                    raise self._error
                return None
            self._news.clear()
            await self._news.wait()
        notification = self._queue.popleft()
        self._size -= len(notification.xml)
        if self._dropped or self._gap:
            notification = dataclasses.replace(notification, lost=self._dropped, gap=self._gap)
            self._dropped, self._gap = 0, False
        return notification

    # What the session calls.

    def put(self, notification: Notification) -> None:
        """One came."""
        event = notification.event
        name = "" if event is None else local_name(event)
        if name == "notificationComplete":
            self.end(None)
            return
        if self._again is not None:
            if name == "replayComplete":
                self._again = None
                return
            twice = hash(notification.xml)
            if self._again[twice] > 0:
                self._again[twice] -= 1
                return
        if notification.event_time != self._last:
            self._last = notification.event_time
            self._seen.clear()
        self._seen[hash(notification.xml)] += 1
        self._queue.append(notification)
        self._size += len(notification.xml)
        while len(self._queue) > self._limit or (self._size > _BYTES and len(self._queue) > 1):
            self._size -= len(self._queue.popleft().xml)
            self._dropped += 1
            self.lost += 1
        self._news.set()

    def end(self, error: MooringError | None) -> None:
        """There are no more: for this reason, or because all was said."""
        if not self._over:
            self._over = True
            self._error = error
            self._news.set()

    def _operation(self, start: str | None) -> Operation:
        return wire.create_subscription(self._stream, self._selection, start, self._stop if start else None)

    async def _keep(self, channel: NetconfChannel) -> None:
        """Come back whenever the connection did: at once where it had held, else after a pause that grows."""
        now = asyncio.get_running_loop().time
        pause = 0.0
        while not self._over:
            since = now()
            await asyncio.wait((channel.ended,))
            if not self._session.reopens:
                self.end(channel.ended.result())
                return
            if now() - since >= _LONGEST_PAUSE:
                pause = 0.0
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - to spread a fleet, not to hide
            pause = min(2 * pause or _FIRST_PAUSE, _LONGEST_PAUSE)
            with contextlib.suppress(MooringError):
                channel = await self._back()

    async def _back(self) -> NetconfChannel:
        try:
            await self._session.wait_up(None)
            channel = await self._resubscribe()
        except _FINAL as error:
            self.end(error)
            raise
        self.resubscribed += 1
        return channel

    async def _resubscribe(self) -> NetconfChannel:
        start = self._last or self._start
        if start:
            self._again = Counter(self._seen)
            with contextlib.suppress(RpcError):
                return await self._session.subscribe(self._operation(start))
        self._again = None
        self._gap = True
        return await self._session.subscribe(self._operation(None))
