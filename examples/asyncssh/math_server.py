"""Add numbers, line by line: ``python math_server.py [PORT]``."""

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


async def add(process: asyncssh.SSHServerProcess[str]) -> None:
    """Print the total when the numbers end, or at a break."""
    process.stdout.write("Enter numbers one per line, and an end of file when done:\n")
    total = 0
    try:
        while line := await line_of(process):
            try:
                total += int(line)
            except ValueError:
                process.stderr.write(f"This is no number: {line.strip()}\n")
    except asyncssh.BreakReceived:
        pass
    process.stdout.write(f"Total = {total}\n")


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", process=add
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
