"""A pseudo-terminal as the client asked for it: its size and its modes (RFC 4254 section 8)."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING, Final

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["open_terminal", "resize"]

Size = tuple[int, int, int, int]
"""Columns, rows, and both in pixels."""

_MOST: Final = 0xFFFF
_INPUT: Final = "IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8"
_OUTPUT: Final = "OPOST OLCUC ONLCR OCRNL ONOCR ONLRET"
_CONTROL: Final = "CS7 CS8 PARENB PARODD"
_LOCAL: Final = "ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP IEXTEN ECHOCTL ECHOKE PENDIN"
_NAMES: Final = "VINTR VQUIT VERASE VKILL VEOF VEOL VEOL2 VSTART VSTOP VSUSP VREPRINT VLNEXT VDISCARD"
_FLAGS: Final = {
    getattr(asyncssh, f"PTY_{name}"): (field, getattr(termios, name))
    for field, names in enumerate((_INPUT, _OUTPUT, _CONTROL, _LOCAL))
    for name in names.split()
    if hasattr(termios, name)
}
"""Which field of the attributes, and which bits there, by the opcode; those that this system has."""
_KEYS: Final = {
    getattr(asyncssh, opcode): getattr(termios, name)
    for opcode, name in (
        *((f"PTY_{name}", name) for name in _NAMES.split()),
        ("PTY_WERASE", "VWERASE"),
    )
    if hasattr(termios, name)
}
_DISABLED: Final = 255
_SPEEDS: Final = {asyncssh.PTY_OP_ISPEED: 4, asyncssh.PTY_OP_OSPEED: 5}


def open_terminal(size: Size, modes: Mapping[int, int]) -> tuple[int, int]:
    """Our end and the program's end of a new terminal; ours does not block.

    Args:
        size: What it is told to be.
        modes: By the opcodes of RFC 4254; those that this system does not have are passed over.

    Raises:
        OSError: The system has none left.
    """
    ours, theirs = os.openpty()
    try:
        os.set_blocking(ours, False)
        resize(ours, size)
        if modes:
            _set_modes(theirs, modes)
    except BaseException:
        os.close(ours)
        os.close(theirs)
        raise
    return ours, theirs


def resize(descriptor: int, size: Size) -> None:
    """Tell a terminal, and the program that is in its foreground, how large it is now."""
    columns, rows, width, height = (min(number, _MOST) for number in size)
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))


def _set_modes(descriptor: int, modes: Mapping[int, int]) -> None:
    attributes = termios.tcgetattr(descriptor)
    keys = attributes[6]
    for opcode, value in modes.items():
        if opcode in _FLAGS:
            field, bits = _FLAGS[opcode]
            attributes[field] = attributes[field] | bits if value else attributes[field] & ~bits
        elif opcode in _KEYS:
            keys[_KEYS[opcode]] = bytes([value & 0xFF]) if value != _DISABLED else b"\0"
        elif opcode in _SPEEDS:
            attributes[_SPEEDS[opcode]] = getattr(termios, f"B{value}", attributes[_SPEEDS[opcode]])
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
