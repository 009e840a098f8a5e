"""Let users in by password, and a guest without: ``python simple_server.py [PORT]``."""

import asyncio
import hashlib
import hmac
import sys
from typing import Any

import asyncssh

import mooring

SALT = b"a grain of it"
PASSWORDS = {
    "user123": "65027c5b3ec1844f105a998ddd8adaf9f16c349b5a3b2af8acd0e7bea156e7a3"
    "3172063492778626009ec38d584a078b8b6161673a1ac9c1f019e8d98444ce6b",
}
"""By user; this one is ``secretpw``."""


def check(user: str, password: str) -> bool:
    """Whether it is the user's. It takes long, so that nobody tries many: the server has it done on a thread."""
    found = hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1).hex()
    return hmac.compare_digest(found, PASSWORDS.get(user, ""))


class Visit(asyncssh.SSHServer):
    """Tells who comes and goes."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Somebody came."""
        print(f"Connection from {conn.get_extra_info('peername')[0]}")

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        print(f"Connection failed: {exc}" if exc else "Connection closed")


async def welcome(process: asyncssh.SSHServerProcess[Any]) -> None:
    """Greet who logged in."""
    process.stdout.write(f"Welcome, {process.get_extra_info('username')}!\n")


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port),
        host_keys="ssh_host_key",
        check_password=check,
        guests={"guest"},
        process=welcome,
        server_factory=Visit,
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
