"""Listen for clients, on one port alone: ``python remote_forwarding_server.py [PORT [ALLOWED]]``."""

import asyncio
import sys

import mooring


async def main(port: str = "8022", allowed: str = "8080") -> None:
    """Serve until interrupted; clients may have us listen on this port."""
    async with mooring.serve(
        port=int(port),
        host_keys="ssh_host_key",
        authorized_keys="ssh_user_ca",
        forward_remote=lambda request: request.place.port == int(allowed),
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
