"""Hold a session and tell of every change: ``python examples/events.py edge1 [--config FILE]``; Ctrl-C ends it."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import mooring


async def main(host: str, config: Sequence[Path]) -> None:
    """Print the session's events until interrupted."""
    async with mooring.Pool(config=config) as pool:
        with pool.events() as events:
            await pool.start(host)
            async for event in events:
                when = datetime.fromtimestamp(event.at, UTC).strftime("%H:%M:%S")
                sys.stdout.write(f"{when} {event.alias} {event.state or event.kind}: {event.reason}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("--config", type=Path, action="append", default=[])
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.host, given.config))
