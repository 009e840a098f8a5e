"""Serve each user a folder of their own by SFTP: ``python chroot_sftp_server.py [PORT [FOLDER]]``."""

import asyncio
import sys

import mooring


async def main(port: str = "8022", root: str = "sftp") -> None:
    """Serve until interrupted; each user sees the folder in this one that has their name."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", sftp=f"{root}/%u"
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
