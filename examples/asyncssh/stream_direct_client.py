"""Ask a web server that the far side reaches: ``python stream_direct_client.py [TARGET [HOST [PORT]]]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost", host: str = "www.google.com", port: str = "80") -> None:
    """Print the head of its first page."""
    async with mooring.connect(target) as session:
        reader, writer = await session.open_connection(host, int(port))
        writer.write(b"HEAD / HTTP/1.0\r\n\r\n")
        writer.write_eof()
        print((await reader.read()).decode("ascii", "replace"), end="")
        writer.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
