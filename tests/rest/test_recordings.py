"""Terminals recorded through the REST door: a real sshd, real WebSockets, files that a strict reader takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mooring.model.errors import StateError
from mooring.store.recordings.folder import Folder
from mooring.wire.channel import Kind, Terminal, read_exit, read_problem
from tests import asciicast
from tests.peers.sshd import Sshd

from .door import BOUND, Running, recording, running, taping
from .talking import Channel, channel

pytestmark = pytest.mark.anyio

SMALL = Terminal("xterm", 80, 24)
ENDS = "stty size; printf 'gr\\303\\274n\\n'; exit 3"


@contextlib.asynccontextmanager
async def opened(folder: Path, sshd: Sshd, **settings: Any) -> AsyncIterator[Running]:
    """A door that records, with ``web1`` on a real sshd."""
    async with taping(folder, **settings) as recordings, running(folder, recordings=recordings) as door:
        await door.hold_sshd("web1", sshd)
        yield door


async def listed(door: Running, *, over: int) -> list[dict[str, Any]]:
    """The recordings, once so many have ended."""
    async with asyncio.timeout(BOUND):
        while True:
            found: list[dict[str, Any]] = (await door.ask("GET", "/v1/recordings")).value["recordings"]
            if sum(one["seconds"] is not None for one in found) >= over:
                return found
            await asyncio.sleep(0.02)


async def cast(door: Running, recording_id: str) -> asciicast.Cast:
    answer = await door.ask("GET", f"/v1/recordings/{recording_id}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-asciicast")
    return asciicast.read(answer.body)


async def until(client: Channel, text: bytes) -> None:
    """Read on until a text was shown."""
    seen = b""
    async with asyncio.timeout(BOUND):
        while text not in seen:
            frame = await client.receive()
            assert frame.kind in {Kind.STDOUT, Kind.NOTICE, Kind.WINDOW}, frame
            seen += frame.payload if frame.kind is Kind.STDOUT else b""


@pytest.mark.parametrize("kind", ["terminal", "exec"])
async def test_what_it_shows_is_recorded(tmp_path: Path, sshd: Sshd, kind: str) -> None:
    async with opened(tmp_path, sshd) as door:
        async with channel(door) as client:
            await client.open(kind, command=ENDS, term=SMALL)
            out, _, last = await client.rest()
        assert read_exit(last.payload) == (3, None)
        [one] = await listed(door, over=1)
        what = "shell.terminal" if kind == "terminal" else "run.exec"
        told = {"alias": "web1", "who": "tests", "door": "tcp", "what": what, "columns": 80, "rows": 24}
        assert told.items() <= one.items()
        found = await cast(door, one["id"])
        assert found.text() == out.decode() == "24 80\r\ngrün\r\n"
        assert (found.each("x"), found.text("i")) == (["3"], "")
        assert one["bytes"] > 0
        assert 0 <= one["seconds"] < BOUND


async def test_a_shell_is_recorded_without_a_terminal_too(tmp_path: Path, sshd: Sshd) -> None:
    async with opened(tmp_path, sshd) as door:
        async with channel(door) as client:
            await client.open("shell")
            await client.send(b"echo in; exit 3\n")
            out, _, _ = await client.rest()
        [one] = await listed(door, over=1)
        found = await cast(door, one["id"])
        assert b"in\n" in out
        assert "in\n" in found.text()
        assert found.each("x") == ["3"]


async def test_sizes_and_what_is_typed(tmp_path: Path, sshd: Sshd) -> None:
    async with opened(tmp_path, sshd, input=True) as door:
        for kind in ("terminal", "shell"):
            async with channel(door) as client:
                await client.open(kind, term=SMALL)
                await client.socket.send(client.side.resize(100, 30))
                await client.send(b"stty -echo; stty size\r")
                await until(client, b"30 100")
                await client.send(b"a-password\rexit 0\r")
                await client.rest()
        for one in await listed(door, over=2):
            found = await cast(door, one["id"])
            assert found.each("r") == ["100x30"]
            assert "a-password\r" in found.text("i")
            assert found.each("x") == ["0"]


async def test_one_that_goes_on_can_be_read_and_not_removed(tmp_path: Path, sshd: Sshd) -> None:
    async with opened(tmp_path, sshd) as door:
        async with channel(door) as client:
            await client.open("terminal", term=SMALL, name="one", command="echo begun; cat")
            await until(client, b"begun")
            [one] = await listed(door, over=0)
            assert one["seconds"] is None
            async with asyncio.timeout(BOUND):
                while "begun" not in (await cast(door, one["id"])).text():  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.02)
            (await door.ask("DELETE", f"/v1/recordings/{one['id']}")).problem(400, "invalid-input")
            await door.ask("DELETE", "/v1/terminals/web1/one")
        await listed(door, over=1)
        gone = await door.ask("DELETE", f"/v1/recordings/{one['id']}")
        assert (gone.status, gone.value["id"]) == (200, one["id"])
        assert (await door.ask("GET", "/v1/recordings")).value == {"recordings": []}
        (await door.ask("GET", f"/v1/recordings/{one['id']}")).problem(404, "unknown-recording")


async def test_what_is_not_recorded(tmp_path: Path, sshd: Sshd) -> None:
    async with opened(tmp_path, sshd, select="core*") as door:
        await door.hold_sshd("core1", sshd)
        async with channel(door) as client:  # not selected
            await client.open("terminal", command=ENDS, term=SMALL)
            await client.rest()
        for fields in ({}, {"term": SMALL}):  # without a terminal, and with one
            async with channel(door, "core1") as client:
                await client.open("exec", command="echo in", **fields)
                await client.rest()
        [one] = await listed(door, over=1)
        assert one["alias"] == "core1"


async def test_off_by_default_nothing_is_recorded(tmp_path: Path, sshd: Sshd) -> None:
    async with running(tmp_path) as door:
        await door.hold_sshd("web1", sshd)
        async with channel(door) as client:
            await client.open("terminal", command=ENDS, term=SMALL)
            assert (await client.rest())[2].kind is Kind.EXIT
        problem = (await door.ask("GET", "/v1/recordings")).problem(503, "state-error")
        assert problem["hint"].startswith("[recordings] enabled = true in the daemon's configuration")
    assert not (tmp_path / "recordings").exists()


@pytest.mark.parametrize("kind", ["terminal", "exec"])
async def test_what_cannot_be_recorded_is_refused(tmp_path: Path, sshd: Sshd, kind: str) -> None:
    async with opened(tmp_path, sshd, free_mib=1 << 40) as door, channel(door) as client:
        frame = await client.open(kind, command="echo in", term=SMALL)
        assert frame.kind is Kind.ERROR
        problem = read_problem(frame.payload)
        assert (problem["code"], "cannot be recorded" in problem["detail"]) == ("state-error", True)
        assert "make room" in problem["hint"]
        assert (await door.ask("GET", "/v1/terminals")).value == {"terminals": []}


@pytest.mark.parametrize("kind", ["terminal", "exec"])
async def test_unless_it_is_not_required(tmp_path: Path, sshd: Sshd, kind: str) -> None:
    async with opened(tmp_path, sshd, free_mib=1 << 40, required=False) as door, channel(door) as client:
        await client.open(kind, command=ENDS, term=SMALL)
        assert (await client.rest())[2].kind is Kind.EXIT


@pytest.mark.parametrize("kind", ["terminal", "exec"])
@pytest.mark.parametrize("required", [True, False])
async def test_what_can_be_recorded_no_longer(
    tmp_path: Path, sshd: Sshd, kind: str, monkeypatch: pytest.MonkeyPatch, *, required: bool
) -> None:
    async with opened(tmp_path, sshd, required=required) as door, channel(door) as client:
        await client.open(kind, command="echo begun; read x; echo on; read x; echo over", term=SMALL)
        await until(client, b"begun")

        def full(_: Folder) -> None:
            raise StateError("no room any more")

        monkeypatch.setattr(Folder, "check", full)
        await client.send(b"\r")
        if required:
            _, _, last = await client.rest()
            problem = read_problem(last.payload)
            assert (problem["code"], "no room any more" in problem["detail"]) == ("state-error", True)
        else:
            await until(client, b"on\r\n")
            await listed(door, over=1)
            await client.send(b"\r")
            assert (await client.rest())[2].kind is Kind.EXIT
        [one] = await listed(door, over=1)
        assert (await cast(door, one["id"])).events[-1].code == "m"


async def test_who_looks_at_them_is_on_record(tmp_path: Path, sshd: Sshd) -> None:
    async with (
        taping(tmp_path) as recordings,
        recording(tmp_path) as audit,
        running(tmp_path, recordings=recordings, audit=audit) as door,
    ):
        await door.hold_sshd("web1", sshd)
        async with channel(door) as client:
            await client.open("terminal", command=ENDS, term=SMALL)
            await client.rest()
        [one] = await listed(door, over=1)
        await cast(door, one["id"])
        await door.ask("DELETE", f"/v1/recordings/{one['id']}")
        trail = (await door.ask("GET", "/v1/audit?order=oldest&alias=web1")).value["records"]
        told = [(record["what"], record["outcome"]) for record in trail]
        assert sorted(told) == [
            ("admin.recording.read", "begun"),
            ("admin.recording.read", "done"),
            ("admin.recording.remove", "begun"),
            ("admin.recording.remove", "done"),
            ("shell.terminal", "begun"),
            ("shell.terminal", "done"),
        ]
        for record in trail:
            if (record["outcome"] == "done") is (record["what"] == "shell.terminal"):
                assert record["detail"]["recording"] == one["id"]
