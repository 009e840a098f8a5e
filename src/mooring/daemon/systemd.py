"""What a service manager gives and wants: inherited sockets (sd_listen_fds(3)) and news of us (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time
from typing import Final

__all__ = ["inherited_sockets", "notify", "reloading", "watchdog_interval"]

_FIRST: Final = 3
"""SD_LISTEN_FDS_START."""


def inherited_sockets() -> list[tuple[str, socket.socket]]:
    """The listening sockets that were passed to this very process, and their names; each is given out once.

    A name is what the ``.socket`` unit says in ``FileDescriptorName``; empty where none is told.
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    names += [""] * int(count)
    sockets = [(names[number], socket.socket(fileno=_FIRST + number)) for number in range(int(count))]
    for _, one in sockets:
        one.set_inheritable(False)
        one.setblocking(False)  # noqa: FBT003 - likewise
    return sockets


def notify(**news: str) -> None:
    """Tell the service manager: ``notify(READY="1", STATUS="12 sessions")``. Without one nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    message = "\n".join(f"{name}={value}" for name, value in news.items()).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as channel:
            channel.setblocking(False)  # noqa: FBT003 - likewise
            # An address that begins with @ is in the abstract namespace (unix(7)).
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.send(message)
    except OSError:
        return  # news are a courtesy: a manager that is gone must not end us


def reloading() -> None:
    """Tell that a reload has begun; ``READY=1`` ends it. The time is how systemd tells one reload from the next."""
    notify(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))


def watchdog_interval() -> float | None:
    """Seconds between the signs of life that were asked of us: half of what is allowed; None if none are."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not microseconds.isdecimal() or not int(microseconds) or pid not in {None, str(os.getpid())}:
        return None
    return int(microseconds) / 2_000_000
