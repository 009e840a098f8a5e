"""Checksums by a program of the peer's, so that a file need not come back to be hashed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from ...model.errors import ChannelRefused, CommandError
from ..execute import Command

if TYPE_CHECKING:
    from ..attachment import Attachment

__all__ = ["hashed_there", "operand"]

_TIMEOUT: Final = 3600.0
"""Seconds: a disk that reads 100 MB a second hashes 360 GB in them."""
_COMMAND: Final = "sha256sum -- {0} 2>/dev/null || shasum -a 256 -- {0} 2>/dev/null"
_DIGITS: Final = frozenset("0123456789abcdef")


def operand(path: str) -> str:
    """A path as one word of the peer's shell, and no option."""
    return shlex.quote(path if path.startswith("/") else f"./{path}")


async def hashed_there(attachment: Attachment, path: str) -> str | None:
    """A file's SHA-256 in hexadecimal digits; None where the peer has no program that we know."""
    try:
        line = _COMMAND.format(operand(path))
        line.encode()
        result = await Command(line=line, timeout=_TIMEOUT, max_output=1024).run(attachment)
    except (ChannelRefused, CommandError, UnicodeError):
        return None
    words = str(result.stdout).lstrip("\\").split()  # the backslash tells that the name after it is escaped
    return words[0] if words and len(words[0]) == 64 and _DIGITS.issuperset(words[0]) else None
