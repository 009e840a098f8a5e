"""The audit trail as values: what is recorded, what is asked of it, and what a check of it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .errors import InvalidInput

__all__ = [
    "AuditFault",
    "AuditHealth",
    "AuditPage",
    "AuditQuery",
    "AuditRecord",
    "AuditReport",
    "AuditSettings",
    "Commands",
    "Head",
]

Commands = Literal["full", "hash", "off"]
COMMANDS: tuple[str, ...] = get_args(Commands)
"""How command lines are recorded: as they are, as their SHA-256, or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """What is recorded, and for how long.

    Attributes:
        enabled: Whether anything is.
        wait: Whether nobody is answered before the disk has the record of what they do. Without, it has it within some
            50 ms, which only a loss of power can tell from that: a caller alone is answered up to four times as often.
        commands: How command lines are recorded: they may hold secrets that somebody typed.
        keep_days: Days after which records go.
        keep_mib: MiB of records above which the oldest go.
    """

    enabled: bool = True
    wait: bool = False
    commands: Commands = "full"
    keep_days: float = 365.0
    keep_mib: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHealth:
    """How a trail fares.

    Attributes:
        stuck: Whether records stay in its journal, or nothing can be recorded at all.
        old: Records that were let go since it was opened, as old as they become.
        young: And those that went before that, since there were too many.
    """

    stuck: bool = False
    old: int = 0
    young: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain.

    Attributes:
        seq: The number of its last record; 0 where there is none yet.
        hash: The hash of that.
    """

    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One record. What takes time has two: ``begun``, and how it ended.

    Attributes:
        seq: Its number, from 1.
        at: When, seconds since 1970, UTC.
        who: The name of the actor; empty where nobody is known.
        door: The way they came: ``unix``, ``tcp``, ``gateway``, ``call-home``, ``config``, ``mooringd``.
        what: What they did, the action first: ``run``, ``files.write``, ``admin.token.create``.
        alias: On which session; empty for none.
        outcome: ``begun``, ``done``, ``failed``, ``cancelled`` or ``refused``.
        of: Of which record this tells the end; None where of none.
        detail: More, by its name.
        hash: SHA-256, as hexadecimal digits, of that of the record before and of this one as canonical JSON.
    """

    seq: int
    at: float
    who: str
    door: str
    what: str
    alias: str
    outcome: str
    of: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which records are meant; None means any.

    Attributes:
        who: The actor's name; ``*`` and ``?`` as in file names.
        what: What they did, or an action with all of its kinds.
        alias: The session's alias, as ``who``.
        outcome: How it ended.
        since: Not before this, seconds since 1970.
        until: Before this.

    Raises:
        InvalidInput: An outcome that there is not, or a pattern with a NUL, which no text of a record has.
    """

    who: str | None = None
    what: str | None = None
    alias: str | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        """Check it."""
        if self.outcome is not None and self.outcome not in _OUTCOMES:
            raise InvalidInput("there is no such outcome", hint=f"there are {', '.join(_OUTCOMES)}")
        if any("\0" in pattern for pattern in (self.who, self.what, self.alias) if pattern is not None):
            raise InvalidInput("a pattern has no NUL")


_OUTCOMES = ("begun", "done", "failed", "cancelled", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Some records.

    Attributes:
        records: They, in the order that was asked for.
        next: The number of the record to go on from; None where there are no more.
    """

    records: tuple[AuditRecord, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFault:
    """Where the chain does not hold.

    Attributes:
        seq: The number of the record, or of the first of several.
        kind: ``changed``, ``dropped``, ``reordered``, ``added``: before all that is kept, ``tail``: dropped from the
            end, or ``head``: what was kept of its end, beside the chain or elsewhere, cannot be read or is older than
            what is kept, and what was dropped there is not missed.
        message: The same in words.
    """

    seq: int
    kind: Literal["added", "changed", "dropped", "head", "reordered", "tail"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a check found.

    Attributes:
        records: How many were checked.
        first: The number of the oldest; 0 where there is none.
        last: That of the latest.
        hash: The hash of that: keep it elsewhere, and compare.
        faults: Where the chain does not hold, at most 100; empty where it does.
    """

    records: int
    first: int
    last: int
    hash: str
    faults: tuple[AuditFault, ...] = ()
