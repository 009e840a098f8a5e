"""Name the host beside the path instead of before it: ``python scp_host.py [HOST [SSH_CONFIG]]``."""

import asyncio
import sys

import mooring


async def main(host: str = "localhost", *config: str) -> None:
    """Copy ``example.txt`` into this folder."""
    await mooring.copy((host, "example.txt"), ".", config=config)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
