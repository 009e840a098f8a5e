"""Log in with a password, which is asked for: ``python password.py [TARGET]``."""

import asyncio
import getpass
import sys

import mooring


async def main(target: str = "localhost", *, password: str) -> None:
    """Print who we are there."""
    async with mooring.connect(target, password=password) as session:
        print((await session.run("id -un")).stdout, end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:], password=getpass.getpass()))
    except mooring.MooringError as error:
        sys.exit(str(error))
