"""NETCONF messages as whole bytes, for who understands them by other means than ``protocol.Protocol``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model.errors import FramingError
from .framing import DELIMITER, MESSAGE_END, NEED_DATA, Chunked, EndOfMessage, chunked
from .protocol import MAX_MESSAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .framing import Framing

__all__ = ["Messages"]


class Messages:
    """Both framings of one stream; it begins with base:1.0, and ``chunk`` changes it.

    Args:
        max_message_size: Bytes of a message; one that is larger breaks the stream.
    """

    def __init__(self, max_message_size: int = MAX_MESSAGE_SIZE) -> None:
        self._most = max_message_size
        self._framing: Framing = EndOfMessage()
        self._pieces: list[bytes] = []
        self._size = 0
        self._greeted = False

    @property
    def whole(self) -> bool:
        """Whether nothing of another message has come."""
        return not (self._size or self._framing.outstanding)

    def chunk(self) -> None:
        """Both sides can do base:1.1, and from now on use it (RFC 6242 section 4.1)."""
        rest = self._framing.rest()
        self._framing = Chunked()
        self._framing.receive_data(rest)

    def framed(self, message: bytes) -> bytes:
        """A message as it is sent now. The first one is the hello, even where the server's came before it."""
        if self._greeted and isinstance(self._framing, Chunked):
            return chunked(message)
        self._greeted = True
        return message + DELIMITER

    def receive_data(self, data: bytes) -> Iterator[bytes]:
        """Take bytes that came, and give each message that they end. ``chunk`` may be called between two.

        Raises:
            FramingError: No message can be found in the stream any more.
        """
        self._framing.receive_data(data)
        while (piece := self._framing.next_piece()) is not NEED_DATA:
            if isinstance(piece, bytes):
                self._take(piece if self._size else piece.lstrip())
            elif piece is MESSAGE_END:
                pieces, self._pieces, self._size = self._pieces, [], 0
                yield b"".join(pieces)

    def _take(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
        if self._size + self._framing.outstanding > self._most:
            raise FramingError(f"a message of more than {self._most} bytes")
