"""`get()` and `put()` over a real sshd: what is asked for arrives whole, or nothing stands under its name."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mooring
from mooring import (
    FileError,
    FileMissing,
    FileRefused,
    InvalidInput,
    Progress,
    Session,
    SessionLost,
    UnsafePath,
    WaitTimeout,
)
from mooring.session.files.names import partial
from mooring.session.files.remote import RemoteEnd
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.session.held import held

from .trees import grow, names_in, same

pytestmark = pytest.mark.anyio

NAMES = [
    "plain",
    "with space",
    "new\nline",
    "quo'te\"",
    "Umlaut-ü",
    "-n",
    "*",
    "in\udcffvalid",
    "back\\slash",
    "x" * 255,
]


async def test_a_file_there_and_back(session: Session, tmp_path: Path, far: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_001))
    sent = await session.put(source, f"{far}/copy")
    assert (sent.files, sent.size, sent.failed, sent.protocol) == (1, 3_000_001, 0, "sftp")
    got = await session.get(f"{far}/copy", tmp_path / "back")
    assert (got.files, got.size) == (1, 3_000_001)
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert session.status().channels.open == 0 or await settled(session)


async def settled(session: Session) -> bool:
    async with asyncio.timeout(30):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    return True


async def test_into_a_folder_or_under_a_name(session: Session, tmp_path: Path, far: str) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "empty").touch()
    await session.put([tmp_path / "a", tmp_path / "empty"], far)
    await session.get([f"{far}/a", f"{far}/empty"], tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a", "empty"]
    await session.get(f"{far}/a", str(tmp_path / "new" / "b"))
    assert (tmp_path / "new" / "b").read_text() == "a"
    (tmp_path / "a").write_text("changed")
    await session.put(str(tmp_path / "a").encode(), far.encode())
    assert (await session.run(f"cat {far}/a; ls -A {far}")).stdout == "changeda\nempty\n"


@pytest.mark.parametrize("links", ["keep", "follow"])
async def test_a_tree_is_the_same_after_a_round_trip(session: Session, tmp_path: Path, far: str, links: str) -> None:
    source = grow(tmp_path / "source", NAMES)
    await session.put(source, far, recurse=True, preserve=True, links=links)  # type: ignore[arg-type]
    got = await session.get(f"{far}/source", tmp_path / "back", recurse=True, preserve=True, links=links)  # type: ignore[arg-type]
    assert got.failed == 0
    same(source, tmp_path / "back", links=links == "keep")


async def test_two_thousand_files(session: Session, tmp_path: Path, far: str) -> None:
    source = tmp_path / "source"
    for number in range(2000):
        path = source / f"d{number % 20}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number))
    sent = await session.put(source, far, recurse=True)
    got = await session.get(f"{far}/source", tmp_path / "back", recurse=True)
    assert (sent.files, got.files) == (2000, 2000)
    subprocess.run(["diff", "-r", source, tmp_path / "back"], check=True)


async def test_patterns(session: Session, tmp_path: Path, far: str) -> None:
    for name in ("one.txt", "two.txt", "three.log", ".hidden.txt"):
        (tmp_path / name).write_text(name)
    await session.put(tmp_path / "*.txt", far, glob=True)
    assert (await session.run(f"ls -A {far}")).stdout == "one.txt\ntwo.txt\n"
    await session.get(f"{far}/t*.txt", tmp_path / "alone", glob=True)
    await session.get(f"{far}/*", tmp_path / "all", glob=True)
    assert (tmp_path / "alone").read_text() == "two.txt"
    assert names_in(tmp_path / "all") == ["one.txt", "two.txt"]
    with pytest.raises(FileMissing, match=r"/z\*: nothing is meant"):
        await session.get(f"{far}/z*", tmp_path, glob=True)


async def test_a_refused_path_and_a_missing_one_name_the_file(session: Session, tmp_path: Path, sshd: Sshd) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(FileMissing, match=r"edge1:/nowhere/a: there is no such file") as missing:
        await session.get("/nowhere/a", tmp_path)
    assert (missing.value.path, missing.value.where) == ("/nowhere/a", "edge1")
    with pytest.raises(FileMissing, match=r"edge1:/nowhere/b: there is no folder for it$"):
        await session.put(tmp_path / "a", "/nowhere/b")
    with pytest.raises(FileMissing, match="there is no such file"):
        await session.put(tmp_path / "b")
    if sshd.user != "root":
        with pytest.raises(FileRefused, match="edge1:/etc/shadow: permission denied"):
            await session.get("/etc/shadow", tmp_path)
        with pytest.raises(FileRefused, match="permission denied"):
            await session.put(tmp_path / "a", "/etc/a")
    with pytest.raises(FileError, match=r"edge1:/etc: it is a folder \(recurse copies folders\)"):
        await session.get("/etc", tmp_path)
    with pytest.raises(FileError, match="it is no file, folder or link"):
        await session.get("/dev/null", tmp_path)
    assert names_in(tmp_path) == ["a"]


async def test_a_full_disk_here_leaves_nothing(session: Session, tmp_path: Path, far: str, small: Path) -> None:
    await session.run(f"head -c 3000000 /dev/zero > {far}/big", check=True)
    (small / "big").write_text("as it was")
    with pytest.raises(mooring.DiskFull, match="there is no space left"):
        await session.get(f"{far}/big", small / "big")
    assert [path.read_text() for path in small.iterdir()] == ["as it was"]


async def test_a_full_disk_there_leaves_nothing(session: Session, tmp_path: Path, small: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(3_000_000))
    with pytest.raises(mooring.DiskFull, match=r"edge1:.*there is no space left"):
        await session.put(tmp_path / "big", str(small))
    assert list(small.iterdir()) == []


async def test_with_on_error_the_rest_goes_on(session: Session, tmp_path: Path, far: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").write_text("a")
    errors: list[mooring.MooringError] = []
    sent = await session.put([tmp_path / "pipe", tmp_path / "none", tmp_path / "a"], far, on_error=errors.append)
    assert (sent.files, sent.failed, len(errors)) == (1, 2, 2)


async def test_progress_and_a_limit(session: Session, tmp_path: Path, far: str) -> None:
    (tmp_path / "a").write_bytes(bytes(300_000))
    steps: list[Progress] = []
    sent = await session.put(tmp_path / "a", far, limit=600_000, progress=steps.append)
    assert (steps[0].done, steps[-1].done, steps[-1].total, steps[-1].known) == (0, 300_000, 300_000, 300_000)
    assert sent.duration > 0.2  # not a measure of speed, but of its limit


@pytest.mark.parametrize(("direction", "checksum"), [("get", True), ("put", True), ("get", False), ("put", False)])
async def test_cut_midway_and_gone_on_with(
    sshd: Sshd, tmp_path: Path, direction: str, far: str, *, checksum: bool
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(40_000_000))
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        target = f"{far}/copy"
        if direction == "get":
            await session.put(source, f"{far}/source")

        def cut(step: Progress) -> None:
            if step.done > 30_000_000:
                link.cut()

        async def copy(**keywords: object) -> mooring.Transferred:
            if direction == "get":
                return await session.get(f"{far}/source", tmp_path / "copy", resume=True, checksum=checksum, **keywords)  # type: ignore[arg-type]
            return await session.put(source, target, resume=True, checksum=checksum, **keywords)  # type: ignore[arg-type]

        with pytest.raises(SessionLost, match=r"was lost while .* was under way"):
            await copy(progress=cut)
        assert not (tmp_path / "copy").exists()
        link.heal()
        await session.wait_up()
        assert (await session.run(f"test -e {target}")).exit_status == 1
        done = await copy()
        assert done.resumed > 0
        if direction == "put":
            await session.get(target, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == source.read_bytes()
        assert names_in(tmp_path) == ["copy", "source"]


async def test_another_file_does_not_go_on_with_what_one_left(sshd: Sshd, tmp_path: Path, far: str) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        zeros = "head -c 10000000 /dev/zero"
        made = (
            f"cd {far} && mkdir one two && {{ echo one; {zeros}; }} > one/file && {{ echo two; {zeros}; }} > two/file"
        )
        await session.run(made, check=True)

        def cut(step: Progress) -> None:
            if step.done > 8_000_000:
                link.cut()

        with pytest.raises(SessionLost):
            await session.get(f"{far}/one/file", tmp_path, resume=True, progress=cut)
        link.heal()
        await session.wait_up()
        assert (await session.get(f"{far}/two/file", tmp_path, resume=True)).resumed == 0
    assert (tmp_path / "file").read_bytes()[:4] == b"two\n"


async def test_no_part_goes_on_through_a_link(session: Session, tmp_path: Path, far: str) -> None:
    source = tmp_path / "file"
    source.write_text("new")
    info = source.stat()
    part = partial(f"file\0:{source}\0{info.st_size}\0{info.st_mtime}")
    await session.run(f"echo old > {far}/other && ln -s other {far}/{part}", check=True)
    with pytest.raises(UnsafePath, match="/file: where its part is to go on there is no file"):
        await session.put(source, f"{far}/file", resume=True)
    assert (await session.run(f"cat {far}/other")).stdout == "old\n"


async def test_nobody_runs_as_somebody_else_for_what_was_copied(session: Session, tmp_path: Path, far: str) -> None:
    source = tmp_path / "tool"
    source.touch(mode=0o755)
    source.chmod(0o6755)
    for keep in (False, True):
        await session.put(source, f"{far}/tool", preserve=keep)
        assert (await session.run(f"stat -c %a {far}/tool")).stdout == "755\n"


@pytest.mark.parametrize(("told", "block"), [(1, 32_768), (65_536, 65_536), (1 << 62, 1 << 20)])
async def test_what_a_server_says_that_it_takes_at_once(told: int, block: int) -> None:
    limits = SimpleNamespace(max_read_len=told, max_write_len=told)
    channel: Any = SimpleNamespace(client=SimpleNamespace(limits=limits))
    attachment: Any = SimpleNamespace(alias="edge1")
    assert RemoteEnd(attachment, channel).block == block


async def test_without_resume_nothing_is_left(sshd: Sshd, tmp_path: Path, far: str) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        await session.run(f"head -c 20000000 /dev/zero > {far}/big", check=True)

        def cut(step: Progress) -> None:
            if step.done:
                link.cut()

        with pytest.raises(SessionLost):
            await session.get(f"{far}/big", tmp_path, progress=cut)
    assert list(tmp_path.iterdir()) == []


async def test_cancelling_and_a_timeout_leave_nothing(session: Session, tmp_path: Path, far: str) -> None:
    (tmp_path / "big").write_bytes(bytes(1_000_000))
    with pytest.raises(WaitTimeout, match=r"not copied within 0\.3 s"):
        await session.put(tmp_path / "big", far, limit=100_000, timeout=0.3)
    await settled(session)
    assert (await session.run(f"ls -A {far}")).stdout == ""


async def test_what_is_there_but_other_begins_anew(session: Session, tmp_path: Path, far: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(30_000_000))
    with pytest.raises(WaitTimeout):
        await session.put(source, f"{far}/copy", resume=True, limit=40_000_000, timeout=0.5)
    source.write_bytes(os.urandom(30_000_000))
    sent = await session.put(source, f"{far}/copy", resume=True, checksum=True)
    assert sent.resumed == 0


async def test_it_takes_a_channel_like_everything_else(start_sshd: StartSshd, tmp_path: Path) -> None:
    server = start_sshd(MaxSessions=1)
    async with held(server, channels=1) as session:
        async with await session.process("cat") as process:
            with pytest.raises(mooring.ChannelLimit, match="held cat"):
                await session.sftp(timeout=0.2)
            process.stdin.write_eof()
        await settled(session)
        await session.get("/etc/passwd", tmp_path)
        async with await session.sftp() as sftp:
            assert await sftp.isdir("/etc")
            assert session.status().channels.open == 1
        await settled(session)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"remote": []}, "no file was named"),
        ({"remote": "a\0b"}, "holds a NUL"),
        ({"remote": 7}, "a path is a int|not iterable"),
        ({"remote": "a", "links": "copy"}, "links is 'copy'"),
        ({"remote": "a", "limit": 0}, "limit is 0"),
        ({"remote": "a", "timeout": 0}, "timeout is 0"),
    ],
    ids=["nothing", "nul", "number", "links", "limit", "timeout"],
)
async def test_what_cannot_be_meant(session: Session, keywords: dict[str, object], words: str) -> None:
    with pytest.raises((InvalidInput, TypeError), match=words):
        await session.get(**keywords)  # type: ignore[arg-type]
