"""Recordings of terminals as values: what is recorded and for how long, and what is known of one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Recording", "RecordingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """What is recorded of terminals, and for how long.

    Attributes:
        enabled: Whether anything is. Not by default: what people see on a terminal is theirs until somebody decides.
        input: Whether what is typed is too, passwords included, which no terminal shows.
        required: Whether a terminal that cannot be recorded is refused, or ended. So it is by default, as with what
            cannot be put on the audit trail: who asks for recordings relies on there being one.
        select: On which sessions.
        keep_days: Days after which recordings go.
        keep_mib: MiB of recordings above which the oldest go.
        max_mib: MiB of one recording, with which it ends.
        free_mib: MiB that the disk must have free; with less, nothing is recorded.
    """

    enabled: bool = False
    input: bool = False
    required: bool = True
    select: str = "all"
    keep_days: float = 90.0
    keep_mib: int = 4096
    max_mib: int = 256
    free_mib: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording.

    Attributes:
        id: Its name: when it began, UTC, and some random digits.
        alias: The session.
        who: Who opened the terminal.
        door: The way they came: ``unix``, ``tcp``, ``gateway``.
        what: What they did, as the audit trail names it: ``shell.terminal``, ``shell.shell``, ``run.exec``.
        began: When, seconds since 1970, UTC.
        seconds: How long it is; None while it goes on.
        bytes: The size of its file.
        columns: The terminal's width as it began.
        rows: Its height.
    """

    id: str
    alias: str
    who: str
    door: str
    what: str
    began: float
    seconds: float | None
    bytes: int
    columns: int
    rows: int
