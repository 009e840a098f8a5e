"""Files of a server's: what a client gets of them, and what it cannot."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mooring.transport.server import files, root

from .ground import PATIENCE, Ground

pytestmark = pytest.mark.anyio


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder, beside a secret."""
    (tmp_path / "secret").write_text("outside")
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    (top / "file").write_text("a file")
    (top / "up").symlink_to("..")
    (top / "absolute").symlink_to(tmp_path / "secret")
    return top


@pytest.fixture
async def sftp(ground: Ground, top: Path) -> asyncssh.SFTPClient:
    """A client of the folder."""
    return await (await ground.connect(await ground.start(sftp=top))).start_sftp_client()


OUT = [
    "../secret", "/../secret", "up/secret", "absolute", "below/../../secret", "/etc/passwd", "below/./../../../secret",
    "up/../secret", "/proc/self/environ",
]  # fmt: skip


@pytest.mark.parametrize("path", OUT)
async def test_nothing_outside_is_read_written_or_named(sftp: asyncssh.SFTPClient, top: Path, path: str) -> None:
    secret = top.parent / "secret"
    before = secret.stat()
    attempts: list[Callable[[], Any]] = [
        lambda: sftp.open(path), lambda: sftp.stat(path), lambda: sftp.chmod(path, 0o777),
        lambda: sftp.truncate(path, 0), lambda: sftp.utime(path, (0, 0)), lambda: sftp.listdir(path),
        lambda: sftp.readlink(f"{path}/x"), lambda: sftp.rmdir(path),
    ]  # fmt: skip
    if path != "absolute":  # which is a link of the client's own
        attempts += [
            lambda: sftp.remove(path), lambda: sftp.rename(path, "stolen"),
            lambda: sftp.posix_rename(path, "stolen"), lambda: sftp.link(path, "stolen"),
        ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(asyncssh.SFTPError):
            await attempt()
    assert not (top / "stolen").exists()
    after = secret.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, before.st_nlink)
    assert secret.read_text() == "outside"


@pytest.mark.parametrize("path", ["../new", "/../new", "up/new", "up/../new"])
async def test_what_is_written_upwards_stays_inside(sftp: asyncssh.SFTPClient, top: Path, path: str) -> None:
    async with sftp.open(path, "w") as file:
        await file.write("new")
    assert (top / "new").read_text() == "new"
    assert not (top.parent / "new").exists()


@pytest.mark.parametrize(
    ("target", "link", "written"),
    [
        ("file", "to", "file"),
        ("../file", "below/to", "../file"),
        ("/file", "below/to", "../file"),
        ("/etc/passwd", "to", "etc/passwd"),
        ("nothing/yet", "to", "nothing/yet"),
        ("../secret", "to", None),
        ("../../secret", "below/to", None),
        ("below/../../secret", "to", None),
        ("up/secret", "to", "up/secret"),
    ],
)
async def test_links_that_a_client_makes(
    sftp: asyncssh.SFTPClient, top: Path, target: str, link: str, written: str | None
) -> None:
    if written is None:
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.symlink(target, link)
        assert not (top / link).is_symlink()
    else:
        await sftp.symlink(target, link)
        assert str((top / link).readlink()) == written
        assert await sftp.readlink(link) == written


async def test_everyday_work(sftp: asyncssh.SFTPClient, top: Path, tmp_path: Path) -> None:
    assert await sftp.getcwd() == "/"
    assert sorted(await sftp.listdir()) == ["absolute", "below", "file", "up"]
    assert await sftp.realpath("up/below/../file") == "/file"
    data = os.urandom(3_000_000)
    (tmp_path / "local").write_bytes(data)
    await sftp.put(str(tmp_path / "local"), "below/copy")
    await sftp.get("below/copy", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    await sftp.rename("below/copy", "copy")
    with pytest.raises(asyncssh.SFTPError):
        await sftp.rename("copy", "file")
    await sftp.posix_rename("copy", "file")
    assert (top / "file").stat().st_size == len(data)
    await sftp.setstat("file", asyncssh.SFTPAttrs(size=10, permissions=0o6755, atime=5, mtime=7))
    status = (top / "file").stat()
    assert (status.st_size, stat.S_IMODE(status.st_mode), status.st_atime, status.st_mtime) == (10, 0o755, 5, 7)
    async with sftp.open("file", "a") as file:
        await file.write("!")
        assert (await file.stat()).size == 11
        await file.setstat(asyncssh.SFTPAttrs(size=4, permissions=0o4700, atime=8, mtime=9))
        await file.fsync()
        assert (await file.statvfs()).bsize
    status = (top / "file").stat()
    assert (status.st_size, stat.S_IMODE(status.st_mode), status.st_mtime) == (4, 0o700, 9)


async def test_everyday_work_on_folders_and_links(sftp: asyncssh.SFTPClient, top: Path) -> None:
    await sftp.link("file", "hard")
    assert (top / "file").stat().st_nlink == 2
    await sftp.mkdir("made", asyncssh.SFTPAttrs(permissions=0o2750))
    assert stat.S_IMODE((top / "made").stat().st_mode) == 0o750
    await sftp.rmdir("made")
    await sftp.remove("hard")
    assert (await sftp.lstat("up")).type == asyncssh.FILEXFER_TYPE_SYMLINK
    assert (await sftp.statvfs(".")).blocks > 0


@pytest.mark.parametrize("attrs", [{"uid": 0, "gid": 0}, {"uid": 12345, "gid": 12345}])
async def test_owners_stay(sftp: asyncssh.SFTPClient, attrs: dict[str, int]) -> None:
    with pytest.raises(asyncssh.SFTPPermissionDenied, match="owners"):
        await sftp.setstat("file", asyncssh.SFTPAttrs(**attrs))
    async with sftp.open("file", "r+") as file:
        with pytest.raises(asyncssh.SFTPPermissionDenied, match="owners"):
            await file.setstat(asyncssh.SFTPAttrs(**attrs))


async def test_pipes_and_folders_are_not_opened(sftp: asyncssh.SFTPClient, top: Path) -> None:
    os.mkfifo(top / "pipe")
    for mode in ("r", "w", "r+"):
        with pytest.raises(asyncssh.SFTPError):
            await asyncio.wait_for(sftp.open("pipe", mode), PATIENCE)
    with pytest.raises(asyncssh.SFTPError):
        await sftp.open("below")


async def test_a_large_folder_is_listed_and_left_unread(sftp: asyncssh.SFTPClient, top: Path) -> None:
    names = {f"{number}" for number in range(450)}
    for name in names:
        (top / "below" / name).touch()
    assert set(await sftp.listdir("below")) == names
    async for _ in sftp.scandir("below"):
        break  # and nobody asks for the rest


async def test_a_listing_is_closed_where_it_is_read(sftp: asyncssh.SFTPClient, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    real = files._Listing.close  # noqa: SLF001 - nothing else tells

    def close(self: Any) -> None:  # noqa: ANN401 - as it is
        closed.append(threading.current_thread().name)
        real(self)

    monkeypatch.setattr(files._Listing, "close", close)  # noqa: SLF001
    await sftp.listdir("below")
    assert await sftp.exists("file"), "which is done there after it"
    assert [name.partition("_")[0] for name in closed] == ["mooring-sftp"]


async def test_only_so_many_files_are_open(sftp: asyncssh.SFTPClient) -> None:
    held = [await sftp.open("file") for _ in range(128)]
    with pytest.raises(asyncssh.SFTPFailure, match="128 files are open"):
        await sftp.open("file")
    await held.pop().close()
    async with sftp.open("file") as file:
        assert await file.read() == "a file"


async def test_a_slow_disk_holds_up_nobody_else(ground: Ground, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()
    real = root.Root.spot

    def slow(self: root.Root, path: bytes, **keywords: Any) -> Any:  # noqa: ANN401 - a context manager
        if path == b"slow":
            asked.set()
            assert go_on.wait(PATIENCE)
        return real(self, path, **keywords)

    monkeypatch.setattr(root.Root, "spot", slow)
    connection = await ground.connect(await ground.start(sftp=top))
    first, second = [await connection.start_sftp_client() for _ in range(2)]
    waiting = asyncio.ensure_future(first.exists("slow"))
    assert await asyncio.to_thread(asked.wait, PATIENCE)
    try:
        assert await asyncio.wait_for(second.exists("file"), PATIENCE)
    finally:
        go_on.set()
    assert not await waiting


async def test_only_so_many_clients_are_served(ground: Ground, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    real = files.RootedFiles._release  # noqa: SLF001 - when a client's place is free again

    def release(self: files.RootedFiles) -> None:
        real(self)
        released.set()

    monkeypatch.setattr(files.RootedFiles, "_release", release)
    monkeypatch.setattr(files, "_CLIENTS", 2)
    connection = await ground.connect(await ground.start(sftp=top))
    first, second, third = [await connection.start_sftp_client() for _ in range(3)]
    assert await first.exists("file")
    assert await second.exists("file")
    with pytest.raises(asyncssh.SFTPFailure, match="too many clients"):
        await third.stat("file")
    first.exit()
    assert await asyncio.to_thread(released.wait, PATIENCE)
    assert await third.exists("file")


async def test_who_takes_no_answers_is_read_no_more_for(
    ground: Ground, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of reads whose answers are not taken: what is kept for the client stays small."""
    (top / "large").write_bytes(bytes(1 << 20))
    read: list[int] = []
    real = files.RootedFiles.read

    async def counted(self: files.RootedFiles, file_obj: object, offset: int, size: int) -> bytes:
        data: bytes = await real(self, file_obj, offset, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(files.RootedFiles, "read", counted)
    server = await ground.start(sftp=top)
    connection = await ground.connect(server)
    writer, reader, _ = await connection.open_session(subsystem="sftp", encoding=None, window=1 << 16)

    def send(kind: int, *fields: bytes) -> None:
        payload = bytes([kind]) + b"".join(fields)
        writer.write(len(payload).to_bytes(4, "big") + payload)

    def text(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    async def receive() -> bytes:
        size = int.from_bytes(await reader.readexactly(4), "big")
        return bytes(await reader.readexactly(size))

    send(1, (3).to_bytes(4, "big"))
    await receive()
    send(3, (1).to_bytes(4, "big"), text(b"large"), (1).to_bytes(4, "big"), (0).to_bytes(4, "big"))
    handle = (await receive())[9:]
    for number in range(2, 5000):
        send(5, number.to_bytes(4, "big"), text(handle), (0).to_bytes(8, "big"), (1 << 20).to_bytes(4, "big"))
    async with asyncio.timeout(PATIENCE):
        while not read:  # noqa: ASYNC110 - the server says nothing of it
            await asyncio.sleep(0.01)
        other = await connection.start_sftp_client()
        assert await other.exists("large")  # it goes on with others
    assert sum(read) <= 4 << 20
    assert ground.faults == []


async def test_a_read_of_all_there_could_be_takes_no_more_memory_than_there_is(
    ground: Ground, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = os.pread

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    sftp = await (await ground.connect(await ground.start(sftp=top))).start_sftp_client()
    async with sftp.open("file", block_size=(1 << 32) - 1) as file:
        assert await file.read((1 << 32) - 1) == "a file"
    assert max(sizes) <= 4 << 20


async def test_folders_of_each_users_own(ground: Ground, tmp_path: Path) -> None:
    server = await ground.start(sftp=f"{tmp_path}/%u", guests={"ann", "bob", ".."})
    for name in ("ann", "bob"):
        async with (await ground.connect(server, username=name)).start_sftp_client() as sftp:
            async with sftp.open("mine", "w") as file:
                await file.write(name)
            assert await sftp.listdir() == ["mine"]
    assert (tmp_path / "ann" / "mine").read_text() == "ann"
    assert stat.S_IMODE((tmp_path / "ann").stat().st_mode) == 0o700
    with pytest.raises(asyncssh.ChannelOpenError):
        await (await ground.connect(server, username="..")).start_sftp_client()
    assert ground.faults == []


async def test_a_folder_that_is_not_there(ground: Ground, tmp_path: Path) -> None:
    connection = await ground.connect(await ground.start(sftp=tmp_path / "none"))
    async with connection.start_sftp_client() as sftp:
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.listdir()


async def test_a_subclass_of_the_callers(ground: Ground, top: Path) -> None:
    class ReadOnly(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=os.fsencode(top))

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:  # noqa: ANN401 - AsyncSSH's
            if pflags & asyncssh.FXF_WRITE:
                raise asyncssh.SFTPPermissionDenied("read only")
            return super().open(path, pflags, attrs)

    async with (await ground.connect(await ground.start(sftp=ReadOnly))).start_sftp_client() as sftp:
        async with sftp.open("file") as file:
            assert await file.read() == "a file"
        with pytest.raises(asyncssh.SFTPPermissionDenied, match="read only"):
            await sftp.open("file", "w")


@pytest.mark.parametrize("where", ["exit", "close", "stat"])
async def test_a_subclass_that_raises_ends_its_own_session_alone(ground: Ground, top: Path, where: str) -> None:
    class Wrong(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=os.fsencode(top))

    def fail(self: object, *args: Any) -> None:
        if where == "close":
            args[0].close()
        raise RuntimeError(f"a mistake in {where}")

    setattr(Wrong, where, fail)
    connection = await ground.connect(await ground.start(sftp=Wrong))
    for _ in range(2):
        sftp = await connection.start_sftp_client()
        await sftp.open("file")
        if where == "stat":
            with pytest.raises(asyncssh.SFTPFailure):
                await sftp.stat("file")
        sftp.exit()
        await sftp.wait_closed()
    assert not connection.is_closed()
    assert (await (await connection.start_sftp_client()).lstat("file")).size == 6


async def test_a_factory_that_raises_ends_its_own_session_alone(ground: Ground) -> None:
    def make(chan: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        raise RuntimeError("a mistake in a factory")

    connection = await ground.connect(await ground.start(sftp=make))
    for _ in range(2):
        with pytest.raises(asyncssh.Error):
            async with connection.start_sftp_client() as sftp:
                await sftp.listdir()
    assert not connection.is_closed()
    assert len(ground.faults) == 2


async def test_a_client_that_vanishes_leaves_nothing_open(ground: Ground, top: Path) -> None:
    """Descriptors and threads are counted around every test."""
    server = await ground.start(sftp=top)
    connection = await ground.connect(server)
    sftp = await connection.start_sftp_client()
    for _ in range(5):
        await sftp.open("file")
    listing = sftp.scandir(".")
    await anext(listing)
    gone = server.connections[0].wait_closed()
    connection.abort()
    await asyncio.wait_for(gone, PATIENCE)
    await listing.aclose()  # type: ignore[attr-defined] # it is a generator
