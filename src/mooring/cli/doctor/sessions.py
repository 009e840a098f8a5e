"""Each session that is not up: whether its server can be reached, and shows a host key that is trusted."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ...model.errors import MooringError
from ...model.selector import Selector
from ..terminal import next_step
from .finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...model.target import Target
    from ...transport.dial import Dialer
    from ...transport.route import Router
    from .finding import Finding, Ground

__all__ = ["sessions"]

_AT_ONCE: Final = 32
_EACH: Final = 10.0
_ALL: Final = 120.0
_NEXT: Final = "look whether the host and its SSH server run, and at the address and the way to it"
_TOLD: Final = 50
"""Sessions in trouble of which each has a line."""


async def sessions(ground: Ground, selector: str = "all") -> list[Finding]:
    """Look at the sessions of the configuration that are not up, and tell what the daemon says of others.

    Nobody tries to log in: servers count attempts.

    Args:
        ground: What there is.
        selector: Which sessions.
    """
    wanted = Selector.parse(selector)
    told = {alias: one for alias, one in ground.sessions.items() if wanted.matches(alias, one["labels"])}
    targets = [target for target in ground.targets if wanted.matches(target.alias, target.label)]
    down = [target for target in targets if told.get(target.alias, {}).get("state") != "up"]
    found = await _reached(ground, down) if down else {}
    for alias, one in told.items():
        if one["state"] == "parked" or (one["state"] == "backoff" and alias not in found):
            found.setdefault(
                alias, fail("sessions", f"{alias} is {one['state']}: {one['reason']}", next_step(one) or _NEXT)
            )
    return [*_in_short(told, down, found), *_in_full(found)]


def _in_short(
    told: Mapping[str, Mapping[str, Any]], down: list[Target], found: Mapping[str, Finding]
) -> Iterator[Finding]:
    counts = Counter(one["state"] for one in told.values())
    if counts["up"]:
        yield ok("sessions", f"{counts['up']} up")
    if counts["awaiting"]:
        yield ok("sessions", f"{counts['awaiting']} away: their devices have to call")
    reached = sum(target.alias not in found for target in down)
    if reached:
        yield ok("sessions", f"{reached} not up, whose servers answer and show host keys that are trusted")
    if not counts and not down:
        yield ok("sessions", "none")


def _in_full(found: Mapping[str, Finding]) -> Iterator[Finding]:
    yield from list(found.values())[:_TOLD]
    if len(found) > _TOLD:
        yield fail("sessions", f"{len(found) - _TOLD} more are in trouble", "mooring doctor --select SELECTOR")


async def _reached(ground: Ground, targets: list[Target]) -> dict[str, Finding]:
    """What is wrong with the way to each, by alias."""
    from ...transport.dial import Dialer  # noqa: PLC0415 - brings AsyncSSH
    from ...transport.route import Router  # noqa: PLC0415 - likewise

    try:
        router = Router(ground.ssh_config)
    except MooringError:
        return {}  # the check of ssh_config tells why
    dialer, turn = Dialer(), asyncio.Semaphore(_AT_ONCE)
    found: dict[str, Finding] = {target.alias: _out_of_time(target) for target in targets}

    async def look(target: Target) -> None:
        async with turn:
            trouble = await _trouble(dialer, router, target)
        if trouble is None:
            del found[target.alias]
        else:
            found[target.alias] = trouble

    looking = [asyncio.create_task(look(target)) for target in targets]
    try:
        await asyncio.wait(looking, timeout=_ALL)
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        await dialer.aclose()
    return found


async def _trouble(dialer: Dialer, router: Router, target: Target) -> Finding | None:
    from ...transport.lookover import reach  # noqa: PLC0415 - as above

    try:
        await reach(dialer, await router.route(target), _EACH)
    except MooringError as error:
        return fail("sessions", f"{target.alias}: {error.message}", error.hint or _NEXT)
    return None


def _out_of_time(target: Target) -> Finding:
    told = f"{target.alias} was not looked at within {_ALL:g} s"
    return warn("sessions", told, "mooring doctor --select SELECTOR looks at fewer")
