"""What a running daemon is told from outside: to end, to read its configuration again, to show that it lives."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import signal
from typing import TYPE_CHECKING, Final

from .systemd import notify, reloading, watchdog_interval

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["run_until_told"]

_log = logging.getLogger(__name__)

_END: Final = 4.8
"""Seconds from SIGTERM to the end, whatever hangs: five are promised."""


async def run_until_told(begin: Callable[[], Awaitable[str]], reload: Callable[[], Awaitable[str]]) -> None:
    """Begin, tell that the daemon is ready, and return when SIGTERM or SIGINT comes; the process then has 4.8 s.

    Args:
        begin: What is to be done before we are ready; a signal to end interrupts it. Returns how things stand, in
            a few words, for the service manager.
        reload: What SIGHUP asks for; likewise. Several at once are one.

    Raises:
        MooringError: What ``begin`` raises.
    """
    loop = asyncio.get_running_loop()
    ended, hung_up = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, number, ended)
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    work = asyncio.create_task(_work(begin, reload, hung_up), name="mooringd work")
    over = asyncio.create_task(ended.wait(), name="mooringd end")
    tasks = {work, over, asyncio.create_task(_show_life(), name="mooringd watchdog")}
    try:
        await asyncio.wait((work, over), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not work.cancelled():
        work.result()


def _end(number: signal.Signals, ended: asyncio.Event) -> None:
    if ended.is_set():
        return
    ended.set()
    _log.info("ending: %s", number.name)
    notify(STOPPING="1", STATUS="ending")
    # A disk or a thread that hangs must not hold us: this shows where, and ends the process.
    faulthandler.dump_traceback_later(_END, exit=True)


async def _work(
    begin: Callable[[], Awaitable[str]], reload: Callable[[], Awaitable[str]], hung_up: asyncio.Event
) -> None:
    told = await begin()
    _log.info("ready: %s", told)
    while True:
        notify(READY="1", STATUS=told)
        await hung_up.wait()
        hung_up.clear()
        reloading()
        told = await reload()


async def _show_life() -> None:
    """Tell the service manager that the loop still turns, as often as it wants."""
    interval = watchdog_interval()
    while interval is not None:
        notify(WATCHDOG="1")
        await asyncio.sleep(interval)
