"""A terminal that the daemon keeps, as one value, which every door shows as it is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Notice", "TerminalStatus", "ViewerStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerStatus:
    """One who looks at a terminal.

    Attributes:
        actor: Who.
        drives: Whether what they type goes to the terminal, and it has the size of theirs; others look on.
        missed: Bytes of output that went by before they took them.
    """

    actor: str
    drives: bool
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalStatus:
    """One terminal at one moment.

    Attributes:
        alias: Its session.
        name: Its name, unique on its session.
        program: The first word of the command that was started on it; None for the user's shell. The others may be
            secrets.
        opened_by: Who opened it.
        since: When, seconds since the epoch (UTC).
        columns: Its width.
        rows: Its height.
        full_screen: Whether a program shows the alternate screen, as editors do.
        received: Bytes that it has shown.
        viewers: Who looks at it.
        ended: How it has ended, in a sentence; None while it runs. What has ended is remembered for a while.
    """

    alias: str
    name: str
    program: str | None
    opened_by: str
    since: float
    columns: int
    rows: int
    full_screen: bool
    received: int
    viewers: tuple[ViewerStatus, ...]
    ended: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """How a viewer stands to a terminal; told when they come, and when it changes.

    Attributes:
        drives: Whether what they type goes to the terminal.
        driver: Whose does; None for nobody's.
        missed: Bytes of output that went by before they took them, so far.
    """

    drives: bool
    driver: str | None
    missed: int
