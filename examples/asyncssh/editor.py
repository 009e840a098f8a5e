"""Edit lines, hide what is typed, and read single keys: ``python editor.py [PORT]``."""

import asyncio
import sys
from typing import cast

import asyncssh

import mooring


async def ask(process: asyncssh.SSHServerProcess[str]) -> None:
    """Ask for a secret, then for keys."""
    if process.term_type is None:
        process.stderr.write("This takes a terminal: ssh -t\n")
        process.exit(1)
        return
    process.stdout.write("Tell me a secret: ")
    channel = cast("asyncssh.SSHLineEditorChannel", process.channel)
    channel.set_echo(False)
    secret = await process.stdin.readline()
    channel.set_echo(True)
    process.stdout.write(f"\nIt has {len(secret.rstrip())} letters.\nPress keys, and q to leave:\n")
    channel.set_line_mode(False)
    key = None
    while key not in {"", "q"}:
        try:
            key = await process.stdin.read(1)
            process.stdout.write(f"This was {key!r}.\n")
        except asyncssh.TerminalSizeChanged:
            pass


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", process=ask
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
