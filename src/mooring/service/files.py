"""Files of the fleet: copies that the daemon makes itself, and single files that doors read and write."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..model.access import Action
from ..model.errors import FileMissing, InvalidInput, MooringError
from ..model.selector import ALIAS, Selector
from ..session.files.between import Place, copy_between, make_folder_here
from ..session.files.how import Copied, How
from ..session.files.names import remote_path
from ..session.files.streaming import read_stream, write_stream
from .audit import text
from .hashed import Hashed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from typing import Unpack

    from ..model.access import Actor
    from ..model.files import FileInfo, Progress, Transferred
    from ..session import Session
    from ..session.files.how import CopyOptions
    from .audit import Audit, Deed

__all__ = ["Files", "Named", "Step"]

_EVERY: Final = 0.1
"""Seconds between two tellings of progress: as often as a person can read."""
_NAMED: Final = 100
"""Sources of one copy that are recorded."""
_UNREAD: Final = 1000
"""Errors that wait for a slow reader before the copy ends."""


@dataclass(frozen=True, slots=True)
class Named:
    """A path, and whose.

    Attributes:
        session: The alias, of a target the selector; None for the daemon's own machine.
        path: The path there; on the daemon's machine from the root.
    """

    session: str | None
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What has happened to a copy; exactly one of these.

    Attributes:
        alias: The session that it goes to, or comes from.
        progress: How far it is.
        error: One file was not copied, and the rest goes on.
        done: It has ended.
        failed: It has ended, and why.
    """

    alias: str
    progress: Progress | None = None
    error: MooringError | None = None
    done: Transferred | None = None
    failed: MooringError | None = None


class Files:
    """The fleet's files, and who may do what with them.

    Args:
        session: Gives the session of an alias, if an actor may do an action on it.
        select: The same of a selector.
        audit: Records what is done.
    """

    def __init__(
        self,
        session: Callable[[Actor, Action, str], Session],
        select: Callable[[Actor, Action, Selector], list[Session]],
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._session = session
        self._select = select

    def copy(
        self,
        actor: Actor,
        sources: Sequence[Named],
        target: Named,
        *,
        concurrency: int = 10,
        timeout: float | None = None,
        **options: Unpack[CopyOptions],
    ) -> AsyncGenerator[Step]:
        """Copy files between sessions, or between them and the daemon's own machine.

        Closing the generator ends what is under way; nothing half written stands under its name then.

        Args:
            actor: Who asks. It takes ``files`` on every session, and for the daemon's own files to be its user.
            sources: What; patterns are expanded. Where the target is this machine, a source may name all sessions that
                a selector means: each then has a folder of its alias there.
            target: Where to: one session, all that a selector means, or this machine.
            concurrency: How many sessions at once.
            timeout: Seconds for each session; None as ``Session.get`` has it.
            options: As CopyOptions has them, without those that are called.

        Raises:
            InvalidInput, InvalidSelector: It cannot be meant.
            UnknownAlias, NothingSelected: It means no session.
            NotAllowed: The actor may not; nothing was copied.
        """
        if any(named.session is None for named in (*sources, target)):
            self._audit.check_same_user(actor, os.geteuid())
        how = How(**options)
        if target.session is None:
            plans = self._fetched(actor, sources, _absolute(target.path))
        else:
            places = [self._place(actor, named) for named in sources]
            ends = self._select(actor, Action.FILES, Selector.parse(target.session))
            plans = [_Plan(end.alias, places, Place(end, target.path)) for end in ends]
        return _steps(plans, concurrency, timeout, how, functools.partial(self._begin, actor))

    def _begin(self, actor: Actor, plan: _Plan) -> Deed:
        told = {"sources": [_told(place) for place in plan.sources[:_NAMED]], "target": _told(plan.target)}
        return self._audit.begin(actor, "files.copy", plan.alias, **told)

    def _fetched(self, actor: Actor, sources: Sequence[Named], path: str) -> list[_Plan]:
        """What comes here: each session's into a folder of its own where sources name many."""
        if not sources or any(named.session is None for named in sources):
            raise InvalidInput("a copy from this machine to itself is none of ours", hint="cp does that")
        if all(_names_one(named) for named in sources):
            places = [self._place(actor, named) for named in sources]
            return [_Plan(sources[0].session or "", places, Place(None, path))]
        found: dict[Session, list[Place]] = {}
        for named in sources:
            for session in self._select(actor, Action.FILES, Selector.parse(named.session or "")):
                found.setdefault(session, []).append(Place(session, named.path))
        return [
            _Plan(session.alias, places, Place(None, os.path.join(path, session.alias, "")), within=path)  # noqa: PTH118 - with a / at its end
            for session, places in found.items()
        ]

    async def read(
        self, actor: Actor, alias: str, path: str, pick: Callable[[FileInfo], tuple[int, int]]
    ) -> AsyncGenerator[FileInfo | bytes]:
        """Read a file of a session's: first what it is, then its bytes; see ``read_stream``.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor has no ``files`` on it.
            MooringError: As ``Session.get``; over SFTP alone.
        """
        session = self._session(actor, Action.FILES, alias)
        hashed = Hashed()
        async with (
            self._audit.begin(actor, "files.read", alias, path=path) as deed,
            session.files() as end,
            contextlib.aclosing(read_stream(end, remote_path(path), pick)) as parts,
        ):
            await deed.kept()
            try:
                async for part in parts:
                    if isinstance(part, bytes):
                        hashed.take(part)
                    yield part
            finally:
                deed.tell(**hashed.told())

    async def write(
        self,
        actor: Actor,
        alias: str,
        path: str,
        parts: AsyncIterator[bytes],
        *,
        mode: int = 0o644,
        fresh: bool = False,
    ) -> FileInfo:
        """Write a file of a session's, under another name until it is whole; see ``write_stream``.

        Raises:
            FileExists: There is something of its name, and it was to be fresh.
            MooringError: As ``read``.
        """
        session = self._session(actor, Action.FILES, alias)
        hashed = Hashed()
        async with self._audit.begin(actor, "files.write", alias, path=path) as deed, session.files() as end:
            written = await write_stream(end, remote_path(path), mode, hashed.through(parts), fresh=fresh)
            deed.tell(**hashed.told())
        return written

    async def info(self, actor: Actor, alias: str, path: str) -> FileInfo:
        """What a path is, links not followed.

        Raises:
            MooringError: As ``read``.
        """
        session = self._session(actor, Action.FILES, alias)
        async with session.files() as end:
            found = await end.info(remote_path(path), follow=False)
        if found is None:
            raise FileMissing("there is no such file", path=path, where=alias)
        return found

    async def listing(self, actor: Actor, alias: str, path: str) -> AsyncGenerator[FileInfo]:
        """What a folder holds, as the peer tells it.

        Raises:
            MooringError: As ``read``.
        """
        session = self._session(actor, Action.FILES, alias)
        async with session.files() as end, contextlib.aclosing(end.scan(remote_path(path))) as entries:
            async for info in entries:
                yield info

    def _place(self, actor: Actor, named: Named) -> Place:
        if named.session is None:
            return Place(None, _absolute(named.path))
        if not _names_one(named):
            raise InvalidInput("a source that names many sessions is copied to a folder here", hint="name one of them")
        return Place(self._session(actor, Action.FILES, named.session), named.path)


def _names_one(named: Named) -> bool:
    return named.session is None or (ALIAS.fullmatch(named.session) is not None and named.session != "all")


def _absolute(path: str) -> str:
    if not os.path.isabs(path):  # noqa: PTH117 - a Path would change what was given
        raise InvalidInput("a path on the daemon's machine begins at the root")
    return path


def _told(place: Place) -> str:
    return text(f"{'' if place.session is None else place.session.alias}:{place.path}")


def _copied(deed: Deed, file: Copied) -> None:
    path = f"{file.where}:{file.path}"
    deed.also("files.copied", True, {"path": path, "to": file.to, "bytes": file.size, "sha256": file.sha256})  # noqa: FBT003 - it was
    deed.check()


class _Told:
    """What is to be told, for one reader: each step, and of progress the latest."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._steps: deque[Step] = deque()
        self._progress: dict[str, Progress] = {}
        self._now = asyncio.get_running_loop().time
        self._last = 0.0

    def step(self, step: Step) -> None:
        self._steps.append(step)
        self.changed.set()

    def error(self, alias: str, error: MooringError) -> None:
        if len(self._steps) >= _UNREAD:
            raise error
        self.step(Step(alias=alias, error=error))

    def progress(self, alias: str, progress: Progress) -> None:
        self._progress[alias] = progress
        if self._now() - self._last >= _EVERY:
            self._last = self._now()
            self.changed.set()

    def take(self) -> list[Step]:
        self.changed.clear()
        found = [Step(alias=alias, progress=progress) for alias, progress in self._progress.items()]
        found += self._steps
        self._progress.clear()
        self._steps.clear()
        return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is copied where, for one session; and in which folder here, where it has one of its own in that."""

    alias: str
    sources: Sequence[Place]
    target: Place
    within: str | None = None


async def _steps(
    plans: Sequence[_Plan], concurrency: int, timeout: float | None, how: How, begin: Callable[[_Plan], Deed]
) -> AsyncGenerator[Step]:
    told = _Told()
    todo = iter(plans)

    async def work() -> None:
        for plan in todo:
            alias = plan.alias
            own = replace(
                how,
                progress=functools.partial(told.progress, alias),
                on_error=functools.partial(told.error, alias),
            )
            try:
                async with begin(plan) as deed:
                    if deed.records:
                        own = replace(own, seen=functools.partial(_copied, deed))
                    if plan.within is not None:
                        await make_folder_here(plan.within)
                    done = await copy_between(plan.sources, plan.target, own, timeout=timeout)
                    deed.tell(files=done.files, bytes=done.size, failed=done.failed)
            except MooringError as error:
                told.step(Step(alias=alias, failed=error))
            else:
                told.step(Step(alias=alias, done=done))

    workers = asyncio.gather(*(work() for _ in range(min(concurrency, len(plans)))))
    workers.add_done_callback(lambda _: told.changed.set())
    try:
        while not workers.done():
            await told.changed.wait()
            for step in told.take():
                yield step
        await workers  # a bug, if anything
        for step in told.take():
            yield step
    finally:
        workers.cancel()
        await asyncio.gather(workers, return_exceptions=True)
