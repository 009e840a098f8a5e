"""Tell how a command ended: ``python check_exit_status.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Print what it printed, or its status."""
    async with mooring.connect(target) as session:
        result = await session.run("ls abc")
        if result.ok:
            print(result.stdout, end="")
        elif result.exit_signal:
            print(f"ls was ended by signal {result.exit_signal}", file=sys.stderr)
        else:
            print(result.stderr, f"ls ended with status {result.exit_status}", sep="", file=sys.stderr)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
