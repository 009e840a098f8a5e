"""``/v1/sessions/{alias}/files``: one file read or written as it comes, what it is, and what a folder holds."""

from __future__ import annotations

import asyncio
import contextlib
import re
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Request, get, put

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import (
    ChannelLimit,
    ChannelRefused,
    DiskFull,
    FileError,
    FileExists,
    FileMissing,
    FileRefused,
    FilesUnsupported,
    InvalidInput,
    SessionClosed,
    SessionLost,
    SessionNotUp,
    SessionParked,
    UnknownAlias,
)
from ..model.files import FileInfo
from .answers import Answer, Stream, value
from .disconnect import ClientGone, while_connected
from .openapi import Asked, described
from .problems import plain_refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from litestar.datastructures import Headers

    from ..service.files import Files

__all__ = ["HANDLERS"]

_MOST: Final = 10_000
"""Entries of a folder that are told: each stays in memory until all have come."""
_PATIENCE: Final = 60.0
"""Seconds for the next bytes of what a client sends: it holds a channel meanwhile."""
_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)")
_FAR: Final = 20
"""Digits."""
_TAG: Final = r'(W/)?"[!#-~\x80-\xff]*"'
_TAGS: Final = rf"[ \t,]*{_TAG}([ \t]*,[ \t,]*{_TAG})*[ \t,]*"
"""RFC 9110, sections 8.8.3 and 5.6.1."""
_NOT_HEEDED: Final = ("If-Match", "If-Unmodified-Since")
_BYTES: Final = b"application/octet-stream"
_PATH: Final = Asked("relative to the home, percent-encoded bytes", required=True, minLength=1)
_VIEWS: Final = ("content", "info", "list")
_PROBLEMS: Final = (
    InvalidInput,
    UnknownAlias,
    SessionParked,
    SessionClosed,
    SessionNotUp,
    SessionLost,
    ChannelLimit,
    ChannelRefused,
    FileMissing,
    FileRefused,
    FileError,
    FilesUnsupported,
)


class Entry(msgspec.Struct):
    """One file.

    Attributes:
        name: Its name; bytes that are no text are escaped.
        kind: file, folder, link, or other.
        size: Bytes.
        mode: Permission bits, as a number.
        modified: Seconds since 1970.
        accessed: Likewise.
    """

    name: str
    kind: str
    size: int
    mode: int
    modified: float | None
    accessed: float | None


class Listing(msgspec.Struct):
    """What a folder holds.

    Attributes:
        files: At most 10,000 of them.
        more: Whether there are more.
    """

    files: list[Entry]
    more: bool


@get(
    "/v1/sessions/{alias:str}/files",
    opt=described(
        answer=(Entry, Listing),
        partly=True,
        query={
            "path": _PATH,
            "view": Asked("the file itself, what it is, or what a folder holds", enum=_VIEWS, default="content"),
        },
        problems=_PROBLEMS,
        plain=(416,),
    ),
)
async def read_file(request: Request[Actor, Any, Any]) -> Answer:
    """Read a file as it comes, or tell what a path is or what a folder holds.

    One `Range` of bytes is honoured, with 206 and `Content-Range`; one that lies behind the end is answered with 416.
    A file that cannot be read to its end cuts the connection, so that it never looks whole.
    """
    files: Files = request.app.state.fleet.files
    alias: str = request.path_params["alias"]
    path, view = _path(request), request.query_params.get("view", "content")
    if view == "info":
        return value(_entry(await while_connected(request, files.info(request.user, alias, path))))
    if view == "list":
        return value(await while_connected(request, _listed(files.listing(request.user, alias, path))))
    if view != "content":
        raise InvalidInput("view may be content, info or list")
    # Both are ASGI applications, which Litestar must see in one class.
    return cast("Answer", await while_connected(request, _content(request, files, alias, path)))


@put(
    "/v1/sessions/{alias:str}/files",
    status_code=201,
    opt=described(
        answer=Entry,
        status=201,
        content=_BYTES.decode(),
        query={
            "path": _PATH,
            "mode": Asked("permission bits in octal digits", pattern="^[0-7]{1,4}$", default="644"),
        },
        headers={
            "If-None-Match": Asked(
                "`*`: only if there is nothing of its name; tags, which no file has, change nothing",
                pattern=rf"^(\*|{_TAGS})$",
                examples=["*"],
            )
        },
        problems=(*_PROBLEMS, FileExists, DiskFull),
    ),
)
async def write_file(request: Request[Actor, Any, Any]) -> Answer:
    """Write a file as its bytes come, of any size.

    It stands under its name when all has come, and not before; a client that leaves earlier changes nothing. What is
    there is replaced, unless `If-None-Match: *` says that nothing may be: then the answer is 412. With `If-Match` or
    `If-Unmodified-Since`, which are not heeded, nothing is written, and the answer is 400.
    """
    files: Files = request.app.state.fleet.files
    alias: str = request.path_params["alias"]
    mode = request.query_params.get("mode", "644")
    if not re.fullmatch("[0-7]{1,4}", mode):
        raise InvalidInput("mode must be permission bits in octal digits")
    fresh, path = _fresh(request.headers), _path(request)
    written = await files.write(request.user, alias, path, _body(request), mode=int(mode, 8), fresh=fresh)
    return value(_entry(written), status=201)


def _fresh(headers: Headers) -> bool:
    """Whether nothing may be replaced (RFC 9110, section 13.1). No file has a tag, so that none matches.

    Raises:
        InvalidInput: There is a condition that is malformed, or that is not heeded here.
    """
    for name in _NOT_HEEDED:
        if name in headers:
            raise InvalidInput(f"{name} is not heeded here", hint="If-None-Match: * has nothing replaced")
    lines = [line.strip() for line in headers.getall("If-None-Match", [])]
    if lines in ([], ["*"]):
        return bool(lines)
    if not re.fullmatch(_TAGS, ", ".join(lines)):
        raise InvalidInput("If-None-Match must be * alone, or tags in quotes")
    return False


def _path(request: Request[Actor, Any, Any]) -> str:
    """The path, from the query as it came: it need be no text."""
    query: bytes = request.scope["query_string"]
    for part in query.split(b"&"):
        name, _, text = part.partition(b"=")
        if name == b"path" and text:
            path = unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "surrogateescape")
            if "\0" not in path:
                return path
    raise InvalidInput("path must be given, without a NUL")


async def _body(request: Request[Actor, Any, Any]) -> AsyncGenerator[bytes]:
    """The content as it comes; the server reads on only while it is taken."""
    while True:
        try:
            async with asyncio.timeout(_PATIENCE):
                message: Any = await request.receive()
        except TimeoutError:
            raise InvalidInput(f"nothing of the content came for {_PATIENCE:g} s") from None
        if message["type"] != "http.request":
            raise ClientGone
        yield message["body"]
        if not message["more_body"]:
            return


async def _content(request: Request[Actor, Any, Any], files: Files, alias: str, path: str) -> Answer | Stream:
    wanted = request.headers.get("range")
    picked: list[tuple[int, int]] = []

    def pick(info: FileInfo) -> tuple[int, int]:
        picked[:] = [_part(wanted, info.size)]
        return picked[0]

    parts = files.read(request.user, alias, path, pick)
    try:
        info = await anext(parts)
    except BaseException:
        await parts.aclose()
        raise
    assert isinstance(info, FileInfo)  # noqa: S101 - it comes first
    [(start, stop)] = picked
    headers = [(b"accept-ranges", b"bytes"), (b"content-length", b"%d" % (stop - start))]
    if info.modified is not None:
        headers.append((b"last-modified", formatdate(info.modified, usegmt=True).encode()))
    if start > stop:
        await parts.aclose()
        return plain_refusal(416, {"content-range": f"bytes */{info.size}"})
    partial = wanted is not None and (start, stop) != (0, info.size)
    if partial:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, info.size)))
    content = cast("AsyncGenerator[bytes, None]", parts)  # what came first is taken
    return Stream(request, _BYTES, content, None, status=206 if partial else 200, headers=headers)


def _part(wanted: str | None, size: int) -> tuple[int, int]:
    """From where and up to where (RFC 9110, section 14.1.2); from behind where it ends if there is no such part."""
    found = _RANGE.fullmatch((wanted or "").replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return 0, size
    first, last = (_place(digits) for digits in found.groups())
    if not found[1]:
        return (max(0, size - last), size) if last else (size + 1, size)
    start = first
    if start >= size:
        return size + 1, size
    if not found[2]:
        last = size - 1
    return (0, size) if last < start else (start, min(last + 1, size))


def _place(digits: str) -> int:
    """A number of bytes; one that is longer than any file, which Python need not read, stands for that."""
    return int(digits or "0") if len(digits) < _FAR else 10**_FAR


async def _listed(entries: AsyncGenerator[FileInfo]) -> Listing:
    files: list[Entry] = []
    async with contextlib.aclosing(entries):
        async for info in entries:
            if len(files) >= _MOST:
                return Listing(files, more=True)
            files.append(_entry(info))
    return Listing(files, more=False)


def _entry(info: FileInfo) -> Entry:
    return Entry(
        name=FileError.shown(info.name),
        kind=info.kind,
        size=info.size,
        mode=info.mode,
        modified=info.modified,
        accessed=info.accessed,
    )


HANDLERS: Final = [read_file, write_file]
