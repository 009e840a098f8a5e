"""Known hosts on disk: changes are seen, writers wait for one another, and a failed write leaves what was there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from mooring.transport import hostfiles
from mooring.transport.hostfiles import KnownHosts
from mooring.transport.known_hosts import new_line
from tests.peers.ending import ending

pytestmark = pytest.mark.anyio

KEYS = [asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _ in range(2)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def keys(known_hosts: KnownHosts, host: str = "h", port: int = 22) -> list[asyncssh.SSHKey]:
    return [known.key for known in known_hosts.match(host, port).keys]


def test_a_change_of_a_file_is_seen(file: Path) -> None:
    known_hosts = KnownHosts([file, file.parent / "missing", file / "under a file"])
    assert keys(known_hosts) == []
    file.write_text(new_line("h", KEYS[0]))
    assert keys(known_hosts) == KEYS[:1]
    os.utime(file, ns=(1, 1))
    file.write_text(new_line("h", KEYS[1]))
    assert keys(known_hosts) == KEYS[1:]
    file.unlink()
    assert keys(known_hosts) == []


def test_a_file_is_read_once_while_it_does_not_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(new_line("h", KEYS[0]))
    known_hosts = KnownHosts([file])
    assert keys(known_hosts) == KEYS[:1]
    monkeypatch.setattr(hostfiles, "_read", None)
    assert keys(known_hosts) == KEYS[:1]


def test_a_file_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        KnownHosts([tmp_path]).match("h", 22)


def test_files_are_searched_in_order_and_say_whose_they_are(tmp_path: Path) -> None:
    user, system = tmp_path / "user", tmp_path / "system"
    user.write_text(f"\n{new_line('h', KEYS[0])}\n")
    system.write_text(new_line("H", KEYS[1]))
    found = KnownHosts([user], system=[system]).match("h", 22).keys
    assert [(known.line.place, known.line.user) for known in found] == [(f"{user}:2", True), (f"{system}:1", False)]


async def test_devices_and_pipes_are_empty_and_stay_what_they_are(tmp_path: Path) -> None:
    null, pipe, file = tmp_path / "null", tmp_path / "pipe", tmp_path / "file"
    null.symlink_to(os.devnull)
    os.mkfifo(pipe)
    file.write_text(new_line("h", KEYS[0]))
    known_hosts = KnownHosts([null, pipe, file])
    assert keys(known_hosts) == KEYS[:1]
    await known_hosts.replace("h", 22, KEYS[1:], KEYS[:1])
    assert await known_hosts.learn("h", 22, KEYS[1])
    assert (null.is_char_device(), pipe.is_fifo(), file.read_text()) == (True, True, "")


async def test_there_may_be_no_file_to_write_to() -> None:
    with pytest.raises(FileNotFoundError):
        await KnownHosts([]).learn("h", 22, KEYS[0])


async def test_a_key_is_learned_once(file: Path) -> None:
    first, second = KnownHosts([file]), KnownHosts([file])
    assert await asyncio.gather(*(each.learn("h", 22, KEYS[0]) for each in (first, second) * 10)) == [True] * 20
    assert file.read_text() == new_line("h", KEYS[0]) + "\n"
    assert not await second.learn("h", 22, KEYS[1])
    assert file.read_text() == new_line("h", KEYS[0]) + "\n"


async def test_learning_ends_a_last_line_without_an_end(file: Path) -> None:
    file.write_bytes(b"# no end")
    await KnownHosts([file]).learn("h", 22, KEYS[0])
    assert file.read_text() == f"# no end\n{new_line('h', KEYS[0])}\n"


async def test_many_learn_at_once_and_none_is_lost(file: Path) -> None:
    known_hosts = KnownHosts([file])
    await asyncio.gather(
        *(known_hosts.learn(f"h{number}", 22, KEYS[0]) for number in range(30)),
        *(known_hosts.replace(f"r{number}", 22, KEYS[:1], KEYS[1:]) for number in range(30)),
    )
    names = {line.split()[0] for line in file.read_text().splitlines()}
    assert names == {f"{kind}{number}" for kind in "hr" for number in range(30)}


async def test_processes_wait_for_one_another(file: Path) -> None:
    program = (
        "import asyncio, asyncssh, sys, pathlib; from mooring.transport.hostfiles import KnownHosts\n"
        "key = asyncssh.import_public_key(sys.argv[2])\n"
        "known_hosts = KnownHosts([pathlib.Path(sys.argv[1])])\n"
        "async def main():\n"
        "    for number in range(40):\n"
        "        await known_hosts.replace(f'{sys.argv[3]}{number}', 22, [key], [])\n"
        "asyncio.run(main())\n"
    )
    key = KEYS[0].export_public_key().decode()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                ending(subprocess.Popen([sys.executable, "-c", program, str(file), key, who], env=environment))
            )
            for who in "ab"
        ]
        assert [process.wait(60) for process in started] == [0, 0]
    assert len(file.read_text().splitlines()) == 80


async def test_a_rewrite_keeps_mode_owner_and_link(tmp_path: Path) -> None:
    file, link = tmp_path / "real", tmp_path / "link"
    file.write_text(f"{new_line('h', KEYS[0])}\n")
    file.chmod(0o640)
    if os.getuid() == 0:
        os.chown(file, 12345, 12346)
    before = file.stat()
    link.symlink_to(file)
    await KnownHosts([link]).replace("h", 22, KEYS[1:], KEYS[:1])
    assert link.is_symlink()
    assert file.read_text() == f"{new_line('h', KEYS[1])}\n"
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert sorted(tmp_path.iterdir()) == [link, file]


@pytest.mark.parametrize("how", ["learn", "replace"])
async def test_a_full_disk_leaves_the_file_as_it_was(file: Path, how: str) -> None:
    content = "# mine\n" + "# " + "x" * 100 + "\n"
    file.write_text(content)
    known_hosts = KnownHosts([file])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + 20, limits[1]))
    written = (
        known_hosts.learn("h", 22, KEYS[0]) if how == "learn" else known_hosts.replace("h", 22, KEYS[:1], KEYS[1:])
    )
    try:
        with pytest.raises(OSError, match=r"disk is full|too large"):
            await written
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_text() == content
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
async def test_a_lock_is_not_waited_for_for_ever(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl  # noqa: PLC0415 - not everywhere

    file.write_text("")
    monkeypatch.setattr(hostfiles, "_LOCK_TIMEOUT", 0.05)
    with file.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="lock"):
            await KnownHosts([file]).learn("h", 22, KEYS[0])
    assert await KnownHosts([file]).learn("h", 22, KEYS[0])
