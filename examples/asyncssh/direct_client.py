"""Ask a web server that the far side reaches, by callbacks: ``python direct_client.py [TARGET [HOST [PORT]]]``."""

import asyncio
import sys

import asyncssh

import mooring


class Answer(asyncssh.SSHTCPSession[bytes]):
    """Prints what comes."""

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """A piece of it."""
        del datatype
        print(data.decode("ascii", "replace"), end="")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if exc:
            print(f"The connection was cut off: {exc}", file=sys.stderr)


async def main(target: str = "localhost", host: str = "www.google.com", port: str = "80") -> None:
    """Print the head of its first page."""
    async with mooring.connect(target) as session:
        channel, _ = await session.create_connection(Answer, host, int(port))
        channel.write(b"HEAD / HTTP/1.0\r\n\r\n")
        channel.write_eof()
        await channel.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
