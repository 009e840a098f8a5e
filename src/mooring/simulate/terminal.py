"""What a simulated device does on a terminal and over SCP, as bytes in and bytes out.

Its command line answers ``show`` commands; ``start shell`` leads to a shell that knows ``echo``, ``cat``, ``ls`` and
``exit``, and the files that were copied to the device.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

__all__ = ["Program", "Sink", "Source", "Terminal", "program"]

_HEADER: Final = re.compile(rb"C[0-7]{4} ([0-9]{1,10}) ([^\n/]+)\n")
_OK: Final = b"\0"


class Program(Protocol):
    """One that runs on a channel."""

    status: int | None
    """How it ended; None while it runs."""

    def begin(self) -> bytes:
        """What it says first."""

    def feed(self, data: bytes) -> bytes:
        """What it says to that."""


class Terminal:
    """The command line and the shell of a device, with the echo of what is typed.

    Args:
        name: The prompt before ``>``.
        show: Answers a command of the command line; None for one that it does not know.
        files: Of the device, by path.
    """

    def __init__(self, name: str, show: Callable[[str], str | None], files: MutableMapping[str, bytes]) -> None:
        self.status: int | None = None
        self._name = name
        self._show = show
        self._files = files
        self._shell = False
        self._last = 0
        self._line = b""

    def begin(self) -> bytes:
        """The prompt."""
        return self._prompt()

    def _prompt(self) -> bytes:
        return b"% " if self._shell else f"{self._name}> ".encode()

    def feed(self, data: bytes) -> bytes:
        """Take what is typed, and run each line."""
        said = b""
        *lines, self._line = (self._line + data.replace(b"\r", b"")).split(b"\n")
        for line in lines:
            if self.status is not None:
                break
            text = line.decode(errors="replace").strip()
            output = self._in_shell(text) if self._shell else self._in_cli(text)
            said += line + b"\r\n" + output.replace("\n", "\r\n").encode()
            if self.status is None:
                said += self._prompt()
        return said

    def _in_cli(self, line: str) -> str:
        if line.startswith("start shell"):
            self._shell = True
            return ""
        if line in {"exit", "quit"}:
            self.status = 0
            return ""
        if line.startswith("set cli "):
            return _set_cli(line)
        return (self._show(line) or "unknown command.\n") if line else ""

    def _in_shell(self, line: str) -> str:
        try:
            words = shlex.split(line)
        except ValueError:
            words = [line]
        status, output = 0, ""
        match words:
            case [] | ["exit"]:
                self._shell = not words
            case ["echo", *rest]:
                output = " ".join(str(self._last) if word == "$?" else word for word in rest) + "\n"
            case ["ls"]:
                output = "".join(f"{name}\n" for name in sorted(self._files))
            case ["cat", name] if name in self._files:
                output = self._files[name].decode(errors="replace")
            case ["cat", name]:
                status, output = 1, f"cat: {name}: No such file or directory\n"
            case [name, *_]:
                status, output = 1, f"{name}: Command not found.\n"
        self._last = status
        return output


def _set_cli(line: str) -> str:
    """What clients ask before all else, so that nothing is broken up for a person."""
    match line.split()[2:]:
        case ["screen-width" | "screen-length" as what, size]:
            return f"{what.replace('-', ' ').capitalize()} set to {size}\n"
        case ["complete-on-space", "off"]:
            return "Disabling complete-on-space\n"
        case _:
            return "unknown command.\n"


class Sink:
    """``scp -t``: takes files.

    Args:
        path: Where to; a folder where it ends with a slash.
        files: Of the device, by path.
    """

    def __init__(self, path: str, files: MutableMapping[str, bytes]) -> None:
        self.status: int | None = None
        self._path = path
        self._files = files
        self._data = b""
        self._name: str | None = None
        self._size = 0

    def begin(self) -> bytes:
        """That it is ready."""
        return _OK

    def feed(self, data: bytes) -> bytes:
        """Take more of a file, or the head of one."""
        self._data += data
        said = b""
        while (answer := self._step()) is not None:
            said += answer
        return said

    def _step(self) -> bytes | None:
        if self._name is not None:
            if len(self._data) <= self._size:
                return None
            self._files[self._name] = self._data[: self._size]
            self._data = self._data[self._size + 1 :]
            self._name = None
            return _OK
        line, newline, rest = self._data.partition(b"\n")
        if not newline:
            return None
        self._data = rest
        found = _HEADER.fullmatch(line + newline)
        if found is not None:
            name = found[2].decode(errors="replace")
            self._name = self._path + name if self._path.endswith("/") else self._path
            self._size = int(found[1])
        return _OK


class Source:
    """``scp -f``: gives a file.

    Args:
        path: Which.
        files: Of the device, by path.
    """

    def __init__(self, path: str, files: MutableMapping[str, bytes]) -> None:
        self.status: int | None = None
        self._path = path
        self._content = files.get(path)
        self._step = 0

    def begin(self) -> bytes:
        """Nothing: it is asked."""
        return b""

    def feed(self, data: bytes) -> bytes:
        """Take the other side's assents, and give what follows each."""
        said = b""
        for _ in data:
            said += self._next()
        return said

    def _next(self) -> bytes:
        self._step += 1
        if self._content is None:
            self.status = 1
            return f"\x01scp: {self._path}: No such file or directory\n".encode()
        if self._step == 1:
            return f"C0644 {len(self._content)} {self._path.rpartition('/')[2]}\n".encode()
        if self._step == 2:
            return self._content + _OK
        self.status = 0
        return b""


def program(command: str, files: MutableMapping[str, bytes]) -> Program | None:
    """The program that a command starts; None for one that is none of ours."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if len(words) < 3 or words[0] != "scp":
        return None
    kind = Sink if "-t" in words[1:-1] else Source if "-f" in words[1:-1] else None
    return kind(words[-1], files) if kind is not None else None
