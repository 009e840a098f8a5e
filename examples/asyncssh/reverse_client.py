"""Dial a server that runs commands on us, as a host behind NAT does: ``python reverse_client.py [HOST [PORT]]``."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_shell

import asyncssh

import mooring


async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run what we are told to, and say how it ended."""
    if process.command is None:
        process.exit(1)
        return
    command = await create_subprocess_shell(process.command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        await process.redirect(command.stdin, command.stdout, command.stderr)
        await process.stdout.drain()
        await process.stderr.drain()
        status = await command.wait()
    finally:
        if command.returncode is None:  # who wanted it has gone
            command.kill()
            await command.wait()
    if status < 0:
        process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
    else:
        process.exit(status)


async def main(host: str = "localhost", port: str = "8022") -> None:
    """Be the SSH server on the connection that we make, until it is over."""
    async with mooring.serve(
        None, host_keys="client_host_key", authorized_keys="trusted_server_keys", process=run, encoding=None
    ) as server:
        connection = await server.dial(host, int(port))
        print(f"Connected to {host}")
        await connection.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
