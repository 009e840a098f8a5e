"""Trust any host key, which lets anybody in between listen and answer: ``python known_hosts_none.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Print which key the host has shown, and what it was checked against."""
    async with mooring.connect(target, known_hosts=None) as session:  # the same as host_key="off"
        status = session.status()
        print(status.host_key_policy, status.host_key)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
