"""Run a command on a terminal: ``python set_terminal.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Print the terminal's type and size as the command sees them."""
    async with mooring.connect(target) as session:
        result = await session.run("echo $TERM; stty size", term_type="xterm-color", term_size=(80, 24))
        print(result.stdout, end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
