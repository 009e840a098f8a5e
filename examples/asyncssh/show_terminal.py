"""Show a client's terminal, and each size that it takes: ``python show_terminal.py [PORT]``."""

import asyncio
import sys

import asyncssh

import mooring


async def show(process: asyncssh.SSHServerProcess[str]) -> None:
    """Print what it is until the input ends."""
    if process.term_type is None:
        process.stderr.write("This takes a terminal: ssh -t\n")
        process.exit(1)
        return
    width, height, *_ = process.term_size
    process.stdout.write(f"Terminal type: {process.term_type}, size: {width}x{height}\n")
    while True:
        try:
            if not await process.stdin.readline():
                return
        except asyncssh.TerminalSizeChanged as changed:
            process.stdout.write(f"New size: {changed.width}x{changed.height}\n")


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", process=show
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
