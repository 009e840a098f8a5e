"""Run a command on many hosts at once, and report when all have answered: ``python gather_results.py [TARGET...]``."""

import asyncio
import sys

import mooring


async def ask(target: str) -> mooring.CommandResult[str]:
    """One host's answer; its error, where there is none."""
    async with mooring.connect(target) as session:
        return await session.run("ls abc", timeout=30)


async def main(*targets: str) -> None:
    """Print what came of each, in their order; ``fleet.py`` prints answers as they come, over held sessions."""
    targets = targets or ("localhost",) * 5
    results = await asyncio.gather(*map(ask, targets), return_exceptions=True)
    for number, result in enumerate(results, 1):
        if isinstance(result, BaseException):
            print(f"Host {number} failed: {result}")
        elif not result.ok:
            print(f"Host {number} ended with status {result.exit_status}:", result.stderr, sep="\n", end="")
        else:
            print(f"Host {number} succeeded:", result.stdout, sep="\n", end="")
        print(75 * "-")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
