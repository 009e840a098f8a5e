"""Shells through the gateway recorded: a real OpenSSH on both sides, on a real terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mooring import Pool
from mooring.gateway import visitor
from mooring.gateway.channel import Near
from mooring.model.audit import AuditQuery
from mooring.model.errors import StateError
from mooring.model.recording import Recording
from mooring.service import Audit
from mooring.store.audit.trail import Trail
from mooring.store.recordings.folder import CastFile, Folder
from tests import asciicast
from tests.cli.on_terminal import OnTerminal
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold
from tests.rest.door import taping
from tests.rest.test_openapi import ROOT

from .door import PATIENCE, Door, opened

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def recorded(pool: Pool, folder: Path, sshd: Sshd, **settings: Any) -> AsyncIterator[Door]:
    """A gateway that records, before a real sshd that is called ``a``."""
    await hold(pool, "a", sshd)
    async with taping(folder, **settings) as recordings, opened(pool, folder, recordings=recordings) as door:
        yield door


async def listed(door: Door, *, over: int) -> list[Recording]:
    """The recordings, once so many have ended."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = door.gateway.fleet.recordings.list(ROOT)
            if sum(one.seconds is not None for one in found) >= over:
                return found
            await asyncio.sleep(0.02)


async def cast(door: Door, recording: Recording) -> asciicast.Cast:
    return asciicast.read(b"".join([part async for part in door.gateway.fleet.recordings.read(ROOT, recording.id)]))


async def test_a_shell_on_a_terminal(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    async with recorded(pool, tmp_path, sshd) as door:
        command = door.ssh_command("a")

        def use() -> tuple[int, bytes]:
            with OnTerminal(command, os.environ) as seat:
                seat.type("PS1=; stty -echo; echo rea''dy\r")
                seat.expect("ready")
                seat.resize(30, 100)
                seat.type(
                    "while [ \"$(stty size)\" != '30 100' ]; do sleep 0.05; done; printf 'gr\\303\\274n\\n'; exit 7\r"
                )
                seat.expect("grün")
                return seat.end()[0], seat.raw

        status, seen = await asyncio.to_thread(use)
        assert status == 7
        [one] = await listed(door, over=1)
        assert (one.alias, one.who, one.door, one.what) == ("a", "ann", "gateway", "shell.shell")
        assert (one.columns, one.rows) == (80, 24)
        found = await cast(door, one)
        assert found.header["term"]["type"] == "xterm"
        assert found.text() in seen.decode()
        assert "grün" in found.text()
        assert (found.each("r"), found.each("x"), found.each("i")) == (["100x30"], ["7"], [])


async def test_a_command_on_a_terminal_and_what_is_typed(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    async with recorded(pool, tmp_path, sshd, input=True) as door:
        done = await door.ssh("a", "-tt", "--", "stty -echo; read x; kill -TERM $$", stdin=b"a-password\n")
        assert done.status != 0
        [one] = await listed(door, over=1)
        assert one.what == "run.exec"
        found = await cast(door, one)
        assert "a-password" in found.text("i")
        assert found.each("x") == ["143"]


async def test_much_of_it(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    async with recorded(pool, tmp_path, sshd) as door:
        done = await door.ssh("a", "-tt", "--", "stty raw; head -c 5000000 /dev/zero | tr '\\0' x")
        assert done.out == b"x" * 5_000_000
        [one] = await listed(door, over=1)
        assert (await cast(door, one)).text() == "x" * 5_000_000


async def test_without_a_terminal_nothing_is_recorded(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    async with recorded(pool, tmp_path, sshd) as door:
        assert (await door.ssh("a", "-T", "--", "echo in")).out == b"in\n"
        assert (await door.ssh("a", "-s", "--", "sftp")).status == 0
        assert await listed(door, over=0) == []


async def test_a_shell_is_recorded_without_a_terminal_too(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    async with recorded(pool, tmp_path, sshd) as door:
        done = await door.ssh("a", "-T", stdin=b"echo in; exit 4\n")
        assert (done.status, b"in\n" in done.out) == (4, True)
        [one] = await listed(door, over=1)
        assert one.what == "shell.shell"
        found = await cast(door, one)
        assert "in\n" in found.text()
        assert found.each("x") == ["4"]


async def test_what_is_not_selected_is_not_recorded(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    async with recorded(pool, tmp_path, sshd, select="core*") as door:
        assert (await door.ssh("a", "-tt", "--", "echo in")).out == b"in\r\n"
        assert await listed(door, over=0) == []


async def test_what_cannot_be_recorded_is_refused(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    await hold(pool, "a", sshd)
    trail = await Trail.open(tmp_path)
    async with (
        taping(tmp_path, free_mib=1 << 40) as recordings,
        opened(pool, tmp_path, Audit(trail), recordings=recordings) as door,
    ):
        done = await door.ssh("a", "-tt", "--", "echo in")
        assert (done.status, done.out) == (255, b"")
        assert b"mooring: it is refused, since it cannot be recorded" in done.err
        assert (await door.ssh("a", "--", "echo in")).out == b"in\n"
        page = await trail.page(AuditQuery(what="run.exec", outcome="failed"))
        assert [record.detail["error"] for record in page.records] == ["state-error"]
    await trail.aclose()


async def test_nothing_starts_before_its_recording_is_there(
    pool: Pool, sshd: Sshd, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed and asked meanwhile follows; and nothing does where it cannot be written."""
    async with recorded(pool, tmp_path, sshd) as door, asyncio.timeout(PATIENCE):
        write, asked, go = CastFile.write, asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def slow(file: CastFile, data: bytes) -> None:
            loop.call_soon_threadsafe(asked.set)
            go.wait(PATIENCE)
            write(file, data)

        monkeypatch.setattr(CastFile, "write", slow)
        ssh = asyncio.create_task(door.ssh("a", "-T", stdin=f"touch {shared}/on; exit 4\n".encode()))
        await asked.wait()
        assert pool["a"].status().channels.open == 1
        assert not (shared / "on").exists()
        go.set()
        assert (await ssh).status == 4
        assert (shared / "on").exists()

        def broken(_: CastFile, __: bytes) -> None:
            raise StateError("no room")

        monkeypatch.setattr(CastFile, "write", broken)
        done = await door.ssh("a", "-T", stdin=f"touch {shared}/again\n".encode())
        assert (done.status, done.err) == (255, b"mooring: it is refused, since it cannot be recorded: no room\n")
        assert not (shared / "again").exists()


async def test_unless_it_is_not_required(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    async with recorded(pool, tmp_path, sshd, free_mib=1 << 40, required=False) as door:
        assert (await door.ssh("a", "-tt", "--", "echo in")).out == b"in\r\n"


@pytest.mark.parametrize("required", [True, False])
async def test_what_can_be_recorded_no_longer(
    pool: Pool, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, required: bool
) -> None:
    async with recorded(pool, tmp_path, sshd, required=required) as door:
        command = door.ssh_command("a", "-tt", "--", "stty -echo; echo begun; read x; echo on; read x; echo over")

        def full(_: Folder) -> None:
            raise StateError("no room any more")

        def use() -> tuple[int, str]:
            with OnTerminal(command, os.environ) as seat:
                seat.expect("begun")
                monkeypatch.setattr(Folder, "check", full)
                seat.type("\r")
                seat.expect("on")
                if not required:
                    seat.type("\r")
                return seat.end()

        status, seen = await asyncio.to_thread(use)
        assert (status, "no room any more" in seen) == ((255, True) if required else (0, False))
        assert ("over" in seen) is not required
        [one] = await listed(door, over=1)
        assert (await cast(door, one)).events[-1].code == "m"


async def test_where_nothing_is_recorded_nothing_looks(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Near] = []

    class Seen(Near):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(visitor, "Near", Seen)
    assert (await door.ssh("a", "-tt", "--", "echo in")).out == b"in\r\n"
    assert [type(near) for near in made] == [Seen]
    assert not (tmp_path / "recordings").exists()
