"""A server that tells of names and links that lead elsewhere: nothing is written outside of the destination."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import FileError, FileMismatch, UnsafePath
from mooring.session.files.names import check_link, check_name, remote_path
from tests.session.odd import OddServer

from .trees import names_in

pytestmark = pytest.mark.anyio


def entry(name: str, kind: str = "file", size: int = 5) -> asyncssh.SFTPName:
    """One line of a folder, as a server tells it."""
    mode = {"file": 0o100644, "folder": 0o040755, "link": 0o120777}[kind]
    return asyncssh.SFTPName(name.encode(), attrs=asyncssh.SFTPAttrs(permissions=mode, size=size, type=1))


class Hostile(asyncssh.SFTPServer):
    """Whatever is asked for is a folder that holds ``entries``, or a file with ``content``."""

    entries: Sequence[asyncssh.SFTPName] = ()
    content = b"evil\n"
    leads = b"/etc"
    top = "folder"

    def _attrs(self, path: bytes) -> asyncssh.SFTPAttrs:
        name = path.rpartition(b"/")[2].decode()
        known = {os.fsdecode(one.filename): one.attrs for one in self.entries}
        return known.get(name) or entry(name, self.top).attrs

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return self._attrs(path)

    lstat = stat

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        return entry("", "file").attrs

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for one in self.entries:
            yield one

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        return self

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return self.content[offset : offset + size] if size < 1 << 20 else self.content

    def close(self, file_obj: object) -> None:
        pass

    def readlink(self, path: bytes) -> bytes:
        return self.leads

    def realpath(self, path: bytes) -> bytes:
        return b"/"


def hostile(**members: object) -> OddServer:
    """A server that is."""
    return OddServer(sftp_factory=type("Server", (Hostile,), members))


async def refused(server: OddServer, folder: Path, error: type[FileError], **keywords: Any) -> None:
    target = folder / "target"
    target.mkdir(exist_ok=True)
    before = names_in(folder)
    async with server, server.held() as session:
        with pytest.raises(error):
            await session.get("/top", target, recurse=True, **keywords)
    assert names_in(folder) == before
    assert not any(path.is_file() for path in target.rglob("*"))


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", "a\0b", "", "../../x"], ids=range(6))
async def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    await refused(hostile(entries=[entry(name)]), tmp_path, UnsafePath)


@pytest.mark.parametrize("leads", ["/etc", "..", "a/../..", "../x", "a/..", "..\\x"], ids=range(6))
async def test_links_that_lead_elsewhere(tmp_path: Path, leads: str) -> None:
    await refused(hostile(entries=[entry("link", "link")], leads=leads.encode()), tmp_path, UnsafePath)
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


async def test_nothing_is_written_through_a_link_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "target" / "top").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "target" / "top" / "inner").symlink_to(tmp_path / "outside")
    await refused(hostile(entries=[entry("inner", "folder")]), tmp_path, UnsafePath)
    assert names_in(tmp_path / "outside") == []


async def test_a_link_and_a_folder_of_one_name(tmp_path: Path) -> None:
    entries = [entry("x", "link"), entry("x", "folder"), entry("file")]
    target = tmp_path / "target"
    target.mkdir()
    server = hostile(entries=entries, leads=b".")
    async with server, server.held() as session:
        with pytest.raises(FileError):
            await session.get("/top", target, recurse=True)
    assert names_in(tmp_path) == ["target"]


async def test_a_file_that_replaces_a_link_does_not_follow_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("as it was")
    (tmp_path / "target" / "top").mkdir(parents=True)
    (tmp_path / "target" / "top" / "file").symlink_to(outside)
    server = hostile(entries=[entry("file")])
    async with server, server.held() as session:
        await session.get("/top", tmp_path / "target", recurse=True)
    assert outside.read_text() == "as it was"
    assert (tmp_path / "target" / "top" / "file").read_text() == "evil\n"


async def test_folders_without_end(tmp_path: Path) -> None:
    await refused(hostile(entries=[entry("a", "folder")]), tmp_path, FileError)


@pytest.mark.parametrize("kind", ["folder", "link"])
async def test_a_folder_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    class Endless(Hostile):
        def _attrs(self, path: bytes) -> asyncssh.SFTPAttrs:
            return entry("", "folder").attrs

        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            for number in itertools.count():
                yield entry(f"e{number}", kind)

    monkeypatch.setattr("mooring.session.files.tree.MOST", 50)
    await refused(OddServer(sftp_factory=Endless), tmp_path, FileError, timeout=60)


@pytest.mark.parametrize("pattern", ["/top/*", "/*/e1"])
async def test_a_pattern_that_means_names_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    class Endless(Hostile):
        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            for number in itertools.count():
                yield entry(f"e{number}", "folder")

        def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
            if b"*" in path:
                raise asyncssh.SFTPNoSuchFile("")
            return entry("", "folder").attrs

    monkeypatch.setattr("mooring.session.files.tree.MOST", 50)
    async with OddServer(sftp_factory=Endless) as server, server.held() as session:
        with pytest.raises(FileError, match="more than 50 names are meant"):
            await session.get(pattern, tmp_path, glob=True, recurse=True, timeout=60)


async def test_a_file_shorter_than_was_told(tmp_path: Path) -> None:
    await refused(hostile(entries=[entry("a", size=6)]), tmp_path, FileMismatch)


async def test_more_than_was_asked_for(tmp_path: Path) -> None:
    class Generous(Hostile):
        entries = (entry("a"),)

        def read(self, file_obj: object, offset: int, size: int) -> bytes:
            return bytes(size + 1)

    await refused(OddServer(sftp_factory=Generous), tmp_path, FileError)


async def test_control_characters_are_names_and_never_printed(tmp_path: Path) -> None:
    server = hostile(entries=[entry("a\x1b[2J\nb", size=6)])
    async with server, server.held() as session:
        with pytest.raises(FileMismatch) as caught:
            await session.get("/top", tmp_path, recurse=True)
    assert str(caught.value) == r"odd1:/top/a\x1b[2J\nb: it ended after 5 of 6 bytes"


parts = st.sampled_from(["..", ".", "a", "b", "", "/", "a\\b", "\n"])


@given(st.lists(parts, max_size=8).map("/".join), st.integers(0, 3))
def test_a_link_that_passes_leads_inside(target: str, depth: int) -> None:
    try:
        check_link(target, depth, "link", "odd1")
    except UnsafePath:
        return
    level = depth
    for part in target.split("/"):
        level += {"..": -1, ".": 0, "": 0}.get(part, 1)
        assert level >= 0
    assert not target.startswith("/")


@given(st.text(max_size=6))
def test_a_name_that_passes_is_one_step_down(name: str) -> None:
    try:
        check_name(name, "folder", "odd1", windows=False)
    except UnsafePath:
        return
    assert os.path.normpath(f"/top/{name}") == f"/top/{name}"


@pytest.mark.parametrize(
    ("given_path", "path"),
    [("", "."), ("~", "."), ("~/x", "x"), ("/", "/"), ("//", "/"), ("/a/", "/a/"), ("a", "a")],
    ids=range(7),
)
def test_paths(given_path: str, path: str) -> None:
    assert remote_path(given_path) == path
