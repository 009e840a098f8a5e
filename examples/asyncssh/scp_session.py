"""Copy over a session that is held already: ``python scp_session.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Copy ``example.txt`` into this folder."""
    async with mooring.connect(target) as session:
        await mooring.copy((session, "example.txt"), ".")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
