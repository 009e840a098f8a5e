"""Serve connections to the far side from here: ``python stream_listening_client.py [TARGET [PORT]]``."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import asyncssh

import mooring


async def echo(reader: asyncssh.SSHReader[str], writer: asyncssh.SSHWriter[str]) -> None:
    """Send back what comes, and then the end."""
    while data := await reader.read(8192):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def accept(host: str, port: int) -> Callable[[asyncssh.SSHReader[str], asyncssh.SSHWriter[str]], Awaitable[None]]:
    """Tell who comes."""
    print(f"Connection received from {host}, port {port}")
    return echo


async def main(target: str = "localhost", port: str = "8888") -> None:
    """Serve until interrupted, or until the connection is lost."""
    async with mooring.connect(target) as session:
        listener = await session.start_server(accept, "localhost", int(port), encoding="utf-8")
        print(f"Listening on port {listener.get_port()}...")
        await listener.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
