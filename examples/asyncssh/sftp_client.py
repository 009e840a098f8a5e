"""Get a file: ``python sftp_client.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Get ``example.txt`` into this folder."""
    async with mooring.connect(target) as session:
        await session.get("example.txt")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
