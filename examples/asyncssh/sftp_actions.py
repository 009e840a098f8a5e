"""Do anything else that SFTP can, with AsyncSSH's ``SFTPClient``: ``python sftp_actions.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Get all texts into this folder, and tell which they are."""
    async with mooring.connect(target) as session, await session.sftp() as sftp:
        await sftp.mget("*.txt")
        for name in sorted(await sftp.glob("*.txt")):
            print(name, await sftp.getsize(name))


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
