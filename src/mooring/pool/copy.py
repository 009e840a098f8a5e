"""``mooring.copy``: files between hosts, sessions and this machine, in every form that AsyncSSH's ``scp`` takes."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from ..model.errors import InvalidInput
from ..session import Session
from ..session.arguments import check_seconds
from ..session.files.between import Place, copy_between
from ..session.files.how import How
from .connect import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model.errors import MooringError
    from ..model.files import Progress, Transferred
    from ..session.files.how import Links
    from .pool import ConfigFiles

    Path: TypeAlias = str | bytes | PurePath
    Host: TypeAlias = str | bytes | tuple[str, int] | Session | None
    Spot: TypeAlias = Path | Session | tuple[Host, Path]

__all__ = ["copy"]


async def copy(
    sources: Spot | Sequence[Spot],
    target: Spot = ".",
    *,
    preserve: bool = False,
    recurse: bool = False,
    links: Links = "keep",
    resume: bool = False,
    checksum: bool = False,
    limit: float | None = None,
    progress: Callable[[Progress], object] | None = None,
    on_error: Callable[[MooringError], object] | None = None,
    timeout: float | None = None,
    config: ConfigFiles = (),
    **keywords: Any,
) -> Transferred:
    """Copy files from hosts or here, to a host or here; from one host to another through us, without a file here.

    A source or target is one of

    - ``"host:path"``, ``"user@host:path"``, ``"host:"`` for its home: a connection for the length of the copy;
    - ``("host", path)`` and ``(("host", port), path)``: likewise;
    - ``(session, path)`` or a session, for its home: over what is held already;
    - ``"path"`` without a ``:`` before its first ``/``, bytes, or a ``pathlib`` path: this machine.

    Patterns in sources are expanded. Cancelling is safe.

    Args:
        sources: One, or several in a list; several make the folder that they go to.
        target: Where to: a folder that is there, or the copy's name.
        preserve: As CopyOptions has it, and so are those up to ``on_error``.
        recurse: Likewise.
        links: Likewise.
        resume: Likewise.
        checksum: Likewise.
        limit: Likewise.
        progress: Likewise.
        on_error: Likewise.
        timeout: Seconds for the copy itself; None as ``Session.get`` has it.
        config: As Pool has it, for the connections that are made.
        keywords: As ``connect`` has them, likewise.

    Returns:
        What was copied.

    Raises:
        InvalidInput: A form is none of these, or both ends are this machine.
        ConnectError: A host could not be reached.
        FilesUnsupported: Both ends are hosts, and one has no SFTP.
        MooringError: As ``Session.get``.
    """
    how = How(
        preserve=preserve,
        recurse=recurse,
        links=links,
        resume=resume,
        checksum=checksum,
        limit=limit,
        progress=progress,
        on_error=on_error,
    )
    check_seconds(timeout)
    spots = [_parsed(spot) for spot in _several(sources)]
    if not spots:
        raise InvalidInput("no file was named")
    *_, last = wanted = [*spots, _parsed(target)]
    if last[0] is None and any(host is None for host, _ in spots):
        raise InvalidInput("a copy from this machine to itself is none of ours", hint="cp does that")
    sessions: dict[object, Session | None] = {None: None}
    async with contextlib.AsyncExitStack() as stack:
        for host, _ in wanted:
            if host not in sessions:
                sessions[host] = (
                    host
                    if isinstance(host, Session)
                    else await stack.enter_async_context(connect(_target(host), config=config, **keywords))
                )
        *places, end = [Place(sessions[host], path) for host, path in wanted]
        return await copy_between(places, end, how, timeout=timeout)


def _several(sources: object) -> list[object]:
    """The forms: a tuple of two is one."""
    several = isinstance(sources, list) or (isinstance(sources, tuple) and len(sources) != 2)
    return list(sources) if several else [sources]  # type: ignore[call-overload] # it is one of them


def _parsed(spot: object) -> tuple[Any, str]:
    """The host, in a form that is the same for the same host, and the path there."""
    if isinstance(spot, Session):
        return spot, "."
    if isinstance(spot, tuple) and len(spot) == 2:
        host, path = spot
        if isinstance(host, bytes):
            host = os.fsdecode(host)
        if not (
            host is None
            or isinstance(host, str | Session)
            or (isinstance(host, tuple) and len(host) == 2 and isinstance(host[0], str) and isinstance(host[1], int))
        ):
            raise InvalidInput(f"a host is a {type(host).__name__}, and may be a text, (host, port) or a session")
        return host, _path(path)
    if isinstance(spot, PurePath):
        return None, str(spot)
    text = _path(spot)
    drive = sys.platform == "win32" and text[1:2] == ":" and text[:1].isalpha()
    inside = text.find("]:") if text.startswith("[") else -1  # an IPv6 address has colons of its own
    end = inside + 1 if inside >= 0 else text.find(":")
    if drive or end < 0 or "/" in text[:end]:
        return None, text
    if not end:
        raise InvalidInput("no host stands before the colon", hint=f"write ./{text} for a file here")
    return text[:end], text[end + 1 :]


def _path(path: object) -> str:
    if not isinstance(path, str | bytes | PurePath):
        raise InvalidInput(f"a path is a {type(path).__name__}, and must be a text, bytes or a pathlib path")
    return os.fsdecode(path)


def _target(host: str | tuple[str, int]) -> str:
    if isinstance(host, str):
        return host
    return f"[{host[0]}]:{host[1]}" if ":" in host[0] else f"{host[0]}:{host[1]}"
