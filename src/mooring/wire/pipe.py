"""The frames of a pipe, as the far end has them: one framing for both ends."""

from __future__ import annotations

from ..far import (
    ACK,
    CREDIT,
    ERROR,
    HEADER,
    HELLO,
    LIMIT,
    LOG,
    MAGIC,
    MESSAGE,
    OUTPUT,
    RESULT,
    TERMINATE,
    VERSION,
    WINDOW,
    Decoder,
    FrameError,
    frame,
    pack,
    unpack,
)

__all__ = [
    "ACK", "CREDIT", "ERROR", "HEADER", "HELLO", "LIMIT", "LOG", "MAGIC", "MESSAGE", "OUTPUT", "RESULT", "TERMINATE",
    "VERSION", "WINDOW", "Decoder", "FrameError", "frame", "pack", "unpack",
]  # fmt: skip
