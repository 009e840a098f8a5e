"""Get a folder with all that is in it, permissions and times: ``python sftp_recursive.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Get ``example_dir`` into this folder."""
    async with mooring.connect(target) as session:
        await session.get("example_dir", preserve=True, recurse=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
