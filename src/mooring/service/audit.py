"""What is recorded of who did what: the verbs say it here, beside the policy, which is asked here too.

What takes time has two records: one is written before it begins. The other tells how it ended, and is written a moment
later.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any, Final, Self

from ..model.access import Action, Actor
from ..model.audit import AuditHealth
from ..model.errors import MooringError, NotAllowed, StateError
from . import policy
from .refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from ..model.audit import AuditPage, AuditQuery, AuditReport, Commands, Head
    from ..store.audit.entry import Entry
    from ..store.audit.trail import Trail

__all__ = ["Audit", "CutOff", "Deed"]

_LONGEST: Final = 1024
"""Characters of a text that are kept; of a longer one its SHA-256 tells the rest."""
_TEXT: Final = (str, bytes)
_OF_STRANGERS: Final = 256
"""And of one that a stranger chose."""
_LARGE: Final = 1e11
"""Numbers from which on, with four decimals, a float is not exact any more."""


class CutOff(asyncio.CancelledError):
    """What somebody did was ended by us.

    Args:
        reason: Why, in words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Deed:
    """What somebody does: ``async with audit.begin(...) as deed``; or ``end`` it.

    Args:
        trail: Where it is recorded.
        fields: Of its record.

    Raises:
        StateError: It cannot be recorded, and must not be done.
    """

    def __init__(self, trail: Trail, fields: dict[str, Any]) -> None:
        self._trail = trail
        self._fields = fields
        self._since = time.monotonic()
        self._told: dict[str, Any] = {}
        self._ended = self._lost = False
        self._entry: Entry = trail.append(fields)

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell how it ended; where it went well, wait until the disk knows that it began."""
        self.end(error)
        if error is None and not self._entry.batch.done:
            await self.kept()

    def tell(self, **detail: Any) -> None:
        """What is known of it by now, for the record of its end."""
        self._told.update(detail)

    @property
    def records(self) -> bool:
        """Whether anything is recorded."""
        return True

    def also(self, what: str, done: bool, detail: dict[str, Any]) -> None:  # noqa: FBT001 - told in passing
        """Something was done in its course, or was not; ``within`` is the number of the record of its begin."""
        fields = {name: self._fields[name] for name in ("who", "door", "alias")}
        outcome = "done" if done else "failed"
        detail = {**_told(detail), "within": self._entry.seq}
        if not self._trail.append_end({**fields, "what": what, "outcome": outcome, "of": None, "detail": detail}):
            self._lost = True

    def check(self) -> None:
        """Check that what was done in its course is on record, and that more would be.

        Raises:
            StateError: It is not, and it must not go on.
        """
        self._trail.check()
        if self._lost:
            raise StateError("it ends, since what was done could not be recorded")

    async def kept(self) -> None:
        """Wait until the disk knows that it began. Cancelling is safe.

        Raises:
            StateError: It could not be recorded.
        """
        await self._entry.kept()

    def end(self, error: BaseException | None = None) -> None:
        """It has ended; once is enough."""
        if self._ended:
            return
        self._ended = True
        detail: dict[str, Any] = {"seconds": _plain(time.monotonic() - self._since), **self._told}
        outcome = "done"
        if isinstance(error, MooringError):
            outcome, detail["error"] = "failed", error.code
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            outcome = "cancelled"
            if isinstance(error, CutOff):
                detail["reason"] = text(error.reason)
        elif error is not None:
            outcome = "failed"
        begun = self._fields
        self._trail.append_end(
            {
                "who": begun["who"],
                "door": begun["door"],
                "what": begun["what"],
                "alias": begun["alias"],
                "outcome": outcome,
                "of": self._entry.seq,
                "detail": detail,
            }
        )


class _Unrecorded(Deed):
    """What is done where nothing is recorded."""

    def __init__(self) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nobody is told."""

    def tell(self, **detail: Any) -> None:
        """Likewise."""

    @property
    def records(self) -> bool:
        """It is not."""
        return False

    async def kept(self) -> None:
        """Nothing is."""

    def end(self, error: BaseException | None = None) -> None:
        """Likewise."""


_UNRECORDED: Final = _Unrecorded()


class Audit:
    """Records deeds, and refusals of the policy, which is asked through it.

    Args:
        trail: Where to; None records nothing.
        commands: How command lines are recorded.
    """

    def __init__(self, trail: Trail | None = None, commands: Commands = "full") -> None:
        self._trail = trail
        self._commands = commands
        self._refusals = Refusals()
        self._logins = Refusals()

    def begin(self, actor: Actor, what: str, alias: str = "", **detail: Any) -> Deed:
        """Somebody is about to do something that they may.

        Args:
            actor: Who.
            what: What, its action first.
            alias: On which session.
            detail: More of it: text, numbers, lists; never a secret.

        Raises:
            StateError: It cannot be recorded, and must not be done; that is recorded when it can be.
        """
        if self._trail is None:
            return _UNRECORDED
        if time.monotonic() >= min(self._refusals.due, self._logins.due):
            self._tell_untold()
        try:
            return Deed(self._trail, _fields(actor, what, alias, "begun", detail))
        except StateError as error:
            self.refuse(actor, what, alias, error, **detail)
            raise

    def welcome(self, actor: Actor, what: str, **detail: Any) -> None:
        """Somebody is about to be let in. Of one, as many are recorded as of refusals, and the rest is counted.

        Raises:
            StateError: It cannot be recorded, and they must not be.
        """
        if self._trail is None:
            return
        try:
            self._trail.check()
            before = self._logins.admit((actor.door, actor.name), time.monotonic())
            if before is not None:
                passed_over = {"not_recorded_before": before} if before else {}
                self._trail.append(_fields(actor, what, "", "done", {**detail, **passed_over}), ends=False)
        except StateError as error:
            self.refuse(actor, what, "", error, **detail)
            raise

    def note(self, actor: Actor, what: str, alias: str = "", **detail: Any) -> None:
        """Something has happened, whether it can be recorded or not."""
        if self._trail is not None:
            self._trail.append_end(_fields(actor, what, alias, "done", detail))

    @property
    def records(self) -> bool:
        """Whether anything is recorded at all."""
        return self._trail is not None

    def refuse(self, actor: Actor | None, what: str, alias: str, error: MooringError | str, **detail: Any) -> None:
        """Somebody, perhaps nobody we know, was refused something; the error, or its code, says why."""
        if self._trail is None:
            return
        who = (str(detail.get("by", "")), "") if actor is None else (actor.door, actor.name)
        before = self._refusals.admit(who, time.monotonic())
        if before is None:
            return
        if before:
            detail["not_recorded_before"] = before
        if actor is None:
            alias = alias[:_OF_STRANGERS]
            detail = {name: told[:_OF_STRANGERS] if isinstance(told, str) else told for name, told in detail.items()}
        code = error if isinstance(error, str) else error.code
        self._trail.append_end(_fields(actor, what, alias, "refused", {**detail, "error": code}))

    def close(self) -> None:
        """Nothing more comes: tell of the refusals that were passed over."""
        self._tell_untold(ended=True)

    def _tell_untold(self, *, ended: bool = False) -> None:
        if self._trail is None:
            return
        for what, outcome, budgets in (("refused", "refused", self._refusals), ("logins", "done", self._logins)):
            for (door, name), count in budgets.untold(time.monotonic(), ended=ended):
                actor = Actor(name=name, door=door, grants=())
                self._trail.append_end(_fields(actor, "audit.uncounted", "", outcome, {what: count}))

    def command(self, line: str | bytes) -> dict[str, Any]:
        """How a command line is told in a record."""
        if self._commands == "off":
            return {}
        return {"command": line} if self._commands == "full" else {"command_sha256": _digest(line)}

    # The policy, whose refusals are recorded.

    def check(self, actor: Actor, action: Action, alias: str, labels: Collection[str] = ()) -> None:
        """As ``policy.check``."""
        try:
            policy.check(actor, action, alias, labels)
        except MooringError as error:
            self.refuse(actor, action.value, alias, error)
            raise

    def check_everything(self, actor: Actor, what: str, action: Action = Action.ADMIN) -> None:
        """As ``policy.check_everything``."""
        try:
            policy.check_everything(actor, what, action)
        except MooringError as error:
            self.refuse(actor, action.value, "", error, to=what)
            raise

    def check_same_user(self, actor: Actor, uid: int) -> None:
        """As ``policy.check_same_user``."""
        try:
            policy.check_same_user(actor, uid)
        except NotAllowed as error:
            self.refuse(actor, Action.FILES.value, "", error, to="have the daemon open files on its machine")
            raise

    # What is asked of the trail.

    async def page(
        self, actor: Actor, query: AuditQuery, *, start: int | None = None, limit: int = 100, ascending: bool = False
    ) -> AuditPage:
        """Some records; see ``Trail.page``.

        Raises:
            NotAllowed: The actor may not do everything.
            StateError: Nothing is recorded here, or it cannot be read.
        """
        return await self._asked(actor).page(query, start=start, limit=limit, ascending=ascending)

    @property
    def health(self) -> AuditHealth:
        """How the trail fares."""
        return AuditHealth() if self._trail is None else self._trail.health

    async def verify(self, actor: Actor, known: Head | None = None) -> AuditReport:
        """Check the chain; see ``Trail.verify``.

        Raises:
            NotAllowed, StateError: As ``page``.
        """
        return await self._asked(actor).verify(known)

    def _asked(self, actor: Actor) -> Trail:
        self.check_everything(actor, "read the audit trail")
        if self._trail is None:
            raise StateError(
                "this daemon records nothing",
                hint="[audit] enabled = true in the daemon's configuration, and a restart",
            )
        return self._trail


def text(value: str | bytes) -> str:
    """A text as it can be written down: what is none is escaped, and what is long is cut."""
    if isinstance(value, str) and len(value) <= _LONGEST and value.isascii():
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return value[:_LONGEST].encode("utf-8", "backslashreplace").decode()


def _plain(value: float) -> float | str:
    """A number that is written without an exponent, on the form of which writers of JSON disagree: hashes cover it."""
    return int(value * 1e4) / 1e4 if -_LARGE < value < _LARGE else str(value)


def _fields(actor: Actor | None, what: str, alias: str, outcome: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "who": "" if actor is None else text(actor.name),
        "door": "" if actor is None else actor.door,
        "what": what,
        "alias": text(alias),
        "outcome": outcome,
        "of": None,
        "detail": _told(detail),
    }


def _told(detail: dict[str, Any]) -> dict[str, Any]:
    """What is told, as it is written down; of a text that is cut, with the SHA-256 of all of it."""
    long = None
    for name, value in detail.items():
        if isinstance(value, _TEXT):
            if len(value) > _LONGEST:
                long = {**(long or {}), f"{name}_sha256": _digest(value)}
            detail[name] = text(value)
        elif isinstance(value, float):
            detail[name] = _plain(value)
    return detail if long is None else {**long, **detail}


def _digest(value: str | bytes) -> str:
    try:
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # it was never bytes of anybody
        data = str(value).encode("utf-8", "backslashreplace")
    return hashlib.sha256(data).hexdigest()
