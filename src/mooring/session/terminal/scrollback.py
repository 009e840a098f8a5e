"""The last of what a terminal has shown, in bounded memory. No I/O."""

from __future__ import annotations

from ...wire.questions import without_questions
from ...wire.screen import Modes

__all__ = ["Scrollback"]


class Scrollback:
    """The last bytes of a stream whose every byte has a position, and the modes before and after them.

    Args:
        size: Bytes to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = bytearray()
        self.start = 0
        """Position of the first byte that is kept."""
        self.before = Modes()
        """The modes at ``start``."""
        self.now = Modes()
        """The modes at ``end``."""

    @property
    def end(self) -> int:
        """Position behind the last byte."""
        return self.start + len(self._kept)

    def add(self, data: bytes) -> None:
        """More has come; the oldest may go for it."""
        self.now.feed(data)
        self._kept += data
        excess = len(self._kept) - self._size
        if excess > 0:
            self.before.feed(bytes(self._kept[:excess]))
            del self._kept[:excess]
            self.start += excess

    def since(self, position: int, most: int) -> bytes:
        """What came from a position on that is still kept, ``most`` bytes of it."""
        offset = position - self.start
        return bytes(self._kept[offset : offset + most])

    def again(self) -> bytes:
        """What shows all that is kept on a terminal that was reset."""
        begin = self.before.unfinished or b""
        kept = bytes(self._kept)
        if self.start and not begin:
            kept = kept[:3].lstrip(_CONTINUATION) + kept[3:]  # of a letter whose begin is gone
        return Modes().towards(self.before) + without_questions(begin + kept)


_CONTINUATION = bytes(range(0x80, 0xC0))
