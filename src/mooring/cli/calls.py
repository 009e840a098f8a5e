"""How the commands that use click take their words. Everything else stays out of it: Ctrl-C, exit codes, output."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from ..client.hidden import masked_in
from .terminal import printable, tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Command", "call", "call_verb"]

_USAGE = 2
_TOO_MANY = "Got unexpected extra argument"
"""What click says, in the language that it has."""


class Command(click.Command):
    """A click command with ``-h``, and its usage line as the rest of the program writes it."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write ``usage: mooring COMMAND ...``."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix="usage: ")


def call(command: click.Command, words: Sequence[str]) -> int:
    """Parse the words, run the command and return its exit code; 2, and a hint, where they cannot be parsed.

    Raises:
        MooringError: As the command raises it.
    """
    name = command.name or ""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a peer said need not fit into the locale's letters
    try:
        with command.make_context(f"mooring {name}", list(words), help_option_names=["-h", "--help"]) as context:
            return int(command.invoke(context) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        message, hint = error.format_message(), f"`mooring {name} -h` tells more"
        if message.startswith(_TOO_MANY) and any(parameter.name == "selector" for parameter in command.params):
            hint = f"several sessions are one word, as in a,b; {hint}"
        tell(f"mooring {name}: {' '.join(masked_in(message, words).split())}", hint)
        return _USAGE


def call_verb(name: str, usage: str, verbs: Mapping[str, click.Command], words: Sequence[str]) -> int:
    """Call one of a command's verbs, which the first word names, and return its exit code; 2 where there is no such.

    Args:
        name: The command.
        usage: What ``-h`` alone shows.
        verbs: By their names.
        words: All that follows the command.

    Raises:
        MooringError: As the verb raises it.
    """
    verb, *rest = words or [""]
    if verb in verbs:
        return call(verbs[verb], rest)
    if verb in {"-h", "--help"}:
        sys.stdout.write(usage)
        return 0
    told = f"there is no `mooring {name} {printable(verb)}`" if verb else "what to do is missing"
    tell(f"mooring {name}: {told}", f"`mooring {name} -h` tells what there is")
    return _USAGE
