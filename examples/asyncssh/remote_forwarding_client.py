"""Listen at the far side, for a place that we reach: ``python remote_forwarding_client.py [TARGET [PORT [PLACE]]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", port: str = "8080", place: str = "localhost:80") -> None:
    """Lead connections on until interrupted; a far side that restarts is asked to listen again."""
    async with mooring.connect(target) as session:
        forward = await session.forward_remote(int(port), place)
        print(forward)
        await forward.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
