"""Serve connections to the far side from here, by callbacks: ``python listening_client.py [TARGET [PORT]]``."""

import asyncio
import sys

import asyncssh

import mooring


class Echo(asyncssh.SSHTCPSession[str]):
    """Sends back what comes."""

    def connection_made(self, chan: asyncssh.SSHTCPChannel[str]) -> None:
        """Somebody came."""
        self._channel = chan

    def data_received(self, data: str, datatype: asyncssh.DataType) -> None:
        """They said something."""
        del datatype
        self._channel.write(data)


def accept(host: str, port: int) -> Echo:
    """Tell who comes."""
    print(f"Connection received from {host}, port {port}")
    return Echo()


async def main(target: str = "localhost", port: str = "8888") -> None:
    """Serve until interrupted, or until the connection is lost."""
    async with mooring.connect(target) as session:
        listener = await session.create_server(accept, "localhost", int(port), encoding="utf-8")
        print(f"Listening on port {listener.get_port()}...")
        await listener.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
