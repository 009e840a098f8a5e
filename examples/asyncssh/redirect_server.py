"""Let clients talk to a calculator: ``python redirect_server.py [PORT]``."""

import asyncio
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec

import asyncssh

import mooring


async def calculate(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Have ``bc`` read and write in our place."""
    calculator = await create_subprocess_exec("bc", "-q", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        await process.redirect(calculator.stdin, calculator.stdout, calculator.stderr)
        await process.stdout.drain()
        await process.stderr.drain()
        process.exit(await calculator.wait())
    finally:
        if calculator.returncode is None:  # who used it has gone
            calculator.kill()
            await calculator.wait()


async def main(port: str = "8022") -> None:
    """Serve until interrupted."""
    async with mooring.serve(
        port=int(port), host_keys="ssh_host_key", authorized_keys="ssh_user_ca", process=calculate, encoding=None
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
