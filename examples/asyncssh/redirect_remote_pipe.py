"""Pipe one remote program into another: ``python redirect_remote_pipe.py [TARGET [OTHER]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", *other: str) -> None:
    """Print the lines of the one in the order of the other, which may run on another host."""
    async with mooring.connect(target) as session, mooring.connect(*other or [target]) as last:
        async with await session.process(r"printf '1\n2\n3\n'") as first:
            result = await last.run("tac || tail -r", stdin=first.stdout, check=True)
        print(result.stdout, end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
