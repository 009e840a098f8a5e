"""The client's side of WebSocket framing (RFC 6455), without I/O: bytes in, messages out, and the other way."""

from __future__ import annotations

import os

from ..model.errors import DaemonMismatch

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

__all__ = ["BINARY", "CLOSE", "PING", "PONG", "Assembler", "encode"]

CONTINUATION: Final = 0x0
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_CONTROL: Final = {CLOSE, PING, PONG}
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_LONG, _LONGER = 126, 127
_MOST: Final = 2 * 1024 * 1024
"""Bytes of one message: twice what the daemon may send."""


def encode(opcode: int, payload: bytes) -> bytes:
    """One final frame, masked as a client's must be (section 5.3)."""
    size = len(payload)
    if size < _LONG:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | opcode, _MASKED | _LONG)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, _MASKED | _LONGER)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    stretched = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(stretched, "little")
    return head + mask + masked.to_bytes(size, "little")


class Assembler:
    """Makes messages of bytes: pass what comes to ``feed``, and take what ``messages`` gives."""

    def __init__(self, data: bytes = b"") -> None:
        self._buffer = bytearray(data)
        self._parts: list[bytes] = []
        self._opcode = CONTINUATION

    def feed(self, data: bytes) -> None:
        """Take bytes that came."""
        self._buffer += data

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """What is whole by now: opcodes and payloads, control frames among them.

        Raises:
            DaemonMismatch: It is no WebSocket framing, or larger than any message of the daemon.
        """
        while (found := self._frame()) is not None:
            final, opcode, payload = found
            if opcode in _CONTROL:
                yield opcode, payload
                continue
            if (opcode == CONTINUATION) is not (self._opcode != CONTINUATION):
                raise DaemonMismatch("a WebSocket message from the daemon begins in the middle of another")
            if final and opcode != CONTINUATION:
                yield opcode, payload
                continue
            self._opcode = self._opcode or opcode
            self._parts.append(payload)
            _check_size(sum(map(len, self._parts)))
            if final:
                opcode, self._opcode = self._opcode, CONTINUATION
                payload, self._parts = b"".join(self._parts), []
                yield opcode, payload

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next frame (section 5.2), if it is whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[0] & 0x70 or buffer[1] & _MASKED:
            raise DaemonMismatch("the daemon's WebSocket uses extensions or masks, which nobody asked for")
        size, start = buffer[1], 2
        if size >= _LONG:
            start = 4 if size == _LONG else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big") if size <= _LONGER else size
        _check_size(size)
        if len(buffer) < start + size:
            return None
        first = buffer[0]
        with memoryview(buffer) as view:
            payload = bytes(view[start : start + size])
        del buffer[: start + size]
        return bool(first & _FINAL), first & 0x0F, payload


def _check_size(size: int) -> None:
    if size > _MOST:
        raise DaemonMismatch(f"a WebSocket message from the daemon has {size} bytes, and may have {_MOST}")
