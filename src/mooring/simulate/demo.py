"""The demonstration: a daemon that holds sessions, and the ways in to them. All of it on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from typing import TYPE_CHECKING, Final

from ..client import Daemon
from ..model.errors import ConfigError, WaitTimeout
from ..model.target import Target
from .device import SimulatedDevices
from .hosts import SimulatedHosts
from .link import FaultyLink
from .mooringd import ThrowawayDaemon
from .openssh import ThrowawaySshd
from .ports import ReservedPort
from .program import end, spawn
from .transcript import Transcript, heading, tell, until
from .waiting import wait_pending, wait_up

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["demo"]

_HOSTS: Final = 12
_DEVICES: Final = 3
_PASSWORD_IN: Final = "DEMO_PASSWORD"  # noqa: S105 - the name of a variable
_WAIT: Final = 30.0


async def demo() -> None:
    """Show what Mooring does, in under a minute, and leave nothing behind. Cancelling is safe.

    Raises:
        MooringError: Something did not go as it should have.
    """
    tell("Everything here is on this machine, and gone at the end.")
    async with contextlib.AsyncExitStack() as stack:
        hosts = await stack.enter_async_context(SimulatedHosts(count=_HOSTS))
        heading(f"A daemon, and {_HOSTS} simulated switches from its configuration file")
        start = time.perf_counter()
        door = ReservedPort()
        stack.callback(door.close)
        config = f'{_switches(hosts)}[call_home]\nlisten = ["{door.host}:{door.port}"]\n'
        daemon = await stack.enter_async_context(ThrowawayDaemon(config))
        client = Daemon(str(daemon.folder / "mooring.sock"))
        tell(f"$ mooringd --config {daemon.folder / 'config.toml'} &")
        await asyncio.to_thread(wait_up, client, _WAIT)
        tell(f"({time.perf_counter() - start:.1f} s later)")
        transcript = Transcript({**daemon.environment, _PASSWORD_IN: SimulatedDevices.password})
        await transcript.show("status", "site:ams")
        openssh = await _openssh(stack, transcript)
        heading("One command on a selection; equal answers are shown together")
        await transcript.show("run", "site:ams,!sw3", "--", "uptime")
        await _rest(client)
        heading("The shell")
        await transcript.show("shell", lines=("run sw1 hostname", "stop sw12", "exit"))
        async with SimulatedDevices(door.host, door.port, count=_DEVICES, reconnect=0.5):
            await _approve(transcript, client)
        if openssh is not None:
            await _heal(transcript, openssh)
        heading("The end")
        start = time.perf_counter()
        code = await daemon.aclose()
        tell(f"mooringd was told to end, and did after {time.perf_counter() - start:.1f} s with exit code {code}.")


def _switches(hosts: SimulatedHosts) -> str:
    """Tables of the daemon's configuration file."""
    return "".join(
        f'[sessions.sw{number}]\nhost = "{host.address}"\nport = {host.port}\nusername = "demo"\n'
        f'host_key = "{hosts.public_key}"\nlabel = ["site:{"ams" if number % 2 else "fra"}"]\n'
        for number, host in enumerate(hosts, 1)
    )


async def _openssh(stack: contextlib.AsyncExitStack, transcript: Transcript) -> FaultyLink | None:
    """A session to a throwaway sshd through a link that we can cut; None where there is no sshd."""
    heading("And a real OpenSSH server")
    try:
        sshd = await stack.enter_async_context(ThrowawaySshd())
    except ConfigError as error:
        tell(f"(not here: {error})")
        return None
    link = await stack.enter_async_context(FaultyLink(sshd.host, sshd.port))
    target = Target.parse(
        f"openssh://{sshd.user}@{link.host}:{link.port}", identity=[str(sshd.client_key)], host_key=sshd.host_key
    )
    await transcript.show("start", str(target))
    await transcript.show("run", "openssh", "--", "uname -sr; echo careful >&2; exit 3", code=3)
    # Counted on this very machine while it serves both ends; `make bench` measures with care.
    ours = await transcript.time("run", "openssh", "true")
    tell(f"(the whole program `mooring run openssh true`: {ours * 1000:.0f} ms{await _compared(sshd)})")
    return link


async def _compared(sshd: ThrowawaySshd) -> str:
    if not shutil.which("ssh"):
        return ""
    command = ["ssh", "-F", "none", "-i", str(sshd.client_key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    command += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    command += ["-p", str(sshd.port), f"{sshd.user}@{sshd.host}", "true"]
    start = time.perf_counter()
    process = await spawn(*command, stdin=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(_WAIT):
            await process.wait()
    except TimeoutError:
        raise WaitTimeout(f"ssh did not end within {_WAIT:g} s") from None
    finally:
        await end(process, 0.0)
    return f"; `ssh`, with its handshake: {(time.perf_counter() - start) * 1000:.0f} ms"


async def _rest(client: Daemon) -> None:
    heading("The same over REST")
    path, body = "/v1/sessions/sw2/run", {"command": "hostname"}
    tell(f"POST {path} {json.dumps(body)}")
    answer: Mapping[str, object] = await asyncio.to_thread(client.request, "POST", path, body)
    tell(json.dumps(answer))


async def _approve(transcript: Transcript, client: Daemon) -> None:
    heading(f"{_DEVICES} devices behind NAT call home; somebody compares their fingerprints, and approves them")
    waiting = await asyncio.to_thread(wait_pending, client, _DEVICES, _WAIT)
    await transcript.show("pending")
    for number, device in enumerate(waiting, 1):
        names = ("--alias", f"core{number}", "--user", "admin")
        await transcript.show("approve", device, *names, "--password-from", f"env:{_PASSWORD_IN}")
    await asyncio.to_thread(wait_up, client, _WAIT)
    await transcript.show("status", "core*")
    await transcript.show("run", "core*", "--", "show version")


async def _heal(transcript: Transcript, link: FaultyLink) -> None:
    heading("Cut the link under a running command, and watch the session come back")
    async with transcript.background("events", "openssh") as events:
        await until(events, "following")
        async with transcript.background("run", "openssh", "--", "echo begun; cat") as running:
            await until(running, "begun")
            link.cut()
            tell("(the link is cut)")
            await until(running, "mooring run:")
        await until(events, "backoff")
        link.heal()
        tell("(the link is mended; the session would try again by itself)")
        await transcript.show("start", "openssh")
        await until(events, "-> up")
    await transcript.show("run", "openssh", "echo here again")
