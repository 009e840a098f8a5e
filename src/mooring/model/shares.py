"""Who gets which item: each host as fast as it answers; what one that dies had goes to others."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ATTEMPTS", "NOBODY", "Share", "Shares"]

ATTEMPTS: Final = 3
"""Hosts that an item may take down with it before it is given up."""
NOBODY: Final = "no host is left to deal with it"

Item = TypeVar("Item")


class Share(NamedTuple, Generic[Item]):
    """An item for a host.

    Attributes:
        host: Who is to deal with it.
        item: What.
        tried: Hosts that had it and died before they answered.
    """

    host: str
    item: Item
    tried: tuple[str, ...]


class Shares(Generic[Item]):
    """The state of a sharing out, which only decides.

    ``join`` each host when it is ready, ``add`` the items that are ``wanted``, carry out what ``hand_out`` gives, and
    say of each share whether it was ``done`` or is to be had ``again``. What ``orphans`` gives, nobody will deal with.

    Args:
        window: Items on their way to each host: enough that it never waits for us.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._slots: dict[str, int] = {}
        self._free: deque[str] = deque()
        self._todo: deque[tuple[Item, tuple[str, ...]]] = deque()
        self.under_way = 0
        """Shares that were handed out, and of which nothing has been said."""

    @property
    def hosts(self) -> frozenset[str]:
        """Those that are ready."""
        return frozenset(self._slots)

    @property
    def wanted(self) -> int:
        """How many more items are of use now."""
        return max(0, 2 * self._window * len(self._slots) - len(self._todo) - self.under_way)

    @property
    def left(self) -> bool:
        """Whether some item is not accounted for."""
        return bool(self._todo or self.under_way)

    def join(self, host: str) -> None:
        """A host is ready."""
        self._slots[host] = self._window
        self._free.append(host)

    def leave(self, host: str) -> None:
        """It takes no more; say of its shares that they are to be had again."""
        self._slots.pop(host, None)

    def add(self, item: Item) -> None:
        """One more item."""
        self._todo.append((item, ()))

    @property
    def waiting(self) -> bool:
        """Whether some item waits for a host."""
        return bool(self._todo)

    def free(self, ready: Callable[[str], bool]) -> bool:
        """Whether some host would take one more item.

        Args:
            ready: Whether a host can take one now.
        """
        return any(host in self._slots and ready(host) for host in self._free)

    def hand_out(self, ready: Callable[[str], bool] = lambda _: True) -> Share[Item] | None:
        """An item, and the host that it is for; None where there is none of either.

        Args:
            ready: Whether a host can take one now.
        """
        if not self._todo:
            return None
        for _ in range(len(self._free)):
            host = self._free.popleft()
            if host not in self._slots:
                continue
            if not ready(host):
                self._free.append(host)
                continue
            self._slots[host] -= 1
            if self._slots[host]:
                self._free.append(host)
            self.under_way += 1
            return Share(host, *self._todo.popleft())
        return None

    def done(self, share: Share[Item]) -> None:
        """A share is accounted for."""
        self.under_way -= 1
        if share.host in self._slots:
            self._slots[share.host] += 1
            if self._slots[share.host] == 1:
                self._free.append(share.host)

    def again(self, share: Share[Item], *, sent: bool = True) -> tuple[str, ...] | None:
        """A share's host has died: it goes to another one, before all others.

        Args:
            share: Which.
            sent: Whether the host may have had it.

        Returns:
            The hosts that had it where they are too many: it is given up. Else None.
        """
        self.done(share)
        tried = (*share.tried, share.host) if sent else share.tried
        if len(tried) >= ATTEMPTS:
            return tried
        self._todo.appendleft((share.item, tried))
        return None

    def orphans(self) -> Iterator[tuple[Item, tuple[str, ...]]]:
        """The items for which no host is left, and who had them. They are accounted for."""
        while self._todo and not self._slots:
            yield self._todo.popleft()
