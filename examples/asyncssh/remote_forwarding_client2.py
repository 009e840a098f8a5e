"""Listen at the far side, and choose who is let in: ``python remote_forwarding_client2.py [TARGET [PORT [PLACE]]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", port: str = "8080", place: str = "localhost:80") -> None:
    """Lead connections on that come from the far machine itself, until interrupted."""

    def choose(origin: mooring.Origin) -> str | None:
        return place if origin.host in {"127.0.0.1", "::1"} else None

    async with mooring.connect(target) as session:
        forward = await session.forward_remote(f"*:{port}", policy=choose)
        print(forward)
        await forward.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
