"""Let clients talk to one another: ``python chat_server.py [PORT]``."""

import asyncio
import sys

import asyncssh

import mooring


async def line_of(process: asyncssh.SSHServerProcess[str]) -> str:
    """The next line; a window may take another size meanwhile."""
    while True:
        try:
            return await process.stdin.readline()
        except asyncssh.TerminalSizeChanged:
            continue


class Room:
    """Who is here, by name."""

    def __init__(self) -> None:
        self._present: dict[str, asyncssh.SSHServerProcess[str]] = {}

    async def join(self, process: asyncssh.SSHServerProcess[str]) -> None:
        """Let somebody in, and pass on what they say until they leave."""
        process.stdout.write("Welcome! What is your name? ")
        name = (await line_of(process)).strip()
        if not name or not name.isprintable() or name in self._present:
            process.stderr.write("That name will not do, or is taken.\n")
            process.exit(1)
            return
        process.stdout.write(f"Here are {len(self._present)} others.\n")
        self.say(f"{name} has come")
        self._present[name] = process
        try:
            while line := await line_of(process):
                self.say(f"{name}: {line.rstrip()}", but=name)
        finally:
            del self._present[name]
            self.say(f"{name} has left")

    def say(self, text: str, but: str = "") -> None:
        """Tell the others."""
        for name, process in self._present.items():
            if name != but:
                process.stdout.write(f"*** {text}\n" if not but else f"{text}\n")


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", process=Room().join
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
