"""asciicast v3 (https://docs.asciinema.org/manual/asciicast/v3/): what a terminal did, as lines of JSON. Pure."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...model.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LARGEST", "LONGEST", "Cast", "header", "read_header"]

_encode: Final = msgspec.json.Encoder().encode
LARGEST: Final = 0xFFFF
"""Columns, and rows: what readers take."""
LONGEST: Final = 32 << 10
"""Bytes of a header, with its end."""
_ALIAS: Final = 16 << 10
"""Letters of an alias, all ASCII: as long as a target may be."""
_NAME: Final = 256
"""Letters of who opened it, and of the title."""
_YEAR_9999: Final = 253_370_764_800.0
"""Seconds since 1970 that no recording began after: what is later is damaged."""
_TERM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_OURS: Final = "mooring"
"""The member of the header in which we keep what the format has no name for; readers pass over what they don't know."""


class Cast:
    """The events of one recording, in order: ``event`` gives the line of each.

    Args:
        began: The instant of its beginning, on any clock.
    """

    def __init__(self, began: float) -> None:
        self._last = began
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {code: decoder("replace") for code in "oi"}

    def event(self, at: float, code: str, data: bytes, *, final: bool = False) -> bytes:
        """The line of an event; none where a letter is yet to come whole.

        Args:
            at: When.
            code: ``o`` for output, ``i`` for input, ``r`` for another size, ``m`` for a remark, ``x`` for the end.
            data: What; output and input may be any bytes, cut anywhere, the others are text.
            final: Whether no more of the kind comes.
        """
        decoder = self._decoders.get(code)
        text = data.decode() if decoder is None else decoder.decode(data, final)
        if not text:
            return b""
        interval = max(0.0, round(at - self._last, 6))
        self._last += interval  # what is written, so that rounding does not add up
        return b'[%.6f, "%s", %s]\n' % (interval, code.encode(), _encode(text))

    def rest(self, at: float) -> bytes:
        """What is left of letters that never came whole."""
        return b"".join(self.event(at, code, b"", final=True) for code in self._decoders)


def header(recording: Recording, term: str) -> bytes:
    """The first line: what is known of a recording as it begins."""
    return (
        _encode(
            {
                "version": 3,
                "term": {
                    "cols": recording.columns,
                    "rows": recording.rows,
                    **({"type": term} if _TERM.fullmatch(term) else {}),
                },
                "timestamp": int(recording.began),
                "title": f"{recording.who} on {recording.alias}"[:_NAME],
                _OURS: {
                    "alias": recording.alias[:_ALIAS],
                    "who": recording.who[:_NAME],
                    "door": recording.door,
                    "what": recording.what,
                    "began": recording.began,
                },
            }
        )
        + b"\n"
    )


def read_header(line: bytes, recording_id: str, size: int, ended: float) -> Recording | None:
    """What a file tells of its recording; None where it is none of ours.

    Args:
        line: Its first line.
        recording_id: Its name.
        size: Its size.
        ended: When it was last written: seconds since 1970.
    """
    try:
        value: Mapping[str, Any] = msgspec.json.decode(line)
        term, ours = value["term"], value[_OURS]
        began, columns, rows = ours["began"], term["cols"], term["rows"]
        if not all(type(cells) is int and 0 < cells <= LARGEST for cells in (columns, rows)):
            return None
        if type(began) not in (int, float) or not 0 <= began < _YEAR_9999:
            return None
        return Recording(
            id=recording_id,
            **{name: str(ours[name]) for name in ("alias", "who", "door", "what")},
            began=float(began),
            seconds=max(round(ended - began, 6), 0.0),
            bytes=size,
            columns=columns,
            rows=rows,
        )
    except (msgspec.DecodeError, KeyError, RecursionError, TypeError, ValueError):
        return None
