"""The two framings of NETCONF over SSH (RFC 6242): where a message ends.

Both give what lies inside messages in pieces, as bytes, in time linear in the bytes whatever their slicing; they hold
back at most the few bytes of a marker that is not whole yet. Give bytes to ``receive_data``, then call ``next_piece``
until it answers NEED_DATA.
"""

from __future__ import annotations

import enum
import re
from typing import Final, Literal, TypeAlias

from ...model.errors import FramingError

__all__ = ["DELIMITER", "MESSAGE_END", "NEED_DATA", "Chunked", "EndOfMessage", "Framing", "Mark", "chunked"]

DELIMITER: Final = b"]]>]]>"
"""Ends each message of base:1.0, and the hellos of both."""

_LARGEST_CHUNK: Final = 4_294_967_295
_HEADER: Final = re.compile(rb"\n#(?:([1-9][0-9]{0,9})|#)\n")
_HEADER_PREFIX: Final = re.compile(rb"(?:\n(?:#(?:#|[1-9][0-9]{0,9})?)?)?")
_LONGEST_HEADER: Final = len(b"\n#4294967295\n")


class Mark(enum.Enum):
    """What comes between pieces."""

    MESSAGE_END = "the message is whole"
    NEED_DATA = "more bytes are needed"


MESSAGE_END: Final = Mark.MESSAGE_END
NEED_DATA: Final = Mark.NEED_DATA

_Piece: TypeAlias = bytes | Literal[Mark.MESSAGE_END, Mark.NEED_DATA]


class EndOfMessage:
    """base:1.0: a message ends with ``]]>]]>`` (RFC 6242 section 4.3), which no XML contains as it is."""

    name: Final = "end-of-message"
    outstanding: Final = 0
    """Bytes of the current message that are announced and have not come."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    def receive_data(self, data: bytes) -> None:
        """Take bytes that came."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def next_piece(self) -> _Piece:
        """The next bytes of a message, its end, or that more is needed."""
        data, at = self._data, self._at
        end = data.find(DELIMITER, at)
        if end == at:
            self._at = at + len(DELIMITER)
            return MESSAGE_END
        if end < 0:
            end = len(data) - _held_back(data, at)
        self._at = end
        return data[at:end] if end > at else NEED_DATA

    def rest(self) -> bytes:
        """What has come and was not given out, for the framing that follows."""
        return self._data[self._at :]


def _held_back(data: bytes, at: int) -> int:
    """Bytes at the end that may be the beginning of a delimiter."""
    for size in range(min(len(DELIMITER) - 1, len(data) - at), 0, -1):
        if data.endswith(DELIMITER[:size]):
            return size
    return 0


class Chunked:
    """base:1.1: a message is one or more chunks, each with its size before it (RFC 6242 section 4.2)."""

    name: Final = "chunked"

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._begun = False
        self.outstanding = 0
        """Bytes of the current chunk that are announced and were not given out."""

    def receive_data(self, data: bytes) -> None:
        """Take bytes that came."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def next_piece(self) -> _Piece:
        """The next bytes of a message, its end, or that more is needed.

        Raises:
            FramingError: What came is no chunk; nothing that follows can be trusted.
        """
        if not self.outstanding:
            mark = self._header()
            if mark is not None:
                return mark
        at = self._at
        piece = self._data[at : at + self.outstanding]
        if not piece:
            return NEED_DATA
        self._at = at + len(piece)
        self.outstanding -= len(piece)
        return piece

    def _header(self) -> Mark | None:
        """Read a chunk's header; None where its bytes follow."""
        found = _HEADER.match(self._data, self._at)
        if found is None:
            head = self._data[self._at : self._at + _LONGEST_HEADER]
            if len(head) < _LONGEST_HEADER and _HEADER_PREFIX.fullmatch(head):
                return NEED_DATA
            raise FramingError(f"no chunk begins with {head!r}")
        self._at = found.end()
        if found[1] is None:
            if not self._begun:
                raise FramingError("a message without a chunk")
            self._begun = False
            return MESSAGE_END
        self.outstanding = int(found[1])
        if self.outstanding > _LARGEST_CHUNK:
            raise FramingError(f"a chunk of {self.outstanding} bytes: more than RFC 6242 allows")
        self._begun = True
        return None

    def rest(self) -> bytes:
        """What has come and was not given out."""
        return self._data[self._at :]


Framing: TypeAlias = EndOfMessage | Chunked


def chunked(message: bytes) -> bytes:
    """A message in as few chunks as it takes."""
    parts = [message[at : at + _LARGEST_CHUNK] for at in range(0, len(message), _LARGEST_CHUNK)]
    return b"".join(b"\n#%d\n%b" % (len(part), part) for part in parts) + b"\n##\n"
