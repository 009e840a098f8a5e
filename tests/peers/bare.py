"""A client's channel on which nothing is asked but what a test asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncssh.channel import SSHClientChannel

if TYPE_CHECKING:
    import asyncssh

__all__ = ["bare"]


async def bare(connection: asyncssh.SSHClientConnection) -> Any:  # noqa: ANN401 - AsyncSSH's
    """A channel for which nothing was asked."""
    make: Any = SSHClientChannel
    channel = make(connection, asyncio.get_running_loop(), None, None, "strict", 1 << 21, 1 << 15)
    await channel._open(b"session")  # noqa: SLF001 - nobody does so by mistake
    return channel
