"""Get the files that fit a pattern: ``python sftp_wildcard.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Get all texts into this folder."""
    async with mooring.connect(target) as session:
        await session.get("*.txt", glob=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
