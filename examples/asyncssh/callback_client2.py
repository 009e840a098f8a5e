"""List a folder of the home by callbacks: ``python callback_client2.py [TARGET]``."""

import asyncio
import sys

import asyncssh

import mooring


class Listing(asyncssh.SSHClientSession[str]):
    """Prints what a command prints."""

    def data_received(self, data: str, datatype: asyncssh.DataType) -> None:
        """Output of either kind."""
        del datatype
        print(data, end="")

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        if exc:
            print(f"The command was cut off: {exc}", file=sys.stderr)


async def main(target: str = "localhost") -> None:
    """Run the command, and wait for its end."""
    async with mooring.connect(target) as session:
        channel, _ = await session.create_session(Listing, "ls abc")
        await channel.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
