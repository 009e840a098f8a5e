"""Connect clients on, to one port alone: ``python local_forwarding_server.py [PORT [ALLOWED]]``."""

import asyncio
import sys

import mooring


async def main(port: str = "8022", allowed: str = "80") -> None:
    """Serve until interrupted; what clients connect to through us must be on this port."""
    async with mooring.serve(
        port=int(port),
        host_keys="ssh_host_key",
        authorized_keys="ssh_user_ca",
        forward_local=lambda request: request.place.port == int(allowed),
    ) as server:
        print(f"Listening on port {server.port}...")
        await server.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
