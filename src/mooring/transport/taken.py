"""Who listens at a place of this machine, as far as the system tells: on Linux."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

__all__ = ["who_has", "who_listens"]

_LOOKED: Final = 5.0
"""Seconds that looking may take: it goes through all descriptors of all programs."""
_LISTENS: Final = "0A"
"""TCP_LISTEN (proc(5), /proc/net/tcp)."""
_ACCEPTS: Final = 0x10000
"""__SO_ACCEPTCON (proc(5), /proc/net/unix)."""


async def who_has(port: int = 0, path: str = "") -> str:
    """The same, looked up on a thread and for a while; ``another program`` where it is not to be seen."""
    who = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LOOKED):
            who = await asyncio.to_thread(who_listens, port, path)
    return who or "another program"


def who_listens(port: int = 0, path: str = "") -> str | None:
    """Name who listens on a port or path: ``nginx, process 812``; None where it is not to be seen.

    Args:
        port: The TCP port.
        path: The Unix socket's path, in its place.
    """
    inodes = _at_path(path) if path else _at_port(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        if _holds(process) & inodes:
            if int(process.name) == os.getpid():
                return "this process"
            return f"{_name(process)}, process {process.name}"
    return "a process of another user" if inodes else None


def _holds(process: Path) -> set[str]:
    """What the descriptors of a process are; nothing where it is another user's, or has ended."""
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add(str(descriptor.readlink()))
    return found


def _at_port(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        for line in _lines(f"/proc/net/{table}"):
            _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
            if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                found.add(f"socket:[{inode}]")
    return found


def _at_path(path: str) -> set[str]:
    found = set()
    for line in _lines("/proc/net/unix"):
        words = line.split(None, 7)
        if len(words) == 8 and words[7] == path and int(words[3], 16) & _ACCEPTS:
            found.add(f"socket:[{words[6]}]")
    return found


def _lines(table: str) -> list[str]:
    try:
        return Path(table).read_text(encoding="utf-8", errors="surrogateescape").splitlines()[1:]
    except OSError:
        return []


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program"
