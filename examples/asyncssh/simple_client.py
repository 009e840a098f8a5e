"""List a folder of the home: ``python simple_client.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Print what the command prints, or how it failed."""
    async with mooring.connect(target) as session:
        try:
            result = await session.run("ls abc", check=True)
        except mooring.CommandFailed as error:
            sys.exit(f"{error.result.stderr}ls ended with status {error.result.exit_status}")
        print(result.stdout, end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
