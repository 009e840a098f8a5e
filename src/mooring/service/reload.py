"""What a new configuration changes: a plain difference, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.errors import AliasInUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..model.errors import MooringError
    from ..model.target import Target

__all__ = ["Changes", "Reloaded", "changes", "hop_of", "hops_first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be done.

    Attributes:
        stop: Aliases that are configured no more.
        start: Targets that were not configured before, hops before those that go through them.
        replace: Targets that were configured otherwise; likewise.
    """

    stop: tuple[str, ...]
    start: tuple[Target, ...]
    replace: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What was done.

    Attributes:
        stopped: Aliases of sessions that were stopped.
        started: Aliases of sessions that are new.
        replaced: Aliases of sessions that go elsewhere, or otherwise, now.
        unchanged: How many were left alone.
        errors: What could not be done; the session stands as it stood.
    """

    stopped: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: int = 0
    errors: tuple[MooringError, ...] = ()

    def __add__(self, other: Reloaded) -> Reloaded:
        """Both together."""
        return Reloaded(
            stopped=self.stopped + other.stopped,
            started=self.started + other.started,
            replaced=self.replaced + other.replaced,
            unchanged=self.unchanged + other.unchanged,
            errors=self.errors + other.errors,
        )


def changes(held: Mapping[str, Target | None], wanted: Iterable[Target]) -> Changes:
    """What makes the one of the other.

    Args:
        held: The sessions that the configuration started, by alias; None for one that could not be started, which
            is tried again.
        wanted: What it says now.

    Raises:
        AliasInUse: It names a session twice.
    """
    targets: dict[str, Target] = {}
    for target in wanted:
        if target.alias in targets:
            raise AliasInUse(f"{target.alias} is configured twice", hint="give one of them another name")
        targets[target.alias] = target
    ordered = hops_first(targets.values())
    return Changes(
        stop=tuple(alias for alias in held if alias not in targets),
        start=tuple(target for target in ordered if target.alias not in held),
        replace=tuple(target for target in ordered if target.alias in held and held[target.alias] != target),
    )


def hops_first(targets: Iterable[Target]) -> list[Target]:
    """The same in an order in which a hop is known before the sessions that name it; else as they come."""
    todo = {target.alias: target for target in targets}
    ordered: list[Target] = []
    while todo:
        hop = next(iter(todo))
        way: dict[str, None] = {}
        while hop in todo and hop not in way:
            way[hop] = None
            hop = hop_of(todo[hop])
        ordered += [todo.pop(alias) for alias in reversed(way)]
    return ordered


def hop_of(target: Target) -> str:
    """The session that it may go through; empty where there is none."""
    return target.jump[0] if target.jump is not None and len(target.jump) == 1 else ""
