"""Where a device has no SFTP, SCP does it; and where it has neither, that is said."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import mooring
from mooring import DiskFull, FileError, FileMissing, FilesUnsupported, Progress, WaitTimeout
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.session.held import held
from tests.session.odd import OddServer

from .trees import names_in

pytestmark = pytest.mark.anyio


@pytest.fixture
def device(start_sshd: StartSshd) -> Sshd:
    """An sshd without SFTP."""
    return start_sshd(Subsystem="netconf /bin/cat")


async def test_files_there_and_back(device: Sshd, tmp_path: Path, far: str) -> None:
    (tmp_path / "a").write_bytes(os.urandom(1_000_000))
    (tmp_path / "with [*] space").write_text("b")
    (tmp_path / "empty").touch()
    steps: list[Progress] = []
    async with held(device) as session:
        sent = await session.put(sorted(tmp_path.iterdir()), far, checksum=True, progress=steps.append)
        assert (sent.files, sent.size, sent.protocol) == (3, 1_000_001, "scp")
        assert (await session.run(f"ls -A {far}")).stdout == "a\nempty\nwith [*] space\n"
        got = await session.get([f"{far}/a", f"{far}/with [*] space"], tmp_path / "back", checksum=True)
        assert (got.files, got.size) == (2, 1_000_001)
    assert (tmp_path / "back" / "a").read_bytes() == (tmp_path / "a").read_bytes()
    assert names_in(tmp_path) == ["a", "back", "empty", "with [*] space"]
    assert steps[-1].total == 1_000_001


async def test_a_tree(device: Sshd, tmp_path: Path, far: str) -> None:
    source = tmp_path / "source"
    (source / "inner" / "empty").mkdir(parents=True)
    (source / "inner" / "file").write_text("file")
    (source / "inner" / "file").chmod(0o640)
    os.utime(source / "inner" / "file", (1_000_000_000, 1_000_000_000))
    async with held(device) as session:
        await session.put(source, far, recurse=True, preserve=True)
        await session.get(f"{far}/source", tmp_path / "back", recurse=True, preserve=True)
        assert (tmp_path / "back" / "inner" / "file").stat().st_mtime == 1_000_000_000
        assert (tmp_path / "back" / "inner" / "file").stat().st_mode & 0o777 == 0o640
        await session.get(f"{far}/source", tmp_path / "back", recurse=True)
        with pytest.raises(FileError, match="SCP merges no folders"):
            await session.put(source, far, recurse=True)
    subprocess.run(["diff", "-r", source, tmp_path / "back" / "source"], check=True)
    assert names_in(tmp_path / "back") == ["inner", "source"]


async def test_failures_name_the_file_and_leave_nothing(device: Sshd, tmp_path: Path, far: str, small: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(3_000_000))
    async with held(device) as session:
        with pytest.raises(FileMissing, match=f"edge1:{far}/none: there is no such file"):
            await session.get(f"{far}/none", tmp_path)
        with pytest.raises(DiskFull, match="there is no space left"):
            await session.put(tmp_path / "big", str(small))
        with pytest.raises(FileError, match="it is a folder"):
            await session.put(tmp_path, far)
        with pytest.raises(WaitTimeout):
            await session.put(tmp_path / "big", far, limit=1_000_000, timeout=0.5)
        with pytest.raises(FilesUnsupported, match="patterns take SFTP"):
            await session.get(f"{far}/*", tmp_path, glob=True)
        assert (await session.run(f"ls -A {far}")).stdout == ""
    assert names_in(tmp_path) == ["big"]
    assert list(small.iterdir()) == []


async def test_what_is_no_pattern_is_copied_where_patterns_may_stand(device: Sshd, tmp_path: Path, far: str) -> None:
    """As `mooring cp` and `mooring.copy` ask."""
    (tmp_path / "a").write_text("a")
    async with held(device) as session:
        await mooring.copy(tmp_path / "a", (session, far))
        await mooring.copy((session, f"{far}/a"), tmp_path / "back")
    assert (tmp_path / "back").read_text() == "a"


async def test_two_sources_of_one_name(device: Sshd, tmp_path: Path, far: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "same").mkdir(parents=True)
        (tmp_path / folder / "file").write_text(folder)
    async with held(device) as session:
        for name in ("file", "same"):
            with pytest.raises(FileError, match=f"/two/{name}: another source has its name"):
                await session.put([tmp_path / "one" / name, tmp_path / "two" / name], far, recurse=True)
        assert names_in(Path(far)) == ["file", "same"]
        (Path(far) / "again").mkdir()
        (Path(far) / "again" / "file").touch(mode=0o644)
        with pytest.raises(FileError, match=f"edge1:{far}/again/file: another source has its name"):
            await session.get([f"{far}/file", f"{far}/again/file"], tmp_path / "back")
    assert (tmp_path / "back" / "file").read_text() == "one"


async def test_neither(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    async with OddServer(lambda channel, _: channel.exit(127)) as server, server.held() as session:
        with pytest.raises(FilesUnsupported, match="odd1: it has neither SFTP nor SCP"):
            await session.get("a", tmp_path)
        with pytest.raises(FilesUnsupported, match="odd1: it has neither SFTP nor SCP"):
            await session.put(tmp_path / "a")
        with pytest.raises(FilesUnsupported, match="odd1: it has no SFTP"):
            await session.sftp()
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "sent",
    [b"C0644 1 ../evil\nx\0", b"C0644 1 /tmp/evil\nx\0", b"C0644 1 ..\nx\0", b"D0755 0 ..\nC0644 1 evil\nx\0E\n"],
    ids=["up", "absolute", "dots", "folder"],
)
async def test_a_hostile_device_writes_nowhere_else(tmp_path: Path, sent: bytes) -> None:
    def act(channel: object, command: str) -> None:
        channel.write(sent)  # type: ignore[attr-defined]
        channel.exit(0)  # type: ignore[attr-defined]

    target = tmp_path / "target"
    target.mkdir()
    async with OddServer(act) as server, server.held() as session:
        with pytest.raises(FileError):
            await session.get("wanted", target, recurse=True)
    assert names_in(target) == []
    assert names_in(tmp_path) == ["target"]


def sends(*parts: bytes, close: bool = True) -> OddServer:
    """A device without SFTP that sends this to whoever wants a file, whatever it is told."""

    def act(channel: Any, command: str) -> None:  # noqa: ANN401 - of AsyncSSH, and bent
        if not close:
            channel._close_send = lambda: None  # noqa: SLF001 - no server of AsyncSSH's is that bad
        for part in parts:
            channel.write(part)
        channel.write_eof()

    return OddServer(act)


async def test_folders_without_end(tmp_path: Path) -> None:
    async with sends(b"D0755 0 a\n" * 3000) as server, server.held() as session:
        with pytest.raises(FileError, match="odd1:wanted: folders inside one another have no end"):
            await session.get("wanted", tmp_path, recurse=True)
    assert names_in(tmp_path) == []


async def test_a_folder_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.session.files.scp.MOST", 50)
    files = [b"C0644 1 f%d\nx\0" % number for number in range(100)]
    async with sends(b"D0755 0 a\n", *files) as server, server.held() as session:
        with pytest.raises(FileError, match="odd1:wanted: more than 50 files and folders"):
            await session.get("wanted", tmp_path, recurse=True)
    assert names_in(tmp_path) == []


async def test_errors_among_the_files_are_no_folders(tmp_path: Path) -> None:
    # What follows the byte of an answer is the reason, whatever letter it begins with.
    sent = [b"D0755 0 a\n", *[b"C0644 1 f%d\nx\1Disk\n" % number for number in range(200)]]
    async with sends(*sent) as server, server.held() as session:
        with pytest.raises(FileError, match="Disk"):
            await session.get("wanted", tmp_path, recurse=True)


async def test_a_device_that_never_closes_its_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.transport.scp._CLOSING", 0.2)
    async with sends(b"C0644 1 f\nx\0", close=False) as server, server.held() as session:
        got = await session.get("wanted", tmp_path)
        assert (got.files, got.size) == (1, 1)
    assert (tmp_path / "wanted").read_text() == "x"


async def test_a_deep_tree_here(device: Sshd, tmp_path: Path, far: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    (tree / Path(*["d"] * 400)).mkdir(parents=True)
    async with held(device) as session:
        with pytest.raises(FileError, match=r"/tree/d/.*: folders inside one another have no end"):
            await session.put(tree, far, recurse=True)
        monkeypatch.setattr("mooring.session.files.scp.MOST", 50)
        with pytest.raises(FileError, match="/tree: more than 50 files and folders"):
            await session.put(tree, far, recurse=True)
        assert (await session.run(f"ls -A {far}")).stdout == ""


async def test_what_is_sent_beside_stays_out(tmp_path: Path) -> None:
    def act(channel: object, command: str) -> None:
        channel.write(b"D0755 0 wanted\nE\nC0644 4 .bashrc\nevil\0")  # type: ignore[attr-defined]
        channel.write_eof()  # type: ignore[attr-defined]

    async with OddServer(act) as server, server.held() as session:
        await session.get("wanted", tmp_path, recurse=True)
    assert names_in(tmp_path) == ["wanted"]
