"""Serve a folder by SFTP: ``python simple_sftp_server.py [PORT [FOLDER]]``."""

import asyncio
import sys

import mooring


async def main(port: str = "8022", root: str = "files") -> None:
    """Serve until interrupted; clients see this folder, and nothing else."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", sftp=root
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
