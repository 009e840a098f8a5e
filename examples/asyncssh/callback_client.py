"""List a folder of the home by callbacks, those of the connection too: ``python callback_client.py [TARGET]``."""

import asyncio
import sys

import asyncssh

import mooring


class Client(asyncssh.SSHClient):
    """Tells how the connection comes and goes; host keys are Mooring's to decide."""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """TCP stands."""
        print(f"Connected to {conn.get_extra_info('peername')[0]}.")

    def auth_completed(self) -> None:
        """The login is done."""
        print("Logged in.")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        print(f"Disconnected: {exc}." if exc else "Disconnected.")


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
    async with mooring.connect(target, client_factory=Client) as session:
        channel, _ = await session.create_session(Listing, "ls abc")
        await channel.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
