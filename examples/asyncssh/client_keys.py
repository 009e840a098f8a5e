"""Log in with keys of one's choice: ``python client_keys.py TARGET KEY...``."""

import asyncio
import sys

import mooring


async def main(target: str, *keys: str) -> None:
    """Print who we are there."""
    async with mooring.connect(target, client_keys=keys) as session:
        print((await session.run("id -un")).stdout, end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
