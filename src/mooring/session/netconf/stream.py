"""A reply that is given on in parts, and what can be done with it: into a file, or element by element."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections import deque
from typing import TYPE_CHECKING, Final

from lxml import etree

from ...model.errors import MalformedMessage, NetconfError, RpcTimeout
from ...wire.netconf.reply import RpcReply
from ...wire.netconf.xml import Element, check_prolog, local_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from ...model.errors import MooringError

__all__ = ["ReplyStream", "elements", "to_file"]

_ENOUGH: Final = 1024 * 1024
"""Bytes that may wait for who takes them before the server is made to wait."""
_ERROR: Final = "rpc-error"


class ReplyStream:
    """The parts of one reply, on their way to one taker.

    The channel carries one reply after the other: while nobody takes the parts, nothing else comes on it.

    Args:
        alias: The session's name.
        pause: Called to have the server wait, and with False to have it go on.
    """

    def __init__(self, alias: str, pause: Callable[[bool], None]) -> None:
        self.alias = alias
        self._pause = pause
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._ended = False
        self._error: MooringError | None = None
        self._paused = False

    def put(self, part: bytes) -> None:
        """The next bytes came."""
        self._parts.append(part)
        self._size += len(part)
        self._news.set()
        if self._size >= _ENOUGH and not self._paused:
            self._paused = True
            self._pause(True)  # noqa: FBT003 - one word says it

    def end(self, error: MooringError | None = None) -> None:
        """The reply is whole, or will never be."""
        self._ended = True
        self._error = error
        self._news.set()
        self.resume()  # what comes now is for others

    def cut(self, error: MooringError) -> None:
        """It is not taken fast enough: drop what waits, and let the server go on."""
        self._parts.clear()
        self._size = 0
        self.end(error)

    def resume(self) -> None:
        """Let the server go on, if it waits."""
        if self._paused:
            self._paused = False
            self._pause(False)  # noqa: FBT003 - likewise

    async def batches(self, timeout: float | None) -> AsyncIterator[bytes]:
        """What has come, as often as something has.

        Args:
            timeout: Seconds without anything before it is given up.
        """
        while True:
            if not self._parts:
                if self._ended:
                    break
                self._news.clear()
                try:
                    async with asyncio.timeout(timeout):
                        await self._news.wait()
                except TimeoutError:
                    msg = f"{self.alias} sent nothing of its reply for {timeout:g} s"
                    raise RpcTimeout(msg, hint="what came was dropped") from None
                continue
            batch = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            self.resume()
            yield batch
        if self._error is not None:
            raise self._error


async def to_file(stream: ReplyStream, path: Path, timeout: float | None) -> int:
    """Write a reply to a file, as it comes; under another name until it is whole.

    Returns:
        Its bytes.
    """
    part = path.with_name(f".{path.name[:200]}-{secrets.token_hex(8)}.part")  # two may write to one path
    size = 0
    try:
        file = await asyncio.to_thread(part.open, "wb")
        try:
            async for batch in stream.batches(timeout):
                await asyncio.to_thread(file.write, batch)
                size += len(batch)
        finally:
            file.close()
        await asyncio.to_thread(os.replace, part, path)
    except OSError as error:
        msg = f"the reply of {stream.alias} cannot be written to {path}: {error.strerror}"
        raise NetconfError(msg, hint="what came was dropped") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return size


async def elements(stream: ReplyStream, tag: str, timeout: float | None, most: int) -> AsyncIterator[Element]:
    """Each element of that name, when it is whole, with those of the same name in it.

    It is emptied when the next is asked for, and all else is dropped as it comes.

    Args:
        stream: The reply.
        tag: Their name.
        timeout: Seconds without anything of the reply.
        most: Bytes of one element, or of a text beside them.
    """
    sieve = _Sieve(tag, most)
    first = True
    try:
        async for batch in stream.batches(timeout):
            if first:
                check_prolog(batch)
                first = False
            for element in sieve.feed(batch):
                if local_name(element) == _ERROR:
                    RpcReply(element, [etree.tostring(element)]).check(stream.alias)
                    continue
                yield element
                element.clear(keep_tail=True)
            sieve.drop(len(batch))
        sieve.close()
    except etree.XMLSyntaxError as error:
        raise MalformedMessage(f"a reply of {stream.alias} that is not XML: {error}") from None


class _Sieve:
    """What of a tree is wanted, while it grows; the rest of it is cut off behind the parser.

    Args:
        tag: The name of what is wanted.
        most: Bytes that may be held.
    """

    def __init__(self, tag: str, most: int) -> None:
        self._tag = tag
        self._most = most
        self._held = 0
        self._root: Element | None = None
        self._tip: Element | None = None
        self._open: Element | None = None
        """The wanted element that has begun."""
        self._parser = etree.XMLPullParser(
            ("start", "end"),
            tag=(tag if tag.startswith("{") else f"{{*}}{tag}", f"{{*}}{_ERROR}", "{*}rpc-reply"),
            encoding="utf-8",
            huge_tree=True,
            resolve_entities=False,
            no_network=True,
        )

    def feed(self, data: bytes) -> Iterator[Element]:
        """What is whole now: wanted, or an ``rpc-error``."""
        self._parser.feed(data)
        for event, element in self._parser.read_events():
            if self._root is None:
                self._root = element
            name = local_name(element)
            if self._open is None and event == "start" and name == self._tag.rpartition("}")[2]:
                self._open = element
                self._held = 0
            elif event == "end" and (element is self._open or name == _ERROR):
                yield element
                if element is self._open:
                    self._open = None

    def drop(self, size: int) -> None:
        """Cut off all that is whole and was not wanted, once what was has been taken.

        Raises:
            MalformedMessage: One thing alone is too large to be held.
        """
        tip = self._root
        cut = False
        while tip is not None and tip is not self._open and len(tip):
            if len(tip) > 1:
                del tip[:-1]  # the parser is in the last one, or behind it
                cut = True
            tip = tip[-1]
        goes_on = self._open is not None or (tip is self._tip and not cut)
        self._held = self._held + size if goes_on else size
        self._tip = tip
        if self._held > self._most:
            hint = "max_message_size allows more"
            raise MalformedMessage(f"an element of more than {self._most} bytes in a reply", hint=hint)

    def close(self) -> None:
        """Nothing more comes."""
        self._parser.close()
