"""Answer connections ourselves, by streams: ``python stream_direct_server.py [PORT]``."""

import asyncio
import sys

import asyncssh

import mooring

ECHO = 7


async def echo(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
    """Send back what comes."""
    while data := await reader.read(32_768):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main(port: str = "8022") -> None:
    """Serve until interrupted; the echo port of every host is here."""
    async with mooring.serve(
        port=int(port),
        host_keys="ssh_host_key",
        authorized_keys="ssh_user_ca",
        forward_local=lambda request: echo if request.place.port == ECHO else None,
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
