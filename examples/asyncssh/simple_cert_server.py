"""Let users in by certificates of the authority in ``ssh_user_ca``: ``python simple_cert_server.py [PORT]``."""

import asyncio
import sys

import asyncssh

import mooring


async def welcome(process: asyncssh.SSHServerProcess[str]) -> None:
    """Greet who logged in."""
    process.stdout.write(f"Welcome, {process.get_extra_info('username')}!\n")


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", process=welcome
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
