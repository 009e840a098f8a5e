"""Listen here on any free port: ``python local_forwarding_client2.py [TARGET [PLACE]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", place: str = "www.google.com:80") -> None:
    """Tell the port, and lead connections on until interrupted."""
    async with mooring.connect(target) as session:
        forward = await session.forward_local(0, place)
        print(f"Listening on port {forward.get_port()}...")
        await forward.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
