"""Show the variables that a client sends: ``python show_environment.py [PORT]``."""

import asyncio
import sys

import asyncssh

import mooring


async def show(process: asyncssh.SSHServerProcess[str]) -> None:
    """Print them, or fail where there are none."""
    for name, value in sorted(process.env.items()):
        process.stdout.write(f"{name} = {value}\n")
    if not process.env:
        process.stderr.write("No variables were sent\n")
        process.exit(1)


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
