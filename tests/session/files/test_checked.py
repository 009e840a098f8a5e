"""What arrived is compared with what was sent; and how much is under way follows from the path."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from mooring import FileMismatch
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.session.held import held
from tests.session.odd import OddServer

from .trees import names_in

pytestmark = pytest.mark.anyio

LARGE = 3_000_000


def server(folder: Path, **members: object) -> OddServer:
    """A server over a folder, with other methods than a good one."""

    class Server(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=str(folder).encode())

    return OddServer(sftp_factory=type("Odd", (Server,), members))


def lied(self: asyncssh.SFTPServer, file_obj: object, offset: int, size: int) -> bytes:
    """Not what is in the file."""
    return bytes(min(size, max(0, LARGE - offset)))


def shorter(self: asyncssh.SFTPServer, file_obj: object) -> asyncssh.SFTPAttrs:
    """Not as long as the file is."""
    return asyncssh.SFTPAttrs(size=LARGE - 1, permissions=0o100644)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder of the server's."""
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


@pytest.mark.parametrize("resume", [False, True])
async def test_another_checksum_of_what_was_put(tmp_path: Path, there: Path, *, resume: bool) -> None:
    (tmp_path / "file").write_bytes(b"x" * LARGE)
    (there / "file").write_text("as it was")
    async with server(there, read=lied) as odd, odd.held() as session:
        with pytest.raises(FileMismatch, match=r"^odd1:/file: its checksum is not the source's$"):
            await session.put(tmp_path / "file", "/file", checksum=True, resume=resume)
    assert names_in(there) == ["file"]
    assert (there / "file").read_text() == "as it was"


async def test_another_checksum_of_what_was_got(tmp_path: Path, there: Path) -> None:
    class Fickle(asyncssh.SFTPServer):
        opened = 0

        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=str(there).encode())

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            type(self).opened += 1
            return super().open(path, pflags, attrs)

        def read(self, file_obj: object, offset: int, size: int) -> bytes:
            data = super().read(file_obj, offset, size)
            assert isinstance(data, bytes)
            return data if self.opened == 1 else b"y" * len(data)

    (there / "file").write_bytes(b"x" * 1000)
    target = tmp_path / "target"
    target.mkdir()
    async with OddServer(sftp_factory=Fickle) as odd, odd.held() as session:
        with pytest.raises(FileMismatch, match="its checksum is not the source's"):
            await session.get("/file", target, checksum=True)
    assert names_in(target) == []


async def test_another_size_of_what_was_put(tmp_path: Path, there: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(LARGE))
    async with server(there, fstat=shorter) as odd, odd.held() as session:
        with pytest.raises(FileMismatch, match=rf"^odd1:/file: {LARGE - 1} bytes arrived of {LARGE}$"):
            await session.put(tmp_path / "file", "/file")
    assert names_in(there) == []


async def test_another_checksum_over_scp(start_sshd: StartSshd, tmp_path: Path, far: str) -> None:
    tools = Path(far) / "tools"
    tools.mkdir()
    (tools / "sha256sum").write_text("#!/bin/sh\nhead -c 32 /dev/zero | /usr/bin/sha256sum\n")
    for path in (tools, tools / "sha256sum"):
        path.chmod(0o755)
    device = start_sshd(Subsystem="netconf /bin/cat", SetEnv=f"PATH={tools}:/usr/bin:/bin")
    (tmp_path / "file").write_text("content")
    async with held(device) as session:
        if (await session.run("command -v sha256sum")).stdout != f"{tools}/sha256sum\n":
            pytest.skip("this sshd sets no PATH")
        with pytest.raises(FileMismatch, match="its checksum is not the source's"):
            await session.put(tmp_path / "file", far, checksum=True)
    assert names_in(Path(far)) == ["tools"]


async def test_a_long_path_has_more_under_way(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session, asyncio.timeout(50):
        async with session.files() as end:
            assert 4 * 1024 * 1024 <= end.flight <= 16 * 1024 * 1024
        link.latency = 0.04  # each way: at a gigabit a second ten megabytes are on their way
        async with session.files() as end:
            assert 10_000_000 <= end.flight <= 16 * 1024 * 1024
        link.latency = 0.2
        async with session.files() as end:
            assert end.flight == 16 * 1024 * 1024
