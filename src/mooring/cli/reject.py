"""``mooring reject``: a device that called home turned away from now on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from ..client import Daemon
from .calls import Command, call

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Reject a device, print its id and return 0."""
    return call(_reject, words)


@click.command("reject", cls=Command)
@click.argument("pending_id", metavar="ID")
@click.option("--undo", is_flag=True, help="Forget it instead, rejected or not: at its next call it waits anew.")
@click.option("--json", "as_json", is_flag=True, help="What is known of it, as one JSON object.")
def _reject(pending_id: str, *, undo: bool, as_json: bool) -> None:
    """Turn the device ID of `mooring pending` away quietly; `mooring approve` lets it in all the same."""
    path = f"/v1/pending/{quote(pending_id, safe='')}"
    rejected = Daemon().request("DELETE", path) if undo else Daemon().request("POST", f"{path}/reject")
    sys.stdout.write(f"{json.dumps(rejected) if as_json else rejected['id']}\n")
    sys.stdout.flush()
