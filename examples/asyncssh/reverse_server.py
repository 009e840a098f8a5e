"""Run commands on every host that dials us: ``python reverse_server.py [PORT [COMMAND...]]``."""

import asyncio
import getpass
import sys

import mooring

COMMANDS = ("ls", "sleep 30 && date", "sleep 5 && cat /proc/cpuinfo")


async def ask(session: mooring.Session, command: str) -> None:
    """Run one, and tell how it went."""
    try:
        result = await session.run(command, timeout=60)
        print(f"{command!r} ended with {result.exit_status}:\n{result.stdout}{result.stderr}", end="")
    except mooring.SessionError as error:
        print(error)


async def ask_all(session: mooring.Session, commands: tuple[str, ...]) -> None:
    """Run them all at once, and tell of each when it is done; then hang up."""
    print(f"{session.alias} is here")
    async with asyncio.TaskGroup() as asking:
        for command in commands:
            asking.create_task(ask(session, command))
    await session.close()


async def main(port: str = "8022", *commands: str) -> None:
    """Be the SSH client of hosts whose keys we trust, until interrupted."""
    host = mooring.Device.parse(
        f"host://{getpass.getuser()}@any",
        device_id="*",
        alias="{device_id}",
        known_hosts="trusted_client_host_keys",
        identity="server_key",
    )
    async with (
        mooring.CallHomeServer("127.0.0.1", int(port), devices=[host], facts=False) as home,
        asyncio.TaskGroup() as group,
    ):
        print(f"Listening on port {home.port}...")
        async for event in home.pool.events():
            if event.state is mooring.SessionState.UP:
                group.create_task(ask_all(home.pool[event.alias], commands or COMMANDS))


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
