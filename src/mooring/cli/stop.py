"""``mooring stop``: sessions closed for good."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import click

from ..client import Daemon
from .calls import Command, call
from .selection import selected

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EXAMPLES: Final = """\b
Examples:
  mooring stop edge1
  mooring stop 'site:ams,!edge9'
  mooring stop all
"""


def main(words: Sequence[str]) -> int:
    """Stop sessions, print their aliases and return 0."""
    return call(_stop, words)


@click.command("stop", cls=Command, epilog=_EXAMPLES)
@click.argument("selector")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def _stop(selector: str, *, as_json: bool) -> None:
    """Close sessions and forget them. What they were running fails with "session lost".

    Prints their aliases, one a line.
    """
    stopped = Daemon().request("DELETE", f"/v1/sessions?selector={quote(selected(selector))}")["stopped"]
    sys.stdout.writelines(f"{json.dumps({'alias': alias}) if as_json else alias}\n" for alias in stopped)
    sys.stdout.flush()
