"""Requests that can be read to their end, and others."""

from __future__ import annotations

import pytest

from mooring.wire.requests import is_sound


def string(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def request(name: bytes, *parts: bytes) -> bytes:
    return string(name) + b"\1" + b"".join(parts)


NUMBERS = number(80) * 4
SOUND = {
    "env": request(b"env", string(b"A"), string(b"b")),
    "a command of any bytes": request(b"exec", string(b"\xff\n")),
    "a shell": request(b"shell"),
    "a terminal": request(b"pty-req", string(b"vt100"), NUMBERS, string(b"\x03" + number(8) + b"\0rest")),
    "a terminal without modes": request(b"pty-req", string(b""), NUMBERS, string(b"")),
    "modes that nobody knows": request(b"pty-req", string(b""), NUMBERS, string(b"\xa0")),
    "a size": request(b"window-change", NUMBERS),
    "a break": request(b"break", number(5)),
    "a flag": request(b"xon-xoff", b"\0"),
    "what nobody knows": request(b"x@y", b"anything\0"),
}
UNSOUND = {
    "nothing": b"",
    "no name": number(5) + b"exec",
    "a name with a NUL": request(b"x\0", b""),
    "no flag": string(b"x@y"),
    "no command": request(b"exec"),
    "a command that does not end": request(b"exec", number(9), b"ls"),
    "a command with a NUL": request(b"exec", string(b"a\0b")),
    "a command and more": request(b"exec", string(b"a"), b"b"),
    "a shell and more": request(b"shell", b"b"),
    "half a size": request(b"window-change", NUMBERS[:-1]),
    "a signal without a name": request(b"signal"),
    "half a mode": request(b"pty-req", string(b"vt100"), NUMBERS, string(b"\x03\0")),
    "a variable without a value": request(b"env", string(b"A")),
    "a length beyond all": request(b"exec", number(0xFFFFFFFF)),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound(name: str) -> None:
    assert is_sound(SOUND[name])


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound(name: str) -> None:
    assert not is_sound(UNSOUND[name])
