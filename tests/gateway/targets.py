"""What stands behind a gateway: an sshd, dialed and called home, an agent, and a simulated Junos."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from mooring import Pool
from mooring.agent import Agent
from mooring.agent.account import Account
from mooring.model.device import Device
from mooring.pool.callhome import CallHomeServer
from mooring.simulate import SimulatedDevice, SimulatedDevices
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold, quick
from tests.pool.homes import PASSWORD, dialed

from .door import PATIENCE, Door, opened

SERVERS = ("server", "home", "agent")
"""Those with a shell and files."""


@dataclass
class Targets:
    """What is behind the gateway: ``server`` and ``home`` are one sshd, dialed and calling; the others call."""

    door: Door
    sshd: Sshd
    junos: SimulatedDevice
    junos_port: int
    junos_user: str


@contextlib.asynccontextmanager
async def targets_of(sshd: Sshd, folder: Path) -> AsyncIterator[Targets]:
    """All of them, up, with a gateway before them."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(Pool(config=None, dice=quick))
        await hold(pool, "server", sshd)
        calls = await stack.enter_async_context(
            CallHomeServer("127.0.0.1", 0, pool=pool, facts=False, agent_key=folder / "agent_key")
        )
        devices = SimulatedDevices("127.0.0.1", calls.port, reconnect=0.1)
        calls.add(
            Device.parse(
                "home://x", username=sshd.user, identity=str(sshd.client_key), host_key=public_line(sshd.host_keys[0])
            )
        )
        calls.add(Device.parse("junos://device1", username="admin", password=PASSWORD, host_key=devices[0].public_key))
        program, _, *words = sshd.command()
        with dialed(calls) as sock:
            sock.settimeout(None)
            server = await asyncio.create_subprocess_exec(
                program, "-i", *words[1:], stdin=sock.fileno(), stdout=sock.fileno()
            )
        stack.push_async_callback(_ended, server)
        await stack.enter_async_context(devices)
        # netmiko takes `#` for a device in enable mode, and waits 10 s at its end.
        (folder / ".profile").write_text("PS1='$ '\n")
        account = Account(Account.own().name, str(folder), "/bin/sh")
        agent = Agent(
            "127.0.0.1",
            calls.port,
            "agent",
            token=calls.agent_token("agent"),
            forwarding=True,
            account=account,
            host_key=folder / "agent_host_key",
            trusted_keys=folder / "agent_trusted_keys",
        )
        await stack.enter_async_context(agent)
        await agent.wait_up(PATIENCE)
        for alias in ("home", "junos", "agent"):
            await pool[alias].wait_up(PATIENCE)
        stack.push_async_callback(calls.remove, "home")
        door = await stack.enter_async_context(opened(pool, folder))
        port = await stack.enter_async_context(devices.listening())
        yield Targets(door, sshd, devices[0], port, "admin")


async def _ended(server: asyncio.subprocess.Process) -> None:
    if server.returncode is None:
        server.kill()
    await server.wait()
