"""Replies that are too large to be held: as bytes, into a file, or element by element."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ...wire.netconf import operations as wire
from ..arguments import check_seconds
from .operations import Operations
from .stream import elements, to_file

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterator

    from ...wire.netconf.operations import Operation
    from ...wire.netconf.xml import Element, Source
    from .channel import NetconfChannel

__all__ = ["InParts"]


class InParts(Operations):
    """Operations whose replies are taken in parts."""

    _timeout: float
    _most: int

    @abstractmethod
    async def prepared(self, operation: Operation) -> NetconfChannel:
        """The open channel, once it is sure that the server can do this now."""

    async def rpc_stream(self, rpc: Source, *, timeout: float | None = None) -> AsyncIterator[bytes]:
        """Send any operation and give the reply as bytes, as they come, holding next to nothing of it.

        While they are not taken, nothing else comes on this NETCONF session. Where the reply is an error nothing is
        given and it is raised.

        Args:
            rpc: As ``rpc`` has it.
            timeout: Seconds without anything of the reply; None for the session's own.
        """
        async with contextlib.aclosing(self.stream(wire.custom(rpc), timeout)) as parts:
            async for part in parts:
                yield part

    async def stream(
        self, operation: Operation, timeout: float | None, patience: float | None = None
    ) -> AsyncGenerator[bytes]:
        """The same of an operation that was made before.

        Args:
            operation: It.
            timeout: Seconds without anything of the reply; None for the session's own.
            patience: Seconds for which, in all, the reply may hold back others because its parts are not taken.

        Raises:
            SlowReader: They were up. All else as ``rpc_stream`` has it.
        """
        check_seconds(timeout)
        if operation.locks or operation.unlocks:
            yield (await self.execute(operation, timeout)).xml
            return
        channel = await self.prepared(operation)
        with channel.stream(operation, patience) as stream:
            async for batch in stream.batches(self._timeout if timeout is None else timeout):
                yield batch

    async def rpc_to_file(self, rpc: Source, path: str | os.PathLike[str], *, timeout: float | None = None) -> int:
        """Send any operation and write the whole reply to a file as it comes, holding next to nothing of it.

        The file has another name until it is whole. Cancelling is safe, and leaves no file.

        Args:
            rpc: As ``rpc`` has it.
            path: The file, which is replaced.
            timeout: Seconds without anything of the reply; None for the session's own.

        Returns:
            Its bytes.

        Raises:
            NetconfError: It cannot be written. All else as every operation has it.
        """
        check_seconds(timeout)
        operation = wire.custom(rpc)
        channel = await self.prepared(operation)
        with channel.stream(operation) as stream:
            return await to_file(stream, Path(path), self._timeout if timeout is None else timeout)

    async def rpc_iter(self, rpc: Source, tag: str, *, timeout: float | None = None) -> AsyncIterator[Element]:
        """Send any operation and give each element of a name in its reply, when it is whole.

        Nothing else of the reply is held, and an element is emptied when the next is asked for: take what is wanted
        of it before. One that stands inside another of the same name comes with that one. An ``rpc-error`` inside the
        reply is raised when it comes.

        Args:
            rpc: As ``rpc`` has it.
            tag: Their name, with a namespace in braces or in any: ``interface``.
            timeout: Seconds without anything of the reply; None for the session's own.

        Raises:
            MalformedMessage: One element is larger than ``max_message_size``. All else as every operation has it.
        """
        check_seconds(timeout)
        operation = wire.custom(rpc)
        channel = await self.prepared(operation)
        with channel.stream(operation) as stream:
            async for element in elements(stream, tag, self._timeout if timeout is None else timeout, self._most):
                yield element
