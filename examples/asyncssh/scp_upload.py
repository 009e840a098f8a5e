"""Copy a file to a host: ``python scp_upload.py [HOST [SSH_CONFIG]]``."""

import asyncio
import sys

import mooring


async def main(host: str = "localhost", *config: str) -> None:
    """Copy ``example.txt`` of this folder into the home there."""
    await mooring.copy("example.txt", f"{host}:", config=config)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
