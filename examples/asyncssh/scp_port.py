"""Name the host's port too: ``python scp_port.py [HOST [PORT [SSH_CONFIG]]]``."""

import asyncio
import sys

import mooring


async def main(host: str = "localhost", port: str = "8022", *config: str) -> None:
    """Copy ``example.txt`` into this folder."""
    await mooring.copy(((host, int(port)), "example.txt"), ".", config=config)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
