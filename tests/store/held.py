"""What several tests of the store do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

from mooring.model.secret import Secret
from mooring.model.target import Target
from mooring.store import Remembered, Store
from tests.peers.ending import ending

PASSWORD = "correct horse battery staple"
EDGE = Target.parse("edge1", password=Secret(PASSWORD))
BARE = EDGE.with_options(password="")
WEB = Target.parse("web1://deploy@10.0.0.5:2222?label=site:ams&jump=edge1&rate=4/min")


def remembered(target: Target) -> Remembered:
    return Remembered(alias=target.alias, target=target, error=None)


async def recall(directory: Path) -> list[Remembered]:
    """What a new store finds."""
    store = await Store.open(directory)
    try:
        return await store.sessions()
    finally:
        await store.aclose()


@contextmanager
def writer(*arguments: str | Path) -> Iterator[Popen[str]]:
    """A process that has the store open and writes; killed at the latest at the end."""
    program = Path(__file__).with_name("writer.py")
    with ending(Popen([executable, program, *arguments], stdout=PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
