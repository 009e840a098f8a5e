"""Run a command on many hosts: ``python examples/fleet.py "uptime" edge1 edge2 [--config FILE]``."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import mooring


async def main(command: str, hosts: list[str], config: Sequence[Path]) -> int:
    """Print each answer as it comes; the exit code is how many hosts did not answer with status 0."""
    failed = 0
    async with mooring.Pool(config=config) as pool:
        sessions = [await pool.start(host) for host in hosts]
        # Whoever does not come up in time answers with the reason below.
        await asyncio.gather(*(session.wait_up(timeout=20) for session in sessions), return_exceptions=True)
        async for outcome in pool.run("all", command, timeout=30):
            answer = outcome.result.stdout if outcome.result else f"{outcome.error}\n"
            sys.stdout.write(f"{outcome.alias}: {answer}")
            failed += not outcome.ok
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command")
    parser.add_argument("hosts", nargs="+")
    parser.add_argument("--config", type=Path, action="append", default=[])
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.command, given.hosts, given.config)))
