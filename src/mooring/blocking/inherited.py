"""The loop's sockets, and what becomes of a forked child's copies of them.

A child that holds a copy keeps the connection open after the parent has closed it or died. And were the child to
collect the parent's objects, uvloop would take the sockets out of the epoll set that the two share.
"""

from __future__ import annotations

import asyncio
import os
import sys
import weakref
from typing import Any, cast

__all__ = ["Sockets", "new_loop"]


class Sockets:
    """The connections that a loop has made and not closed."""

    def __init__(self) -> None:
        self._transports: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()

    def add(self, transport: asyncio.BaseTransport) -> None:
        """Know one more."""
        self._transports.add(transport)

    def let_go(self) -> None:
        """In a forked child: have every copy lead nowhere, under its number, which objects here still name."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for transport in self._transports:
            if not transport.is_closing():
                os.dup2(nowhere, transport.get_extra_info("socket").fileno(), inheritable=False)
        os.close(nowhere)
        self._transports.clear()


class _Known(asyncio.AbstractEventLoop):
    """What a loop class is mixed with to know its sockets."""

    sockets: Sockets

    async def create_connection(self, *args: Any, **kwargs: Any) -> tuple[asyncio.Transport, Any]:
        made = await super().create_connection(*args, **kwargs)
        self.sockets.add(made[0])
        return made

    async def create_unix_connection(self, *args: Any, **kwargs: Any) -> tuple[asyncio.Transport, Any]:
        made = await super().create_unix_connection(*args, **kwargs)
        self.sockets.add(made[0])
        return made


def new_loop(sockets: Sockets) -> asyncio.AbstractEventLoop:
    """An event loop, uvloop's where that is installed, that tells of its sockets."""
    kind = type("Loop", (_Known, _loop_class()), {"sockets": sockets})
    return cast("asyncio.AbstractEventLoop", kind())


def _loop_class() -> type[asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.ProactorEventLoop
    try:
        from uvloop import Loop  # noqa: PLC0415 - may be missing
    except ImportError:
        return asyncio.SelectorEventLoop
    return Loop
