"""``mooring pending``: devices that called home and wait for somebody's word."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from ..client import Daemon
from .calls import Command, call
from .terminal import Column, ago, coloured, columns, hint, paint, printable, tell, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_NEXT: Final = "`mooring approve ID --alias A --user U --password-from env:X` lets one in at its next call"
_EXAMPLES: Final = """\b
Examples:
  mooring pending
  mooring approve 3f8a01c2d4e5b6978a90c1d2 --alias core1 --user admin --password-from env:PW
  mooring reject 3f8a01c2d4e5b6978a90c1d2
"""


def main(words: Sequence[str]) -> int:
    """Print the devices that wait and return 0."""
    return call(_pending, words)


@click.command("pending", cls=Command, epilog=_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all that is known.")
def _pending(*, as_json: bool) -> None:
    """Show the devices that called home and are not let in, and why.

    What a device calls itself is its own claim. Its key is proven: compare the fingerprint with the device's.
    """
    devices = Daemon().request("GET", "/v1/pending")["pending"]
    if as_json:
        sys.stdout.writelines(f"{json.dumps(device)}\n" for device in devices)
        return
    if not devices:
        tell("no device waits")
        return
    sys.stdout.writelines(f"{line}\n" for line in _lines(devices, width(sys.stdout), colour=coloured(sys.stdout)))
    sys.stdout.flush()
    if any(not device["rejected"] for device in devices):
        sys.stderr.write(f"{hint(_NEXT)}\n")


def _lines(devices: Sequence[dict[str, Any]], room: int | None, *, colour: bool) -> Iterator[str]:
    now = time.time()
    table = [
        Column("ID", [device["id"] for device in devices]),
        Column("CLAIMS", [_claims(device) for device in devices]),
        Column("SEEN", [ago(now - device["last_seen"]) for device in devices], right=True),
        Column("CALLS", [str(device["calls"]) for device in devices], right=True),
        Column("NOTE", ["rejected" if device["rejected"] else "" for device in devices]),
        Column("FINGERPRINT", [device["fingerprint"] for device in devices]),
        Column("ADDRESS", [device["address"] for device in devices]),
    ]
    heading, *rows = columns(table, room)
    yield paint(heading, "bold") if colour else heading
    for row, device in zip(rows, devices, strict=True):
        yield row
        yield f"  {printable(device['reason'])}"


def _claims(device: dict[str, Any]) -> str:
    """What it called itself, at first and since."""
    return ", ".join(printable(name) for name in (device["device_id"] or "-", *device["also"]))
