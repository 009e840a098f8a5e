"""Messages to and from handlers at a real sshd."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mooring import (
    HandlerEnded,
    HandlerFailed,
    HandlerNotStarted,
    InvalidInput,
    PipeBroken,
    PipeClosed,
    PipeEnd,
    PipeTimeout,
    Session,
)

pytestmark = pytest.mark.anyio

ANSWERING = Path(__file__).parent / "handlers" / "answering.py"
SCRIPTS = ["Привет, мир", "こんにちは", "مرحبا بالعالم", "🛳️ ⚓", "e\u0301", "\ud800 alone", "", "\0\n\r"]


async def test_messages_and_answers(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        assert await pipe.request({"a": [1, None, 2.5, "ü"]}) == {"a": [1, None, 2.5, "ü"]}
        assert await pipe.request(b"\0\xff") == b"\0\xff"
        await pipe.send("one")
        await pipe.send(2)
        assert [await anext(pipe), await anext(pipe)] == ["one", 2]
        status = pipe.status()
        assert (status.alias, status.handler, status.sent, status.received) == ("edge1", "answering", 4, 2)
        assert status.pid == await pipe.request(["!pid"])
        assert await pipe.close() == PipeEnd(0, "", "")
        assert await pipe.close() == PipeEnd(0, "", "")
    assert [message async for message in pipe] == []


async def test_text_in_any_script(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        for text in SCRIPTS:
            assert await pipe.request(text) == text
            assert await pipe.request({text: [text]}) == {text: [text]}


async def test_a_message_of_64_megabytes(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        great = "ü" * (1 << 25)
        assert await pipe.request(great) == great
        with pytest.raises(InvalidInput, match="a message has 67108865 bytes, and may have 67108864"):
            await pipe.send(bytes((1 << 26) + 1))
        assert await pipe.request("still here") == "still here"


async def test_answers_to_many_at_once(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        assert await asyncio.gather(*(pipe.request(number) for number in range(500))) == list(range(500))


async def test_many_who_wait_for_room_are_let_in_one_by_one(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        great = bytes(1 << 20)
        async with asyncio.timeout(30):
            await pipe.send(["!sleep", 0.2])
            answers = asyncio.gather(*(pipe.request(great) for _ in range(8)))
            await asyncio.gather(*(pipe.send(["!sleep", 0]) for _ in range(8)))
            assert await answers == [great] * 8


async def test_what_is_dealt_with_is_told_soon(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    for _ in range(6):
        await pipe.send(["!sleep", 0.15])
    await pipe.send(["!many", 1, 1])
    await pipe.send(["!sleep", 60])
    async with asyncio.timeout(30):
        await anext(pipe)
        while pipe.status().unfinished > 2:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    await session.run(f"kill -9 {pipe.status().pid}")
    with pytest.raises(HandlerEnded, match=r"[12] messages were not dealt with"):
        await pipe.wait()


async def test_it_comes_before_anything_else_is_sent(session: Session, tmp_path: Path) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        await pipe.send("first")
        async with asyncio.timeout(30):
            assert await anext(pipe) == "first"
    assert session.status().commands == 1


def _counted(writes: list[int], write: Callable[[Any], None], data: Any) -> None:  # noqa: ANN401 - bytes, or a list
    writes.append(len(data))
    write(data)


async def test_messages_of_one_turn_leave_in_one_write(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        await pipe.request("ready")
        transport = session.connection._transport  # noqa: SLF001 - where system calls are made
        assert transport is not None
        writes: list[int] = []
        for way in ("write", "writelines"):  # it is one of the two, as the loop has them
            counted = partial(_counted, writes, getattr(transport, way))
            monkeypatch.setattr(transport, way, counted)
        for number in range(100):
            await pipe.send(number)
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(writes) == 1
        assert [await anext(pipe) for _ in range(100)] == list(range(100))


async def test_what_a_handler_prints_disturbs_nothing(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        assert await pipe.request(["!print", "grüße\0"]) == ""
        assert await pipe.request("after") == "after"
        assert await pipe.close() == PipeEnd(0, "grüße\0\nraw\n", "grüße\0\nfrom a child\n")


async def test_what_a_forked_child_prints_disturbs_nothing(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        assert await pipe.request(["!fork"]) == 0
        assert [await anext(pipe) for _ in range(50)] == list(range(50))
        end = await pipe.close()
        assert end == PipeEnd(0, "from the handler\n" * 50, "from a forked child\n" * 50)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("send", "raised FrameError: a message has 67108865 bytes, and may have 67108864"),
        ("reply", "raised FrameError: a message has 67108865 bytes, and may have 67108864"),
        ("raise", "raised ValueError: xxxx"),
        ("print", None),
        ("log", None),
    ],
)
async def test_what_a_handler_makes_too_great_does_not_end_the_pipe(
    session: Session, what: str, said: str | None
) -> None:
    quiet = logging.getLogger("mooring.test.quiet")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    async with session.pipe(deploy=ANSWERING, logger=quiet) as pipe, asyncio.timeout(50):
        if said is None:
            await pipe.request(["!great", what])
        else:
            with pytest.raises(HandlerFailed, match=said):
                await pipe.request(["!great", what])
        assert await pipe.request("still here") == "still here"


async def test_a_logger_that_fails_ends_neither_pipe_nor_session(session: Session) -> None:
    def fails(record: logging.LogRecord) -> bool:
        raise ValueError(record.name)

    failing = logging.getLogger("mooring.test.failing")
    failing.addFilter(fails)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    try:
        async with session.pipe(deploy=ANSWERING) as other, session.pipe(deploy=ANSWERING, logger=failing) as pipe:
            await pipe.request(["!log", "x"])
            assert [await pipe.request("still"), await other.request("still")] == ["still", "still"]
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
        failing.removeFilter(fails)
    assert told
    assert {repr(error) for error in told} == {"ValueError('far.away')"}


async def test_what_is_printed_before_the_pipe_is_taken_is_output(session: Session, installed: Path) -> None:
    line = f"echo from the login; PYTHONPATH={installed} exec python3 {installed}/answering.py"
    async with session.pipe(line) as pipe:
        assert await pipe.request(1) == 1
        assert await pipe.close() == PipeEnd(0, "from the login\n", "")


async def test_a_handler_that_is_installed_there(session: Session, installed: Path) -> None:
    words = ["env", f"PYTHONPATH={installed}", "python3", str(installed / "answering.py")]
    async with session.pipe(words, args=["a b", "$HOME"]) as pipe:
        argv, name, *_ = await pipe.request(["!argv"])
        assert (argv[1:], name) == (["a b", "$HOME"], "__main__")


async def test_a_deployed_handler_leaves_nothing(session: Session) -> None:
    before = (await session.run("ls -a")).stdout.split()
    async with session.pipe(deploy=ANSWERING, args=["a b"]) as pipe:
        argv, name, file, files = await pipe.request(["!argv"])
        assert (argv, name, file) == (["answering.py", "a b"], "__main__", "answering.py")
        assert sorted({*files, ".", ".."}) == sorted(before)
    assert (await session.run("ls -a")).stdout.split() == before


async def test_a_handler_of_sshpipes_is_deployed_too(session: Session, tmp_path: Path) -> None:
    handler = tmp_path / "old.py"
    handler.write_text(
        "from mooring.compat.sshpipe import SSHPipeHandler\n"
        "class Old(SSHPipeHandler):\n    def handle(self, received): return [received, sorted(globals())]\n"
        "Old('old').service_loop()\n"
    )
    async with session.pipe(deploy=handler) as pipe:
        answer, names = await pipe.request("ü")
        assert answer == "ü"
        assert not {"os", "sys", "json"} & set(names)
        assert pipe.status().handler == "old"
    handler.write_text("import mooring.compat.sshpipe\nmooring.compat.sshpipe.SSHPipe\n")
    with pytest.raises(HandlerNotStarted, match=r"No module named 'mooring.*deploy= ships the handler with"):
        await session.pipe(deploy=handler).start()
    handler.write_text("import mooring.sshconfig\n")
    with pytest.raises(HandlerNotStarted, match=r"No module named 'mooring.*deploy= ships the handler with"):
        await session.pipe(deploy=handler).start()


@pytest.mark.parametrize(
    "source",
    [
        "\ufeff".encode() + "WORD = 'grüße'\n".encode(),
        "# coding: latin-1\nWORD = 'grüße'\n".encode("latin-1"),
        "# coding: utf-8\r\nWORD = 'grüße'\r\n".encode(),
    ],
    ids=["mark", "cookie", "lines"],
)
async def test_a_handler_file_as_python_reads_it(session: Session, tmp_path: Path, source: bytes) -> None:
    handler = tmp_path / "any.py"
    handler.write_bytes(source + b"from mooring.far import serve\nserve(lambda pipe, message: WORD)\n")
    async with session.pipe(deploy=handler) as pipe:
        assert await pipe.request(None) == "grüße"


async def test_an_exception_over_a_request(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        with pytest.raises(HandlerFailed, match="the handler on edge1 raised ValueError: no such job") as caught:
            await pipe.request(["!raise", "no such job"])
        assert 'File "answering.py"' in caught.value.remote_traceback
        assert "raise ValueError(text)" in caught.value.remote_traceback
        assert await pipe.request("it goes on") == "it goes on"


async def test_an_exception_that_cannot_be_told(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    with pytest.raises(HandlerFailed, match="raised Untold: it cannot be told"):
        await pipe.request(["!raise", ""])
    assert await pipe.request("it goes on") == "it goes on"
    await pipe.send(["!raise", ""])
    with pytest.raises(HandlerFailed, match="raised Untold: it cannot be told"):
        await pipe.close()


async def test_a_handler_may_close_its_standard_output(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        assert await pipe.request(["!close"]) is None
        assert await pipe.request("it goes on") == "it goes on"
        assert (await pipe.close()).exit_status == 0


async def test_an_exception_over_a_message(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    await pipe.send(["!raise", "no such job"])
    with pytest.raises(HandlerFailed, match="no such job") as caught:
        await pipe.request("after")
    with pytest.raises(HandlerFailed):
        await pipe.close()
    assert caught.value.end is not None
    assert caught.value.end.exit_status == 1


async def test_log_records_come_home(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("here")
    logger.setLevel(logging.INFO)
    async with session.pipe(deploy=ANSWERING, logger=logger) as pipe:
        assert await pipe.request(["!log", "lost ü"]) == logging.INFO
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("far.away", "ERROR", "it was lost ü")
    assert "KeyError" in str(record.exc_text)
    assert record.process == pipe.status().pid


async def test_objects_where_both_ends_have_pickle(session: Session, tmp_path: Path) -> None:
    handler = tmp_path / "pickling.py"
    handler.write_text("from mooring.far import serve\nserve(lambda pipe, message: message, codec='pickle')\n")
    async with session.pipe(deploy=handler, codec="pickle") as pipe:
        assert await pipe.request({1: (2, {3})}) == {1: (2, {3})}
    with pytest.raises(HandlerNotStarted, match="started with codec 'json', and this one with 'pickle'"):
        await session.pipe(deploy=handler).start()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("python9 handler.py", r"with status 127: .*python9: not found.* \(is the interpreter installed there"),
        ("python3 /no/such/handler.py", r"with status 2: .*can't open file '/no/such/handler.py'"),
        ("python3 -m no_such_module", "with status 1: .*No module named no_such_module"),
        ("/etc/passwd", "with status 126: .*ermission denied"),
        ("true", "with status 0: it said nothing"),
        ("echo some text; exit 3", "with status 3: some text"),
        ("kill -s KILL $$", "by signal KILL"),
        ("head -c 100000 /dev/zero", "it printed [0-9]+ bytes and did not take the pipe"),
    ],
)
async def test_what_does_not_start_says_why(session: Session, command: str, said: str) -> None:
    with pytest.raises((HandlerNotStarted, PipeBroken), match=said):
        await session.pipe(command).start()
    assert (await session.run("echo still up")).stdout == "still up\n"


async def test_an_import_that_fails_says_so(session: Session, tmp_path: Path) -> None:
    handler = tmp_path / "importing.py"
    handler.write_text("import no_such_thing\n")
    with pytest.raises(HandlerNotStarted, match="No module named 'no_such_thing'") as caught:
        await session.pipe(deploy=handler).start()
    assert caught.value.end is not None
    assert caught.value.end.exit_status == 1
    assert 'File "importing.py", line 1' in caught.value.end.stderr


async def test_what_never_acknowledges(session: Session) -> None:
    with pytest.raises(PipeTimeout, match=r"did not acknowledge the pipe within 2 s"):
        await session.pipe("sleep 60", timeout=2.0).start()


async def test_a_slow_answer(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        with pytest.raises(PipeTimeout, match=r"did not answer within 0\.1 s"):
            await pipe.request(["!sleep", 2], timeout=0.1)
        assert pipe.status().unanswered == 1
        assert await pipe.request("later") == "later"
        assert pipe.status().unanswered == 0


async def test_many_messages_come_in_order_and_bounded(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        await pipe.send(["!many", 400, 50_000])
        async with asyncio.timeout(30):
            while pipe.status().waiting < 40:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert pipe.status().waiting <= 43  # 2 MiB and one message
        for _ in range(400):
            assert len(await anext(pipe)) == 50_000


async def test_a_stuck_handler_takes_no_more_than_its_credit(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    await pipe.send(["!sleep", 60])
    for _ in range(32):
        await pipe.send(bytes(1 << 16), timeout=30)
    with pytest.raises(PipeTimeout, match=r"took nothing more within 0\.3 s; 33 messages were not dealt with"):
        await pipe.send(bytes(1 << 16), timeout=0.3)
    with pytest.raises(PipeTimeout, match=r"did not end within 0\.2 s; 33 messages were not dealt with"):
        await pipe.close(timeout=0.2)
    with pytest.raises(PipeTimeout):
        await pipe.send("x")


async def test_messages_nobody_reads_are_counted_at_the_end(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    for _ in range(30):
        await pipe.send("x" * 100_000)  # all of which come back
    assert (await pipe.close()).exit_status == 0
    status = pipe.status()
    assert status.waiting + status.dropped == 30
    assert status.dropped


async def test_messages_can_be_read_while_it_closes(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()

    async def read() -> int:
        return sum([len(message) async for message in pipe])

    reading = asyncio.create_task(read())
    for _ in range(60):
        await pipe.send("x" * 100_000)
    assert (await pipe.close()).exit_status == 0
    assert await reading == 6_000_000


async def test_a_handler_that_leaves(session: Session) -> None:
    pipe = await session.pipe(deploy=ANSWERING).start()
    with pytest.raises(HandlerEnded, match="ended with status 5; 0 messages were not dealt with, 1 requests not"):
        await pipe.request(["!leave", 5])
    with pytest.raises(HandlerEnded):
        await pipe.close()


async def test_used_before_and_after(session: Session) -> None:
    pipe = session.pipe(deploy=ANSWERING)
    with pytest.raises(PipeClosed, match="not been started"):
        await pipe.send(1)
    with pytest.raises(PipeClosed, match="not been started"):
        await pipe.close()
    async with pipe:
        with pytest.raises(PipeClosed, match="started before"):
            await pipe.start()
    with pytest.raises(PipeClosed, match="has ended with status 0"):
        await pipe.send(1)


async def test_an_error_in_the_block_passes_through(session: Session) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is shown
        async with session.pipe(deploy=ANSWERING) as pipe:
            await pipe.send(["!sleep", 60])
            1 / 0  # noqa: B018 - which raises
    async with asyncio.timeout(30):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_cancelling_a_start_ends_the_handler(session: Session) -> None:
    task = asyncio.create_task(session.pipe("sleep 60").start())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(30):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"command": ""},
        {"command": "python3 x", "codec": "xml"},
        {"command": "python3 x", "timeout": 0},
        {"command": "python3 x", "args": "abc"},
        {"command": "python3 x", "env": {"A": 1}},
        {"deploy": "/no/such/file"},
        {"deploy": "/etc/passwd"},
    ],
)
async def test_bad_input_is_refused(session: Session, keywords: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        session.pipe(**keywords)  # type: ignore[arg-type]


async def test_messages_json_cannot_write_are_refused(session: Session) -> None:
    async with session.pipe(deploy=ANSWERING) as pipe:
        with pytest.raises(InvalidInput, match="a set cannot be sent"):
            await pipe.send({1})
        assert await pipe.request(1) == 1
