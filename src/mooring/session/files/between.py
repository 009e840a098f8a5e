"""Copies between any two places: a session and this machine, or two sessions, through us and without a file here."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...model.errors import InvalidInput, WaitTimeout
from ...model.files import Transferred
from ..arguments import check_seconds
from .local import LocalEnd
from .names import remote_path
from .tree import Tree, expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .access import WithFiles
    from .how import How

__all__ = ["Place", "copy_between", "make_folder_here"]


@dataclass(frozen=True, slots=True)
class Place:
    """A path, and where.

    Attributes:
        session: Whose file it is; None for this machine.
        path: The path there.
    """

    session: WithFiles | None
    path: str


async def copy_between(
    sources: Sequence[Place], target: Place, how: How, *, timeout: float | None = None
) -> Transferred:
    """Copy files. Cancelling is safe, as for ``Session.get``.

    Args:
        sources: What; patterns are expanded.
        target: Where to: a folder that is there, or the copy's name; several sources make the folder.
        how: How.
        timeout: Seconds for everything; None as ``Session.get`` has it.

    Raises:
        InvalidInput: Nothing is named, or this machine at both ends.
        FilesUnsupported: Both are sessions, and one has no SFTP.
        MooringError: As ``Session.get``.
    """
    if not sources:
        raise InvalidInput("no file was named")
    if target.session is None and any(source.session is None for source in sources):
        raise InvalidInput("a copy from this machine to itself is none of ours", hint="cp does that")
    path = target.path
    if len(sources) > 1 and not path.endswith("/"):
        path = f"{path or '.'}/"
    check_seconds(timeout)
    start = time.perf_counter()
    done: list[Transferred] = []
    try:
        async with asyncio.timeout(timeout):
            for session, group in itertools.groupby(sources, lambda source: source.session):
                paths = [source.path or "." for source in group]
                done.append(await _from_one(session, paths, target.session, path, how))
    except TimeoutError:
        peer = target.session or sources[0].session
        raise WaitTimeout(f"the files of {peer and peer.alias} were not copied within {timeout:g} s") from None
    return Transferred(
        files=sum(each.files for each in done),
        size=sum(each.size for each in done),
        resumed=sum(each.resumed for each in done),
        failed=sum(each.failed for each in done),
        duration=time.perf_counter() - start,
        protocol=done[-1].protocol,
    )


async def make_folder_here(path: str) -> None:
    """See that there is a folder on this machine.

    Raises:
        FileError: It cannot be made.
    """
    async with LocalEnd() as here:
        await here.make_folder(path, 0o755, follow=True)


async def _from_one(
    source: WithFiles | None, paths: Sequence[str], target: WithFiles | None, path: str, how: How
) -> Transferred:
    if source is None and target is not None:
        return await target.send(paths, path, how, glob=True)
    if source is not None and target is None:
        return await source.fetch(paths, path, how, glob=True)
    assert source is not None and target is not None  # noqa: S101, PT018 - as was checked
    return await _relay(source, paths, target, path, how)


async def _relay(source: WithFiles, paths: Sequence[str], target: WithFiles, path: str, how: How) -> Transferred:
    async with source.files() as near, target.files() as far:
        tree = Tree(near, far, how)
        found = [each for given in paths for each in await expand(near, remote_path(given))]
        await tree.copy(found, remote_path(path), into=len(found) > 1)
        return tree.copying.told()
