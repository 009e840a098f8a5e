"""A terminal's output to be shown once more, without what a terminal would answer.

An answer to an old question would be typed into whatever runs now. What is a question is in xterm's ``ctlseqs``; how a
terminal reads on over control characters, and what cuts a sequence short, in ECMA-48 and DEC's parser for it.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["without_questions"]

_CONTROLS: Final = rb"\x00-\x17\x19\x1c-\x1f\x7f"
"""Obeyed inside of a sequence, which then goes on; CAN, SUB and ESC end it."""
_ESC: Final = rb"\x1b[" + _CONTROLS + rb"]*"
_STRING: Final = rb"[^\x1b\xc2%b]*(?:\xc2(?!\x9c)[^\x1b\xc2%b]*)*"
_NOTED: Final = re.compile(
    # what changes nothing and is most of what is shown: colours, places, modes, what is erased
    rb"(?!\x1b\[\??[0-9:;]*[@A-HJ-MPXZ`abd-fhlr]|\x1b\[[0-9:;]*m)"
    rb"(?:"
    rb"(?:" + _ESC + rb"\[|\xc2\x9b)(?P<body>[" + _CONTROLS + rb" -?]*)(?P<final>[@-~])?"
    rb"|(?:" + _ESC + rb"\]|\xc2\x9d)(?P<osc>" + _STRING % (rb"\x07", rb"\x07") + rb")(?P<told>\x07|\x1b\\|\xc2\x9c)?"
    rb"|(?:" + _ESC + rb"(?P<kind>[PX^_])|\xc2(?P<byte>[\x90\x98\x9e\x9f]))"
    rb"(?P<string>" + _STRING % (b"", b"") + rb")(?P<end>\x1b\\|\xc2\x9c)?"
    rb"|(?P<silent>" + _ESC + rb"(?:Z|(?=[\x1b\xc2]))|\xc2\x9a|[\x05\x07]|\xc2(?=[^\x80-\xbf]))"
    rb")"
)
_ASKS: Final = re.compile(
    rb"[>=?]?[0-9:;]*[cn]"  # who are you, how are you, where is the cursor
    rb"|>[0-9;]*q|\?[0-9:;]*[Smgu]|\??[0-9;]*\$p"  # version, graphics, keys, a mode
    rb"|[0-9;]*(?:[tx]|\$[uw]|\*y|\"v|'\||&u|#[R|])"  # windows, reports of many kinds
)
_TELLS: Final = re.compile(rb"(?:[01278]|133)(?:;.*)?|(?:4|5|1[0-9]|10[45]|11[0-9])(?:;[^?]*)?", re.DOTALL)
"""Titles, folders, links and prompts, and colours that are set: all else may be a question, or the clipboard."""
_DEVICE: Final = re.compile(rb"P[0-9;]*[+$]q|_G")
_DROPPED: Final = bytes([*range(0x20), 0x7F])
_LOUD: Final = b"\x05\x07"
_OBEYED: Final = frozenset(_DROPPED) - {0x1B, *_LOUD}


def without_questions(shown: bytes) -> bytes:
    """Output to be shown once more: without what a terminal would answer, ring at, or put into the clipboard.

    What is left has no sequence that was cut short but at its end: with what was taken out behind it, it would become
    another one.
    """
    return _NOTED.sub(_kept, shown)


def _kept(found: re.Match[bytes]) -> bytes:
    if found["body"] is not None:
        return _control_sequence(found)
    if found["osc"] is not None:
        whole = found["told"] or found.end() == len(found.string)
        return found[0] if whole and _TELLS.fullmatch(_plain(found["osc"])) else b""
    if found["string"] is not None:
        kind = found["kind"] or {b"\x90": b"P", b"\x9f": b"_"}.get(found["byte"], b"X")
        whole = found["end"] or found.end() == len(found.string)
        return found[0] if whole and not _DEVICE.match(kind + _plain(found["string"])) else b""
    return _controls(found[0])


def _control_sequence(found: re.Match[bytes]) -> bytes:
    final = found["final"]
    if final is None:
        return found[0].translate(None, _LOUD) if found.end() == len(found.string) else _controls(found[0])
    if _ASKS.fullmatch(_plain(found["body"]) + final):
        return _controls(found[0])
    return found[0].translate(None, _LOUD)


def _plain(data: bytes) -> bytes:
    return data.translate(None, _DROPPED)


def _controls(data: bytes) -> bytes:
    """Those in a sequence that is taken out; they are obeyed all the same."""
    return bytes(byte for byte in data if byte in _OBEYED)
