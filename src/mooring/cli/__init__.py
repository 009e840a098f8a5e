"""The command line: one module per command, imported when it is called, since its start-up is what a user feels."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from .. import __version__

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final

__all__ = ["COMMANDS", "main"]

COMMANDS: Final[Mapping[str, str]] = {
    "status": "how the sessions stand, and what to do about those that do not",
    "start": "hold a session to a host",
    "stop": "hold it no longer",
    "run": "run a command on one session, or on many",
    "term": "a terminal on a session, which goes on when you leave",
    "cp": "copy files to hosts, from them, or between them",
    "pipe": "speak in messages with a handler, or share items out to many",
    "rpc": "make a NETCONF request, of one device or of many",
    "get-config": "what devices are configured to do, as XML",
    "edit-config": "change configurations: tried first, or confirmed after",
    "subscribe": "watch the notifications of devices",
    "forward": "carry connections over a session",
    "shell": "type commands for sessions",
    "ssh": "ssh to a session, with all that ssh can do",
    "proxy": "a session for other SSH clients: a ProxyCommand",
    "gateway": "what the SSH gateway is known by",
    "pending": "devices that called home and wait for somebody's word",
    "approve": "let one of them in",
    "reject": "turn one of them away",
    "trust": "a host's key is what it should be: trust it, and connect",
    "agent-token": "expect an agent: a token with which one may come, once",
    "agent": "let this host be managed from a server that it dials",
    "audit": "what was done, by whom, and whether the records hold together",
    "rec": "what terminals showed: played again, and exported",
    "token": "who may come in, to do what, on which sessions, until when",
    "events": "watch the sessions come and go",
    "doctor": "find out why something does not work",
    "demo": "see held sessions at work, on this machine alone",
    "simulate": "hosts that answer commands, to try things against",
}

_INTERRUPTED: Final = 130
_USAGE: Final = 2
_NOBODY_READS: Final = 141  # as a shell reports who was ended by SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``mooring`` and return its exit code: the command's, 2 for a wrong call, 130 when interrupted."""
    _fill_descriptors()
    words = list(sys.argv[1:] if arguments is None else arguments)
    name, *rest = words or ["--help"]
    if name in COMMANDS or name in {"-h", "--help", "--version"}:
        try:
            return _call(name, rest)
        except KeyboardInterrupt:
            return _INTERRUPTED
    sys.stderr.write(f"mooring: there is no command {name!r}; `mooring --help` lists them\n")
    return _USAGE


def _fill_descriptors() -> None:
    """See that 0, 1 and 2 are open: a socket would take the place of a closed one, and be read and written for it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        name = ("stdin", "stdout", "stderr")[descriptor]
        setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))
    os.close(descriptor)


def _call(name: str, words: list[str]) -> int:
    try:
        if name in COMMANDS:
            command: Callable[[list[str]], int] = import_module(f".{name.replace('-', '_')}", __name__).main
            code = command(words)
        else:
            sys.stdout.write(f"mooring {__version__}\n" if name == "--version" else _help())
            code = 0
        sys.stdout.flush()
        gc.freeze()  # at exit Python would look for garbage in all that there is: 2 ms
    except BrokenPipeError:
        _mute()
        return _NOBODY_READS
    except Exception as error:  # noqa: BLE001 - what is no error of ours is raised again
        return _complain(name, error)
    return code


def _complain(name: str, error: Exception) -> int:
    from ..model.errors import MooringError  # noqa: PLC0415 - on errors only
    from .failures import complain  # noqa: PLC0415

    if isinstance(error, MooringError):
        return complain(name, error)
    if isinstance(error, OSError):
        _mute()
        sys.stderr.write(f"mooring {name}: {error.strerror or error}\n")
        return 1
    raise error


def _mute() -> None:
    """Let what is still to be written go nowhere: Python tries once more at exit, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _help() -> str:
    commands = "".join(f"  {name:12} {what}\n" for name, what in COMMANDS.items())
    return f"usage: mooring COMMAND [-h] [...]\n\n{commands}\n`mooring COMMAND -h` tells more.\n"
