"""The demonstration: real commands over held sessions, and one that heals. All of it on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

from ..model.errors import ConfigError, SessionLost
from ..model.event import EventKind
from ..model.status import SessionState
from ..pool import Pool
from .hosts import SimulatedHosts
from .link import FaultyLink
from .openssh import ThrowawaySshd

if TYPE_CHECKING:
    from ..pool.events import EventStream
    from ..session import Session

__all__ = ["demo"]

_HOSTS: Final = 12
_COMMANDS: Final = 200
_WAIT: Final = 30.0


async def demo() -> None:
    """Show what Mooring does, in under a minute, and leave nothing behind. Cancelling is safe.

    Raises:
        MooringError: Something did not go as it should have.
    """
    tell("Everything here is on this machine, and gone at the end.")
    async with contextlib.AsyncExitStack() as stack:
        hosts = await stack.enter_async_context(SimulatedHosts(count=_HOSTS))
        pool = await stack.enter_async_context(Pool(config=None))
        heading(f"Hold sessions to {_HOSTS} simulated switches and to a real OpenSSH server")
        start = time.perf_counter()
        for number, host in enumerate(hosts, 1):
            site = "ams" if number % 2 else "fra"
            await pool.start(
                f"sw{number}://demo@{host.address}:{host.port}", host_key=hosts.public_key, label=[f"site:{site}"]
            )
        link = await _start_openssh(stack, pool)
        for session in pool.sessions:
            await session.wait_up(timeout=_WAIT)
        tell(f"{len(pool.sessions)} sessions up after {time.perf_counter() - start:.2f} s, every host key verified:")
        for session in pool.sessions[-2:]:
            status = session.status()
            tell(f"  {status.alias:8} {status.state}  {status.peer}  {status.server}  {status.algorithms['cipher']}")
        await _fan_out(pool)
        session = pool.sessions[-1]
        await _compare(session)
        if link is not None:
            await _heal(pool, session, link)
        heading("The end")
        stopped = await pool.stop("all")
        tell(f"{len(stopped)} sessions closed. Next: README.md shows the same in twelve lines of Python.")


async def _start_openssh(stack: contextlib.AsyncExitStack, pool: Pool) -> FaultyLink | None:
    """A session to a throwaway sshd through a link that we can cut; None where there is no sshd."""
    try:
        sshd = await stack.enter_async_context(ThrowawaySshd())
    except ConfigError as error:
        tell(f"(without OpenSSH: {error})")
        return None
    link = await stack.enter_async_context(FaultyLink(sshd.host, sshd.port))
    await pool.start(
        f"openssh://{sshd.user}@{link.host}:{link.port}",
        host_key=sshd.host_key,
        identity=[str(sshd.client_key)],
        agent_path=None,
        keepalive=2,
    )
    return link


async def _fan_out(pool: Pool) -> None:
    heading("One command on a selection, answers as they come: site:ams, show version")
    start = time.perf_counter()
    answers = [outcome async for outcome in pool.run("site:ams", "show version", timeout=10)]
    seconds = time.perf_counter() - start
    for outcome in answers[:2]:
        first = str(outcome.result.stdout).splitlines()[0] if outcome.result else outcome.error
        tell(f"  {outcome.alias:8} {first}")
    good = sum(outcome.ok for outcome in answers)
    tell(f"  ... {len(answers)} answers in {seconds * 1000:.0f} ms, {good} of them ok")


async def _compare(session: Session) -> None:
    heading(f"A command over a held session, beside a new connection for each: true on {session.alias}")
    # Counted on this very machine while it serves both ends; `make bench` measures with care.
    start = time.perf_counter()
    for _ in range(_COMMANDS):
        await session.run("true", check=True)
    held = (time.perf_counter() - start) / _COMMANDS
    tell(f"  held: {held * 1000:.1f} ms each, {_COMMANDS} in a row on one connection")
    if shutil.which("ssh") and session.alias == "openssh":
        fresh = await _time_ssh(session)
        tell(f"  ssh:  {fresh * 1000:.1f} ms each, a handshake every time: {fresh / held:.0f} times as long")


async def _time_ssh(session: Session, times: int = 3) -> float:
    target = session.target
    (identity,) = target.identity or ("",)
    command = ["ssh", "-F", "none", "-i", identity, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no"]
    command += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
    command += ["-p", str(target.port), f"{target.username}@{target.host}", "true"]
    start = time.perf_counter()
    for _ in range(times):
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(_WAIT):
            await process.wait()
    return (time.perf_counter() - start) / times


async def _heal(pool: Pool, session: Session, link: FaultyLink) -> None:
    heading("Cut the link under a running command, and watch the session come back")
    with pool.events() as events:
        running = asyncio.create_task(session.run("echo begun; sleep 30"))
        await asyncio.sleep(0.2)
        link.cut()
        try:
            await running
        except SessionLost as error:
            tell(f"  the command: {error.message}; it had printed {error.stdout!r}")
        async with asyncio.timeout(_WAIT):
            await _follow(events, until=SessionState.BACKOFF)
            link.heal()
            tell("  (the link is mended)")
            session.retry()
            await _follow(events, until=SessionState.UP)
    result = await session.run("uname -sr", timeout=10)
    tell(f"  and again: uname -sr says {str(result.stdout).strip()}")


async def _follow(events: EventStream, until: SessionState) -> None:
    """Print the changes of state up to the one that is waited for."""
    async for event in events:
        if event.kind is EventKind.STATE:
            tell(f"  {event.alias}: {event.previous} -> {event.state}: {event.reason}")
            if event.state is until:
                return


def heading(text: str) -> None:
    """A step of the demonstration, set off where the output is a terminal."""
    plain = "NO_COLOR" in os.environ or not sys.stdout.isatty()
    tell(f"\n{text}" if plain else f"\n\033[1m{text}\033[0m")


def tell(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
