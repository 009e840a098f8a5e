"""What a simulated host answers: from a command line to what is to happen, without doing it.

Add a command by adding a function to the table at the end.
"""

from __future__ import annotations

import contextlib
import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["COMMANDS", "Action", "Answer", "Copy", "Pour", "Sleep", "decide"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Print, and end."""

    stdout: bytes = b""
    stderr: bytes = b""
    status: int = 0


@dataclass(frozen=True, slots=True)
class Sleep:
    """End with status 0 after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy stdin to stdout until its end."""


@dataclass(frozen=True, slots=True)
class Pour:
    """Print so many bytes."""

    size: int


Action: TypeAlias = Answer | Sleep | Copy | Pour

_VERSION: Final = """\
Hostname: {host}
Model: MSD-48
Software: Mooring simulated device, version 1.0
Uptime: 41 days, 3 hours, 7 minutes
48 Gigabit Ethernet interfaces, 2 power supplies
"""


def decide(command: str, host: str) -> Action:
    """What a host does when it is told to run a command.

    Args:
        command: The command line. Only ``echo`` and ``stderr`` know quotes; nothing knows pipes or variables.
        host: The host's name.

    Returns:
        What is to happen; for an unknown command, a message and status 127, as a shell has it.
    """
    name, _, rest = command.strip().partition(" ")
    handler = COMMANDS.get(name)
    if handler is None:
        return Answer(stderr=f"{name}: command not found\n".encode(), status=127)
    return handler(rest.strip(), host)


def _true(_rest: str, _host: str) -> Action:
    return Answer()


def _false(_rest: str, _host: str) -> Action:
    return Answer(status=1)


def _hostname(_rest: str, host: str) -> Action:
    return Answer(f"{host}\n".encode())


def _uptime(_rest: str, _host: str) -> Action:
    return Answer(b" 12:00:00 up 41 days,  3:07,  1 user,  load average: 0.08, 0.03, 0.01\n")


def _echo(rest: str, _host: str) -> Action:
    return Answer(f"{_unquoted(rest)}\n".encode())


def _stderr(rest: str, _host: str) -> Action:
    return Answer(stderr=f"{_unquoted(rest)}\n".encode())


def _cat(rest: str, _host: str) -> Action:
    if rest:
        return Answer(stderr=f"cat: {rest}: No such file or directory\n".encode(), status=1)
    return Copy()


def _sleep(rest: str, _host: str) -> Action:
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(rest)) < math.inf:
            return Sleep(seconds)
    return _bad("sleep", "number of seconds", rest)


def _exit(rest: str, _host: str) -> Action:
    return Answer(status=int(rest) & 0xFF) if rest.isdecimal() else _bad("exit", "status", rest)


def _bytes(rest: str, _host: str) -> Action:
    return Pour(int(rest)) if rest.isdecimal() else _bad("bytes", "number of bytes", rest)


def _show(rest: str, host: str) -> Action:
    if rest != "version":
        return Answer(b"% Invalid input: try 'show version'\n", status=1)
    return Answer(_VERSION.format(host=host).encode())


def _bad(name: str, wanted: str, got: str) -> Action:
    return Answer(stderr=f"{name}: {got!r} is no {wanted}\n".encode(), status=2)


def _unquoted(text: str) -> str:
    if "'" not in text and '"' not in text and "\\" not in text:
        return " ".join(text.split())
    try:
        return " ".join(shlex.split(text))
    except ValueError:  # an open quote
        return text


COMMANDS: Final[Mapping[str, Callable[[str, str], Action]]] = {
    "true": _true,
    "false": _false,
    "hostname": _hostname,
    "uptime": _uptime,
    "echo": _echo,
    "stderr": _stderr,
    "cat": _cat,
    "sleep": _sleep,
    "exit": _exit,
    "bytes": _bytes,
    "show": _show,
}
"""The commands by name; each takes the rest of the line and the host's name."""
