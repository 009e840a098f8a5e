"""Add numbers, by callbacks: ``python callback_math_server.py [PORT]``."""

import asyncio
import sys

import asyncssh

import mooring


class Sum(asyncssh.SSHServerSession[str]):
    """Adds what comes."""

    def __init__(self) -> None:
        self._line = ""
        self._total = 0

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        """The session is there."""
        self._channel = chan

    def shell_requested(self) -> bool:
        """Nothing but this."""
        return True

    def session_started(self) -> None:
        """It may be spoken to."""
        self._channel.write("Enter numbers one per line, and an end of file when done:\n")

    def data_received(self, data: str, datatype: asyncssh.DataType) -> None:
        """A line, or some of one."""
        del datatype
        *lines, self._line = (self._line + data).split("\n")
        for line in lines:
            try:
                self._total += int(line)
            except ValueError:
                self._channel.write_stderr(f"This is no number: {line.strip()}\n")

    def eof_received(self) -> bool:
        """There are no more."""
        self._channel.write(f"Total = {self._total}\n")
        self._channel.exit(0)
        return False

    def soft_eof_received(self) -> None:
        """There are no more, said on a terminal."""
        self.eof_received()

    def break_received(self, msec: int) -> bool:
        """Enough."""
        del msec
        self.eof_received()
        return True


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", session=Sum
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
