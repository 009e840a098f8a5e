"""Copy a file to a host, under another name: ``python scp_rename.py [HOST [SSH_CONFIG]]``."""

import asyncio
import sys

import mooring


async def main(host: str = "localhost", *config: str) -> None:
    """Copy ``example.txt`` of this folder to ``example2.txt`` in the home there."""
    await mooring.copy("example.txt", f"{host}:example2.txt", config=config)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
