"""Answer connections ourselves, by callbacks: ``python direct_server.py [PORT]``."""

import asyncio
import sys

import asyncssh

import mooring

ECHO = 7


class Echo(asyncssh.SSHTCPSession[bytes]):
    """Sends back what comes."""

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """Somebody is connected."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """They said something."""
        del datatype
        self._channel.write(data)

    def eof_received(self) -> bool:
        """They have said all."""
        self._channel.close()
        return False


def choose(request: mooring.ForwardRequest) -> Echo | None:
    """The echo port of every host is here."""
    return Echo() if request.place.port == ECHO else None


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", forward_local=choose
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
