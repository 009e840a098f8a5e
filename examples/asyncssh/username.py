"""Log in as another user: ``python username.py TARGET USER``."""

import asyncio
import sys

import mooring


async def main(target: str, user: str) -> None:
    """Print who we are there."""
    async with mooring.connect(target, username=user) as session:
        print((await session.run("id -un")).stdout, end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
