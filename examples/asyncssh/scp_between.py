"""Copy a file from one host to another, through us and without a file here: ``python scp_between.py TARGET OTHER``."""

import asyncio
import sys

import mooring


async def main(target: str, other: str) -> None:
    """Copy ``example.txt`` of the home of the one to ``example2.txt`` in that of the other."""
    async with mooring.connect(target) as session, mooring.connect(other) as last:
        done = await mooring.copy((session, "example.txt"), (last, "example2.txt"))
        print(f"{done.size} bytes")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
