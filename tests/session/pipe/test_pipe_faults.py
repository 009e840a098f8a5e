"""Every way a pipe can break ends in a named error, in time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mooring import (
    HandlerEnded,
    HandlerFailed,
    MooringError,
    Pipe,
    PipeBroken,
    PipeClosed,
    PipeTimeout,
    Session,
    SessionLost,
)
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.session.held import held

pytestmark = pytest.mark.anyio

ANSWERING = Path(__file__).parent / "handlers" / "answering.py"


async def freed(session: Session) -> None:
    async with asyncio.timeout(30):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def ends_in(pipe: Pipe, error: type[MooringError], match: str) -> MooringError:
    """Everybody who uses the pipe gets the same error, within a bounded time."""
    async with asyncio.timeout(30):
        with pytest.raises(error, match=match):
            await pipe.request("x")
        with pytest.raises(error, match=match):
            await pipe.send("x")
        with pytest.raises(error, match=match):
            async for _ in pipe:
                pass
        with pytest.raises(error, match=match) as caught:
            await pipe.close()
    return caught.value


@asynccontextmanager
async def waited_for(pipe: Pipe) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Somebody waits for an answer, for a message and for room while the block runs."""
    await pipe.send(["!sleep", 60])
    tasks = [
        asyncio.create_task(pipe.request("an answer")),
        asyncio.ensure_future(anext(pipe)),
        asyncio.create_task(_fill(pipe)),
    ]
    while pipe.status().room > 0:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.01)
    yield tasks
    async with asyncio.timeout(30):
        await asyncio.wait(tasks)


async def _fill(pipe: Pipe) -> None:
    while True:
        await pipe.send(bytes(1 << 18))


async def test_handler_killed(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    async with waited_for(pipe) as tasks:
        await session.run(f"kill -9 {pipe.status().pid}")
    for task in tasks:
        with pytest.raises(HandlerEnded, match=r"ended by signal KILL; \d+ messages were not dealt with, 1 requests"):
            task.result()
    error = await ends_in(pipe, HandlerEnded, "by signal KILL")
    assert isinstance(error, HandlerEnded)
    assert error.end is not None
    assert error.end.exit_status == -1
    await freed(session)


async def test_handler_ended_by_itself(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    await pipe.send(["!kill"])
    async with asyncio.timeout(30):
        with pytest.raises(HandlerEnded, match="by signal KILL; 1 messages were not dealt with"):
            await anext(pipe)
    await freed(session)


async def test_sshd_killed(start_sshd: StartSshd) -> None:
    sshd = start_sshd()
    async with held(sshd) as session:
        pipe = await session.pipe(deploy=ANSWERING).start()
        async with waited_for(pipe) as tasks:
            sshd.kill()
        for task in tasks:
            with pytest.raises(SessionLost, match=r"was lost under the pipe; \d+ messages were not dealt with"):
                task.result()
        await ends_in(pipe, SessionLost, "was lost under the pipe")


async def test_link_blackholed(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link, keepalive=0.2) as session:
        pipe = await session.pipe(deploy=ANSWERING).start()
        link.blackhole()
        await ends_in(pipe, SessionLost, "was lost under the pipe")


async def test_a_packet_corrupted_on_the_way(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        pipe = await session.pipe(deploy=ANSWERING).start()
        link.corrupt(20)
        await ends_in(pipe, SessionLost, "was lost under the pipe")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("this is no frame", "a frame of kind 32 claims 1952999795 bytes"),
        ("\xff\xff\xff\xff\x03\x00\x00\x00\x00\x00", "claims 4294967295 bytes, and may have 67108864"),
        ("\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00", "a frame of kind 1 is not for this end"),
        ("\x00\x00\x00\x00\x04\x00\x00\x00\x00\x63", "it answered request 99, which was not asked"),
        ("\x00\x00\x00\x01\x06\x02\x00\x00\x00\x00{", "a log record cannot be read"),
        ("\x00\x00\x00\x02\x06\x02\x00\x00\x00\x00{}", "a log record has no level or name"),
        ("\x00\x00\x00\x01\x03\x03\x00\x00\x00\x00N", "codec 3, which was not agreed on"),
        ("\x00\x00\x00\x01\x07\x00\x00\x00\x00\x01x", "a credit cannot be read"),
    ],
)
async def test_what_is_no_frame(session: Session, written: str, why: str) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    await pipe.send(["!raw", written])
    async with asyncio.timeout(30):
        with pytest.raises(PipeBroken, match=why):
            await anext(pipe)
    await ends_in(pipe, PipeBroken, why)
    await freed(session)


async def test_an_answer_that_cannot_be_read_fails_its_request_alone(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe, asyncio.timeout(30):
        with pytest.raises(HandlerFailed, match="the answer of the handler on edge1 cannot be read: a payload"):
            await pipe.request(["!unreadable"])
        assert await pipe.request("still") == "still"


async def test_half_a_frame_and_then_nothing(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    await pipe.send(["!half"])
    async with asyncio.timeout(30):
        with pytest.raises(PipeBroken, match="ended within a frame, after 14 bytes of it"):
            await anext(pipe)
    await freed(session)


async def test_more_than_it_was_allowed_to_send(session: Session, tmp_path: Path) -> None:
    handler = tmp_path / "greedy.py"
    handler.write_text(
        "from mooring.far import serve\n"
        "def handle(pipe, message):\n"
        "    pipe._room = 1 << 30\n"
        "    for _ in range(100): pipe.send(bytes(1 << 16))\n"
        "serve(handle)\n"
    )
    pipe = await session.pipe(deploy=handler).start()
    await pipe.send("go")
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        while pipe.status().waiting < 32:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
        with pytest.raises(PipeBroken, match="it sent more than it was allowed to"):
            await pipe.close()
    await freed(session)


async def test_credit_withheld(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    await pipe.send(["!sleep", 60])
    await pipe.send(bytes(1 << 21))
    with pytest.raises(PipeTimeout, match=r"took nothing more within 0\.1 s; 2 messages were not dealt with"):
        await pipe.send("x", timeout=0.1)
    with pytest.raises(PipeTimeout, match=r"did not answer within 0\.1 s"):
        await pipe.request("x", timeout=0.1)
    with pytest.raises(PipeTimeout, match=r"did not end within 0\.1 s"):
        await pipe.close(timeout=0.1)
    await freed(session)


async def test_a_handler_outlives_no_lost_link(sshd: Sshd, tmp_path: Path) -> None:
    handler = tmp_path / "telling.py"
    handler.write_text(
        "import sys\nfrom mooring.far import connect\n"
        "with connect() as pipe:\n    for message in pipe: pass\n    open(sys.argv[1], 'w').write(str(pipe.lost))\n"
    )
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session, held(sshd) as other:
        mark = (await other.run("mktemp -u")).stdout.strip()
        await session.pipe(deploy=handler, args=[mark]).start()
        link.reset()
        found = await other.run(f"until [ -s {mark} ]; do sleep 0.05; done; cat {mark}; rm {mark}", timeout=30)
        assert found.stdout == "True"


async def test_the_session_ends_its_pipes(sshd: Sshd) -> None:
    async with held(sshd) as session:
        pipe = await session.pipe(deploy=ANSWERING).start()
    await ends_in(pipe, SessionLost, "was lost under the pipe; nothing was in flight")
    with pytest.raises(MooringError):
        await session.pipe(deploy=ANSWERING).start()


async def test_cancelling_who_waits_loses_nothing(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    waiting = asyncio.ensure_future(anext(pipe))
    await asyncio.sleep(0)
    await pipe.send("first")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await anext(pipe) == "first"
    asking = asyncio.create_task(pipe.request(["!sleep", 0.2]))
    await asyncio.sleep(0.01)
    asking.cancel()
    assert await pipe.request("next") == "next"
    await pipe.close()
    with pytest.raises(PipeClosed):
        await pipe.request("x")
