"""Listen here, for a place that the far side reaches: ``python local_forwarding_client.py [TARGET [PORT [PLACE]]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", port: str = "8080", place: str = "www.google.com:80") -> None:
    """Lead connections on until interrupted; they come through lost connections of the session too."""
    async with mooring.connect(target) as session:
        forward = await session.forward_local(int(port), place)
        print(forward)
        await forward.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
