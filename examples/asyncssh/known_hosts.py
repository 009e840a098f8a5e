"""Trust the host keys of a file of one's own: ``python known_hosts.py TARGET FILE``."""

import asyncio
import sys

import mooring


async def main(target: str, file: str) -> None:
    """Print which key the host has shown."""
    async with mooring.connect(target, known_hosts=file) as session:
        print(session.status().host_key)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
