"""Waiting for a fleet to come to what is to be shown of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..model.errors import DaemonUnreachable, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..client import Daemon

__all__ = ["wait_pending", "wait_up"]


def wait_up(client: Daemon, timeout: float) -> None:
    """Block until every session is up.

    Args:
        client: Whose.
        timeout: Seconds.

    Raises:
        WaitTimeout: Some are not.
        DaemonUnreachable: The daemon has gone, or there was none.
    """
    waiting: set[str] = set()
    for name, value in _events(client, timeout):
        # Other events, as of a device's facts, tell of no state.
        for session in value["sessions"] if name == "snapshot" else [value] if name == "state" else ():
            (waiting.discard if session["state"] in {"up", "closed"} else waiting.add)(session["alias"])
        if not waiting:
            return
    raise WaitTimeout(f"{', '.join(sorted(waiting))} did not come up within {timeout:g} s")


def wait_pending(client: Daemon, count: int, timeout: float) -> list[str]:
    """Block until devices wait for somebody's word.

    Args:
        client: Whose.
        count: How many.
        timeout: Seconds.

    Returns:
        Their ids, in the order of what they claim.

    Raises:
        WaitTimeout: They did not call.
        DaemonUnreachable: The daemon has gone, or there was none.
    """
    for _ in _events(client, timeout):
        found = client.request("GET", "/v1/pending")["pending"]
        if len(found) == count:
            return [device["id"] for device in sorted(found, key=lambda device: str(device["device_id"]))]
    raise WaitTimeout(f"{count} devices did not call within {timeout:g} s")


def _events(client: Daemon, timeout: float) -> Generator[tuple[str, Any]]:
    """What a daemon tells, until the time is over.

    Raises:
        DaemonUnreachable: It has gone before, or there was none.
    """
    end = time.monotonic() + timeout
    try:
        yield from client.events("/v1/events", timeout=timeout)
    except DaemonUnreachable:
        if time.monotonic() < end:
            raise
    else:
        raise DaemonUnreachable("the daemon was stopped meanwhile")
