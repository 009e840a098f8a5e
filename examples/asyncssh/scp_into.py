"""Copy a file into a folder of a host: ``python scp_into.py [HOST [SSH_CONFIG]]``."""

import asyncio
import sys

import mooring


async def main(host: str = "localhost", *config: str) -> None:
    """Copy ``example.txt`` of this folder to ``example_dir/example.txt`` in the home there."""
    await mooring.copy("example.txt", f"{host}:example_dir", config=config)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
