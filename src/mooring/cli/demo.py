"""``mooring demo``."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import click

from ..simulate.demo import demo
from .calls import Command, call

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Run the demonstration and return 0."""
    return call(_demo, words)


@click.command("demo", cls=Command)
def _demo() -> None:
    """See held sessions at work, in less than a minute.

    A throwaway daemon holds sessions to simulated hosts, to devices that call home and to a throwaway OpenSSH server:
    commands through the command line, REST and the shell, approvals, a link cut and healed. Everything is on this
    machine, and gone at the end.
    """
    # A signal to a process that has ended a moment ago, as on Ctrl-C, takes its exit status from asyncio, which warns.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    asyncio.run(demo())
