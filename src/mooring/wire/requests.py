"""What is asked on a channel (RFC 4254 sections 6 and 9): whether it can be read to its end.

OpenSSH's server ends the whole connection over a request that it cannot, and whoever else uses that with it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["is_sound"]

_FLAG: Final = 1
_NUMBER: Final = 4
_SHAPES: Final = {
    b"env": "ss",
    b"exec": "s",
    b"subsystem": "s",
    b"shell": "",
    b"pty-req": "s4m",
    b"window-change": "4",
    b"signal": "s",
    b"break": "1",
    b"xon-xoff": "f",
    b"eow@openssh.com": "",
    b"auth-agent-req@openssh.com": "",
}
"""What follows: strings without a NUL, numbers as many as the digit says, a flag, modes of a terminal."""
_LAST_MODE: Final = 160
"""From which on a mode has no number of its own; nor has the end, 0."""


def is_sound(request: bytes) -> bool:
    """Whether a request can be read by who knows its kind; of what nobody knows, only its name is read.

    Args:
        request: Its name, whether it wants a reply, and what else is in it.
    """
    name, at = _string(request, 0)
    at += _FLAG
    if name is None or b"\0" in name or at > len(request):
        return False
    shape = _SHAPES.get(name)
    for part in shape or "":
        if part in "sm":
            text, at = _string(request, at)
            if text is None or (not _are_modes(text) if part == "m" else b"\0" in text):
                return False
        else:
            at += _FLAG if part == "f" else int(part) * _NUMBER
    return shape is None or at == len(request)


def _string(data: bytes, at: int) -> tuple[bytes | None, int]:
    """The string that begins there, None where it does not end, and where the rest begins."""
    begin = at + _NUMBER
    end = begin + int.from_bytes(data[at:begin], "big")
    return (data[begin:end] if begin <= end <= len(data) else None), end


def _are_modes(modes: bytes) -> bool:
    """Whether each mode has its number (RFC 4254 section 8)."""
    at = 0
    while at < len(modes) and 0 < modes[at] < _LAST_MODE:
        at += 1 + _NUMBER
    return at <= len(modes)
