"""A file written as its bytes come, where nothing may be replaced."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import asyncssh
import pytest

from mooring import FileExists, FileRefused, Session
from mooring.session.files.streaming import write_stream
from tests.peers.sshd import Sshd
from tests.session.held import held
from tests.session.odd import OddServer

from .trees import names_in

pytestmark = pytest.mark.anyio


class Rooted(asyncssh.SFTPServer):
    """A server of one folder."""

    folder: ClassVar[Path]

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(chan, chroot=str(self.folder).encode())


class Replaces(Rooted):
    """Its rename replaces."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        os.replace(self.map_path(oldpath), self.map_path(newpath))  # noqa: PTH105 - bytes


class TooLate(Rooted):
    """In the moment of the rename somebody else is quicker."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        (self.folder / "file").write_text("came meanwhile")
        super().rename(oldpath, newpath)


class Refuses(Rooted):
    """It renames nothing."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no")


async def write(session: Session, path: str, taken: Path | None = None) -> None:
    """Write a file whose place is taken before all has come."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        if taken is not None:
            taken.write_text("came meanwhile")
        yield b"two"

    async with session.files() as end:
        await write_stream(end, path, 0o644, parts(), fresh=True)


async def test_what_comes_meanwhile_stays(sshd: Sshd, far: str) -> None:
    async with held(sshd) as session:
        with pytest.raises(FileExists, match="/file: it is there already, and was not to be replaced"):
            await write(session, f"{far}/file", Path(far) / "file")
        await write(session, f"{far}/other")
    assert names_in(Path(far)) == ["file", "other"]
    assert (Path(far) / "file").read_text() == "came meanwhile"
    assert (Path(far) / "other").read_text() == "onetwo"


async def test_a_link_to_nothing_is_refused_before_anything_comes(sshd: Sshd, far: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        pytest.fail("the content was asked for")
        yield b""

    (Path(far) / "link").symlink_to("nothing")
    async with held(sshd) as session, session.files() as end:
        with pytest.raises(FileExists):
            await write_stream(end, f"{far}/link", 0o644, parts(), fresh=True)
    assert names_in(Path(far)) == ["link"]


@pytest.mark.parametrize("kind", [Replaces, TooLate])
async def test_servers_that_replace_and_others_that_are_quicker(tmp_path: Path, kind: type[Rooted]) -> None:
    taken = tmp_path / "file" if kind is Replaces else None
    async with OddServer(sftp_factory=type("Odd", (kind,), {"folder": tmp_path})) as odd, odd.held() as session:
        with pytest.raises(FileExists):
            await write(session, "/file", taken)
    assert names_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "came meanwhile"


async def test_what_a_server_refuses_for_another_reason(tmp_path: Path) -> None:
    async with OddServer(sftp_factory=type("Odd", (Refuses,), {"folder": tmp_path})) as odd, odd.held() as session:
        with pytest.raises(FileRefused):
            await write(session, "/file")
    assert names_in(tmp_path) == []
