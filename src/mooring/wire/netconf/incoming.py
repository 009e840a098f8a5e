"""One message on its way in: its pieces, and its tree as far as it has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from ...model.errors import MalformedMessage
from .xml import check_prolog, feeder, first_tags, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from .xml import Element, Feeder

__all__ = ["GROWN", "Incoming"]

GROWN: Final = 65_536
"""Bytes after which a message is parsed as it comes: then a large one never stops the loop for its whole length."""

_SMALL: Final = 2_048
"""Bytes of a piece that is kept together with the next: many small ones would cost more than what is in them."""


class Incoming:
    """A message of which more may come: ``add`` its pieces, then ``close`` it.

    A small one is parsed at its end, in one go. What is wrong with it shows at its end as well: its framing tells
    where that is.

    Args:
        parser: Makes the parser of one that is not small.
    """

    __slots__ = ("_error", "_make", "_parser", "pieces", "size")

    def __init__(self, parser: Callable[[], Feeder] = feeder) -> None:
        self._make = parser
        self.pieces: list[bytes] = []
        """What has come. Of a message that is no XML, only what had come until that was seen."""
        self.size = 0
        """Bytes that have come."""
        self._parser: Feeder | None = None
        self._error: MalformedMessage | None = None

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        if not self.size:
            piece = piece.lstrip()
        self.size += len(piece)
        if self._error is not None or not piece:
            return
        if self.pieces and len(piece) < _SMALL and len(self.pieces[-1]) < _SMALL:
            self.pieces[-1] += piece
        else:
            self.pieces.append(piece)
        if self._parser is not None:
            self._feed(piece)
        elif self.size >= GROWN:
            self._grow()

    def _grow(self) -> None:
        head = self.head()
        try:
            check_prolog(head)
        except MalformedMessage as error:
            self._error = error
            return
        self._parser = self._make()
        self._feed(head)

    def _feed(self, piece: bytes) -> None:
        assert self._parser is not None  # noqa: S101 - grown
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError as error:
            self._error = MalformedMessage(f"a message that is not XML: {error}")
            self._parser = None

    def head(self) -> bytes:
        """All that has come, as one."""
        if len(self.pieces) != 1:
            self.pieces[:] = [b"".join(self.pieces)]
        return self.pieces[0]

    def tags(self) -> list[Element]:
        """The root and its first child, as far as their start tags have come."""
        return first_tags(self.head()[:GROWN])

    def close(self) -> Element:
        """The root.

        Raises:
            MalformedMessage: It is no XML.
        """
        if self._error is not None:
            raise self._error
        if self._parser is None:
            return parse(self.head())
        try:
            return self._parser.close()
        except etree.XMLSyntaxError as error:
            raise MalformedMessage(f"a message that is not XML: {error}") from None
