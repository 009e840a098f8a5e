"""A program that does recorded things until it is killed, and says what is: ``writer.py DIRECTORY``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mooring.model.access import ADMIN, Actor
from mooring.service import Audit
from mooring.store.audit.trail import Trail

_WHO = Actor(name="writer", door="unix", grants=(ADMIN,))


async def _act(audit: Audit, caller: int) -> None:
    number = 0
    while True:
        number += 1
        async with audit.begin(_WHO, "run", f"s{caller}", command=str(number)):
            await asyncio.sleep(0)
        print(f"{caller}:{number}", flush=True)  # noqa: T201 - whoever waits for it kills us


async def _main(directory: str) -> None:
    audit = Audit(await Trail.open(Path(directory)))
    print("open", flush=True)  # noqa: T201 - likewise
    async with asyncio.TaskGroup() as callers:
        for caller in range(8):
            callers.create_task(_act(audit, caller))


asyncio.run(_main(*sys.argv[1:]))
