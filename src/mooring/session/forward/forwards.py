"""The forwards of a session, by their names."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from ...model.errors import ForwardError, ForwardInUse, InvalidInput, UnknownForward
from ...model.forward import ForwardKind, Place
from .near import LocalForward, SocksForward
from .remote import RemoteForward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .forward import Forward, Ground, Policy

__all__ = ["Forwards"]

_MOST: Final = 100
"""Forwards of a session: each takes descriptors, and those of a daemon come back with it."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Forwards:
    """The forwards of one session.

    Args:
        ground: The session.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._by_name: dict[str, Forward] = {}

    def __iter__(self) -> Iterator[Forward]:
        """Them, in the order in which they were made."""
        return iter(tuple(self._by_name.values()))

    def __getitem__(self, name: str) -> Forward:
        """The one of this name.

        Raises:
            UnknownForward: There is none.
        """
        found = self._by_name.get(name)
        if found is None:
            raise UnknownForward(f"{self._ground.alias} has no forward of that name")
        return found

    async def add(
        self,
        kind: ForwardKind,
        listen: Place,
        destination: Place | None,
        *,
        name: str | None = None,
        policy: Policy | None = None,
        now: bool = True,
    ) -> Forward:
        """Make one. Cancelling is safe: there is none then.

        Args:
            kind: Which side listens.
            listen: Where.
            destination: Where its connections lead; None for SOCKS, or where the policy says so.
            name: Its name; None for one made of its kind and where it listens.
            policy: Asked about each connection.
            now: Whether it must stand at once; otherwise it is tried until it does.

        Raises:
            InvalidInput: The name or a place cannot be meant.
            ForwardInUse: Another one has this name.
            ForwardError: There are a hundred.
            PortTaken, ForwardError, ForwardRefused, SessionNotUp: It cannot stand; there is none then.
        """
        if destination is None and policy is None and kind is not ForwardKind.SOCKS:
            raise InvalidInput("a forward needs a destination, or a policy that names one")
        if destination is not None and not destination.path and not (destination.host and destination.port):
            raise InvalidInput(f"{destination} is no destination: it needs a host and a port")
        chosen = self._free(kind, listen) if name is None else name
        if not _NAME.fullmatch(chosen):
            raise InvalidInput("a forward's name has letters, digits, dots, dashes and underscores, 64 at most")
        if chosen in self._by_name:
            raise ForwardInUse(f"{self._ground.alias} has a forward {chosen} already", hint="remove it first")
        if len(self._by_name) >= _MOST:
            raise ForwardError(f"{self._ground.alias} has {_MOST} forwards, and may have no more", hint="remove one")
        forward = self._make(kind, chosen, listen, destination, policy)
        self._by_name[chosen] = forward
        forward.on_closed = self._ended
        try:
            await forward.begin(now=now)
        except BaseException:
            self._gone(forward)
            forward.close()
            raise
        self._ground.carries(f"forward {chosen} was made: {kind.value} {forward.listens_at}")
        return forward

    async def aclose(self) -> None:
        """Close them all."""
        forwards = tuple(self)
        for forward in forwards:
            forward.close()
        await asyncio.gather(*(forward.wait_closed() for forward in forwards))

    def _make(
        self, kind: ForwardKind, name: str, listen: Place, destination: Place | None, policy: Policy | None
    ) -> Forward:
        if kind is ForwardKind.SOCKS:
            return SocksForward(self._ground, name, listen, policy)
        chosen = RemoteForward if kind is ForwardKind.REMOTE else LocalForward
        return chosen(self._ground, name, listen, destination, policy)

    def _ended(self, forward: Forward) -> None:
        if self._by_name.get(forward.name) is forward:
            self._gone(forward)
            self._ground.carries(f"forward {forward.name} is no more")

    def _gone(self, forward: Forward) -> None:
        if self._by_name.get(forward.name) is forward:
            del self._by_name[forward.name]

    def _free(self, kind: ForwardKind, listen: Place) -> str:
        last = re.sub(r"[^A-Za-z0-9._-]", "_", listen.path.rpartition("/")[2])[:40] if listen.path else str(listen.port)
        name = base = kind.value if last in {"", "0"} else f"{kind.value}-{last}"
        number = 1
        while name in self._by_name:
            number += 1
            name = f"{base}-{number}"
        return name
