"""What a NETCONF session has locked: a lock goes with its channel, and never silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...model.errors import LockLost, MissingCapability, RpcError
from ...wire.netconf import operations as wire

if TYPE_CHECKING:
    from ...wire.netconf.operations import Operation
    from ...wire.netconf.reply import RpcReply
    from .channel import NetconfChannel
    from .former import Former

__all__ = ["Locks"]


class Send(Protocol):
    """Sends an operation on a channel and gives its reply."""

    async def __call__(self, channel: NetconfChannel, operation: Operation, timeout: float | None) -> RpcReply:
        """Raise what the reply says."""


class Locks:
    """The locks of one NETCONF session, over all its channels.

    Args:
        alias: The session's name.
        former: The NETCONF sessions of ours that broke: where one of them still holds a lock, it is killed.
        send: Sends an operation, once it is sure that the server can do it.
    """

    def __init__(self, alias: str, former: Former, send: Send) -> None:
        self._alias = alias
        self._former = former
        self._send = send
        self._held: dict[str, NetconfChannel] = {}

    def check(self) -> None:
        """Make sure that all is held that was locked.

        Raises:
            LockLost: The channel of one is gone.
        """
        for target, channel in self._held.items():
            if not channel.usable:
                raise self._lost(target)

    def taken_anew(self, target: str) -> None:
        """Who locks again knows that it may have been lost."""
        if target in self._held and not self._held[target].usable:
            del self._held[target]

    def given_back(self, target: str) -> None:
        """Likewise who unlocks, once that was told.

        Raises:
            LockLost: It went before.
        """
        if target in self._held and not self._held[target].usable:
            del self._held[target]
            raise self._lost(target)

    async def lock(self, channel: NetconfChannel, operation: Operation, timeout: float | None) -> RpcReply:
        """Take a lock, from a broken session of ours if that holds it."""
        try:
            reply = await self._sure(channel, operation, timeout)
        except RpcError as error:
            stale = self._former.holder(error)
            if stale is None:
                raise
            self._former.killed(stale)
            await self._send(channel, wire.kill_session(stale), timeout)
            reply = await self._sure(channel, operation, timeout)
        self._held[operation.locks] = channel
        return reply

    async def unlock(self, channel: NetconfChannel, operation: Operation, timeout: float | None) -> RpcReply:
        """Let go of a lock. It is held until the server has let go of it, or the channel is gone."""
        try:
            reply = await self._sure(channel, operation, timeout)
        except RpcError:
            raise
        except BaseException:
            self._held.pop(operation.unlocks, None)
            raise
        self._held.pop(operation.unlocks, None)
        return reply

    async def _sure(self, channel: NetconfChannel, operation: Operation, timeout: float | None) -> RpcReply:
        """Lock or unlock. Where nobody knows whether the server did it, the channel goes, and the lock with it."""
        try:
            return await self._send(channel, operation, timeout)
        except (RpcError, MissingCapability):
            raise
        except BaseException:
            channel.abandon()
            raise

    def _lost(self, target: str) -> LockLost:
        msg = f"the lock of {target} on {self._alias} went with its connection"
        return LockLost(msg, hint="somebody else may have changed it; lock it again and begin anew")
