"""The command line: one module per command, imported when it is called, since its start-up is what a user feels."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["COMMANDS", "main"]

COMMANDS: Final[Mapping[str, str]] = {
    "demo": "see held sessions at work, on this machine alone",
    "simulate": "hosts that answer commands, to try things against",
}

_INTERRUPTED: Final = 130
_USAGE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``mooring`` and return its exit code: the command's, 2 for a wrong call, 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        sys.stdout.write(_help())
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"mooring {__version__}\n")
        return 0
    if words[0] not in COMMANDS:
        sys.stderr.write(f"mooring: there is no command {words[0]!r}; `mooring --help` lists them\n")
        return _USAGE
    return _call(words[0], words[1:])


def _call(name: str, words: list[str]) -> int:
    try:
        command: Callable[[list[str]], int] = import_module(f".{name}", __name__).main
        return command(words)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. Nothing is left to say, and Python must not try to at exit.
        sys.stderr.close()
    except OSError as error:
        sys.stderr.write(f"mooring {name}: {error.strerror or error}\n")
    return 1


def _help() -> str:
    commands = "".join(f"  {name:10} {what}\n" for name, what in COMMANDS.items())
    return f"usage: mooring COMMAND [-h] [...]\n\n{commands}\n`mooring COMMAND -h` tells more.\n"
