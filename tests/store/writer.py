"""A program that remembers until it is killed, and says so each time: ``writer.py DIRECTORY PASSWORD [rotate]``."""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from mooring.model.secret import Secret
from mooring.model.target import Target
from mooring.store import Store


async def _write(store: Store, password: str) -> None:
    for number in itertools.count():
        await store.remember(Target.parse(f"s{number}://h{number}", password=Secret(f"{password}{number}")))
        print(f"s{number}", flush=True)  # noqa: T201 - whoever waits for it kills us


async def _rotate(store: Store) -> None:
    for number in itertools.count():
        await store.rotate()
        print(number, flush=True)  # noqa: T201 - likewise


async def _main(directory: str, password: str, *rest: str) -> None:
    store = await Store.open(Path(directory))
    print("open", flush=True)  # noqa: T201 - likewise
    await (_rotate(store) if rest else _write(store, password))


asyncio.run(_main(*sys.argv[1:]))
