"""Copy files of this machine and of a host to another one: ``python scp_several.py [TARGET [OTHER]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", *other: str) -> None:
    """Copy the texts of this folder and ``example.txt`` of the home of the one to ``copies`` in that of the other."""
    async with mooring.connect(target) as session, mooring.connect(*other or [target]) as last:
        await mooring.copy(["*.txt", (session, "example.txt")], (last, "copies"))


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
