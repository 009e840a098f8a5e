"""Copy a folder to a host, with permissions and times: ``python scp_recursive.py [HOST [SSH_CONFIG]]``."""

import asyncio
import sys

import mooring


async def main(host: str = "localhost", *config: str) -> None:
    """Copy ``example_dir`` of this folder into the home there."""
    await mooring.copy("example_dir", f"{host}:", preserve=True, recurse=True, config=config)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
