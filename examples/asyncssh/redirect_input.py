"""Send lines to a command and its output to a file: ``python redirect_input.py [TARGET [FILE]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", file: str = "/tmp/stdout") -> None:  # noqa: S108 - as the original has it
    """Have three lines turned around, into the file."""
    async with mooring.connect(target) as session:
        # GNU's way to say it, or BSD's.
        await session.run("tac || tail -r", input="1\n2\n3\n", stdout=file, check=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
