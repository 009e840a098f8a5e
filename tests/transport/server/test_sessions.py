"""What a session does, how it ends, and that it ends nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from pathlib import Path
from types import CoroutineType
from typing import Any

import asyncssh
import pytest

from mooring.transport.private import round_trip
from mooring.transport.server import session as session_module
from mooring.transport.server.household import Household
from mooring.transport.server.private import tasks_apart
from tests.pool.fleet import true

from .ground import PATIENCE, Ground

pytestmark = pytest.mark.anyio
Process = asyncssh.SSHServerProcess[Any]


async def act(process: Process) -> None:
    """Does what the command says."""
    match process.command:
        case "return":
            process.stdout.write("done")
        case "exit":
            process.exit(7)
        case "die":
            process.exit_with_signal("KILL")
        case "raise":
            raise RuntimeError("a mistake in a handler")
        case "read":
            process.stdout.write("reading\n")
            process.stdout.write(f"read {await process.stdin.read()!r}")
        case "stderr":
            process.stderr.write("wrong")
        case _:
            process.stdout.write("waiting\n")
            await asyncio.Event().wait()


async def test_how_a_handler_ends_is_how_its_session_does(ground: Ground) -> None:
    connection = await ground.connect(await ground.start(process=act))
    returned = await connection.run("return")
    assert (returned.stdout, returned.exit_status, returned.exit_signal) == ("done", 0, None)
    assert (await connection.run("exit")).exit_status == 7
    died = await connection.run("die")
    assert died.exit_signal is not None
    assert died.exit_signal[0] == "KILL"
    assert (await connection.run("stderr")).stderr == "wrong"
    assert (await connection.run("read", input="grüße\n")).stdout == "reading\nread 'grüße\\n'"
    assert ground.faults == []


async def test_a_handler_that_raises_ends_its_own_session_alone(ground: Ground) -> None:
    connection = await ground.connect(await ground.start(process=act))
    async with connection.create_process("read") as other:
        assert await other.stdout.readline() == "reading\n"
        failed = await connection.run("raise")
        assert (failed.stdout, failed.stderr, failed.exit_status) == ("", "", 1)
        other.stdin.write("still here")
        other.stdin.write_eof()
        assert await other.stdout.read() == "read 'still here'"
    assert ground.messages == ["act failed; its session is ended"]
    assert "a mistake in a handler" in str(ground.faults[0]["exception"])


@pytest.mark.parametrize("how", ["INT", "TERM", "break"])
async def test_who_catches_no_signal_is_ended_by_it(ground: Ground, how: str) -> None:
    connection = await ground.connect(await ground.start(process=act))
    async with connection.create_process("read") as process:
        assert await process.stdout.readline() == "reading\n"
        if how == "break":
            process.send_break(100)
        else:
            process.send_signal(how)
        ended = await asyncio.wait_for(process.wait(), PATIENCE)
    assert ended.exit_signal is not None
    assert ended.exit_signal[0] == ("INT" if how == "break" else how)
    assert ground.faults == []


async def test_a_handler_whose_channel_is_closed_with_input_that_it_has_not_read_is_cancelled(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_GRACE", 0.1)
    ended = asyncio.Event()

    async def waits(process: Process) -> None:
        process.stdout.write("waiting\n")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    connection = await ground.connect(await ground.start(process=waits))
    process = await connection.create_process("wait", encoding=None)
    assert await process.stdout.readline() == b"waiting\n"
    process.stdin.write(bytes(5_000_000))  # more than is read for a handler before it asks
    async with asyncio.timeout(PATIENCE):
        while process.channel.get_write_buffer_size() > 2_000_000:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    process.channel.abort()  # the connection stays
    async with asyncio.timeout(PATIENCE):
        await ended.wait()
    assert ground.faults == []


async def test_a_handler_whose_client_vanished_is_cancelled(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "_GRACE", 0.1)
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def wait(process: Process) -> None:
        process.stdout.write("waiting\n")
        try:
            await asyncio.Event().wait()
        finally:
            ended.put_nowait("ended")

    connection = await ground.connect(await ground.start(process=wait))
    process = await connection.create_process("x")
    assert await process.stdout.readline() == "waiting\n"
    connection.abort()
    assert await asyncio.wait_for(ended.get(), PATIENCE) == "ended"
    assert ground.faults == []


async def test_a_handler_may_tidy_up_after_it_has_said_how_it_ends(ground: Ground) -> None:
    tidied: asyncio.Queue[str] = asyncio.Queue()

    async def tidy(process: Process) -> None:
        process.exit(3)
        await process.channel.wait_closed()
        await asyncio.sleep(0.05)
        tidied.put_nowait("tidied")

    connection = await ground.connect(await ground.start(process=tidy))
    assert (await connection.run("x")).exit_status == 3
    assert await asyncio.wait_for(tidied.get(), PATIENCE) == "tidied"


async def test_closing_the_server_cancels_handlers_and_hangs_up(ground: Ground) -> None:
    server = await ground.start(process=act)
    connection = await ground.connect(server)
    waited = asyncio.ensure_future(server.wait_closed())
    process = await connection.create_process("wait")
    assert await process.stdout.readline() == "waiting\n"
    await asyncio.wait_for(server.aclose(), PATIENCE)
    await asyncio.wait_for(waited, PATIENCE)
    await asyncio.wait_for(connection.wait_closed(), PATIENCE)
    assert (server.addresses, server.connections) == ([], [])
    await server.aclose()
    assert ground.faults == []


async def test_a_plain_function_may_set_things_going(ground: Ground) -> None:
    def later(process: Process) -> None:
        asyncio.get_running_loop().call_later(0.05, process.exit, 5)

    connection = await ground.connect(await ground.start(process=later))
    assert (await asyncio.wait_for(connection.run("x"), PATIENCE)).exit_status == 5


async def test_bytes_that_are_no_text_are_shown_and_end_nothing(ground: Ground) -> None:
    connection = await ground.connect(await ground.start(process=act))
    ran = await connection.run("read", input=b"a\xffb", encoding=None)
    assert ran.stdout == b"reading\nread 'a\\\\xffb'"


async def test_bytes_are_given_where_they_are_asked_for(ground: Ground) -> None:
    async def count(process: Process) -> None:
        data = await process.stdin.read()
        process.stdout.write(data[::-1])

    connection = await ground.connect(await ground.start(process=count, encoding=None))
    data = bytes(range(256)) * 4096
    assert (await connection.run("x", input=data, encoding=None)).stdout == data[::-1]


async def redirect(process: Process) -> None:
    """Have the program that is named talk to the client."""
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_shell(str(process.command), stdin=pipe, stdout=pipe)
    await process.redirect(program.stdin, program.stdout)
    await process.stdout.drain()
    process.exit(await program.wait())


async def test_a_program_that_is_redirected_to(ground: Ground) -> None:
    connection = await ground.connect(await ground.start(process=redirect, encoding=None))
    data = bytes(range(256)) * 8192
    ran = await connection.run("cat; exit 3", input=data, encoding=None)
    assert (ran.stdout == data, ran.exit_status) == (True, 3)


async def test_a_program_that_stops_reading_ends_its_own_session_alone(ground: Ground) -> None:
    connection = await ground.connect(await ground.start(process=redirect, encoding=None))
    async with connection.create_process("cat", encoding=None) as other:
        ran = await connection.run("head -c 5; exit 3", input=bytes(4_000_000), encoding=None)
        assert (ran.stdout, ran.exit_status) == (bytes(5), 3)
        other.stdin.write(b"still here")
        other.stdin.write_eof()
        assert await other.stdout.read() == b"still here"
    assert ground.faults == []


async def test_a_server_may_end_before_what_a_redirection_left_is_awaited(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()
    run = Household.run

    def cancel_at_once(household: Household, coroutine: CoroutineType[Any, Any, None]) -> asyncio.Task[None]:
        task = run(household, coroutine)
        if coroutine.__name__ == "_tidied":
            task.cancel()
            tidied.set_result(task)
        return task

    monkeypatch.setattr(Household, "run", cancel_at_once)
    connection = await ground.connect(await ground.start(process=redirect, encoding=None))
    assert (await connection.run("cat; exit 3", input=b"x", encoding=None)).exit_status == 3
    await asyncio.wait([await asyncio.wait_for(tidied, PATIENCE)], timeout=PATIENCE)
    gc.collect()  # a coroutine that was never awaited is an error here


async def test_what_carries_a_redirection_may_be_cancelled_before_it_begins(ground: Ground) -> None:
    async def feed() -> None: ...

    feed.__qualname__ = "_StreamWriter._feed"
    connection: Any = await ground.connect(await ground.start(process=act))
    tasks_apart(connection)
    task = connection.create_task(feed())
    task.cancel()
    await asyncio.wait([task], timeout=PATIENCE)
    del task
    gc.collect()


async def test_a_client_sends_no_more_variables_than_anybody_needs(ground: Ground) -> None:
    async def count(process: Process) -> None:
        process.stdout.write(str(len(process.env)))

    for line_editor in (True, False):
        connection = await ground.connect(await ground.start(process=count, line_editor=line_editor))
        many = {f"NAME_{number}": "x" for number in range(1000)}
        assert (await connection.run("x", env=many)).stdout == "128"
        assert (await connection.run("x", env={"A": "b"})).stdout == "1"


async def test_sizes_and_signals_wait_for_a_handler_in_a_bounded_number(ground: Ground) -> None:
    go_on = asyncio.Event()
    read: list[str] = []

    async def count(process: Process) -> None:
        process.stdout.write("waiting\n")
        await go_on.wait()
        while True:
            try:
                if not await process.stdin.readline():
                    break
            except (asyncssh.TerminalSizeChanged, asyncssh.SignalReceived, asyncssh.BreakReceived) as event:
                read.append(type(event).__name__)

    connection = await ground.connect(await ground.start(process=count, line_editor=False))
    async with connection.create_process("x", term_type="xterm") as process:
        assert await process.stdout.readline() == "waiting\n"
        for number in range(3000):
            process.change_terminal_size(80 + number % 10, 24)
            process.send_signal("USR1")
            process.send_break(1)
        await round_trip(connection)  # all has come
        process.stdin.write_eof()
        go_on.set()
        await asyncio.wait_for(process.wait(), PATIENCE)
    assert len(read) == 1000


async def test_a_client_has_only_so_many_sessions(ground: Ground) -> None:
    connection = await ground.connect(await ground.start(process=act))
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(connection.create_process("wait"))
        with pytest.raises(asyncssh.ChannelOpenError, match="Too many"):
            await connection.run("exit")
        stack.push_async_callback(asyncio.sleep, 0)
        connection.abort()
    assert ground.faults == []


async def test_handlers_count_until_they_have_ended(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.transport.server.owner._SESSIONS", 3)
    go_on = asyncio.Event()

    async def linger(process: Process) -> None:
        process.stdout.write("here\n")
        await go_on.wait()

    server = await ground.start(process=linger)
    connection = await ground.connect(server)
    for _ in range(3):
        async with connection.create_process("x") as process:
            assert await process.stdout.readline() == "here\n"
            process.close()
            await process.wait_closed()
    with pytest.raises(asyncssh.ChannelOpenError, match="Too many"):
        await connection.run("x")
    handlers = set(server._household._tasks)  # noqa: SLF001 - whose end nobody else tells of
    go_on.set()
    await asyncio.wait(handlers, timeout=PATIENCE)
    assert (await connection.run("x")).stdout == "here\n"


async def test_there_is_no_shell_where_there_are_files_alone(ground: Ground, tmp_path: Path) -> None:
    connection = await ground.connect(await ground.start(sftp=tmp_path))
    for command, subsystem in (("id", None), (None, None), (None, "netconf"), ("scp -t .", None)):
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(command, subsystem=subsystem)
    async with connection.start_sftp_client() as sftp:
        assert await sftp.getcwd() == "/"


# Sessions of the caller's.


class Caller(asyncssh.SSHServerSession[str]):
    """Raises where it is told to."""

    wrong = ""
    told: list[str]
    lost: asyncio.Queue[str]

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._chan = chan
        self.told.append("made")

    def exec_requested(self, command: str) -> bool:
        self.wrong = command
        return True

    def session_started(self) -> None:
        if self.wrong == "start":
            raise RuntimeError("a mistake in session_started")
        self._chan.write("started\n")

    def data_received(self, data: str, datatype: asyncssh.DataType) -> None:
        if self.wrong == "data":
            raise RuntimeError("a mistake in data_received")
        self._chan.write(data)
        self._chan.exit(4)

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(f"lost {type(exc).__name__}")
        self.lost.put_nowait("lost")


@pytest.fixture
def told() -> list[str]:
    Caller.told, Caller.lost = [], asyncio.Queue()
    return Caller.told


async def lost(count: int) -> None:
    """Wait until so many are over."""
    for _ in range(count):
        await asyncio.wait_for(Caller.lost.get(), PATIENCE)


async def test_a_session_of_the_callers(ground: Ground, told: list[str]) -> None:
    connection = await ground.connect(await ground.start(session=Caller))
    ran = await connection.run("well", input="said")
    assert (ran.stdout, ran.exit_status) == ("started\nsaid", 4)
    await lost(1)
    assert told == ["made", "lost NoneType"]
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.run()  # it has no shell


@pytest.mark.parametrize("wrong", ["start", "data"])
async def test_a_callback_that_raises_ends_its_own_session_alone(ground: Ground, told: list[str], wrong: str) -> None:
    connection = await ground.connect(await ground.start(session=Caller))
    assert (await connection.run(wrong, input="said" if wrong == "data" else None)).exit_status == 1
    assert (await connection.run("well", input="said")).exit_status == 4
    await lost(2)
    assert told == ["made", "lost RuntimeError", "made", "lost NoneType"]
    assert len(ground.faults) == 1


async def test_a_factory_that_raises_refuses(ground: Ground) -> None:
    def make() -> asyncssh.SSHServerSession[str]:
        raise RuntimeError("a mistake in a factory")

    connection = await ground.connect(await ground.start(session=make))
    for _ in range(2):
        with pytest.raises(asyncssh.ChannelOpenError, match="Refused"):
            await connection.run("x")
    assert len(ground.faults) == 2
    assert not connection.is_closed()


async def test_files_beside_a_session_of_the_callers(ground: Ground, told: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    connection = await ground.connect(await ground.start(session=Caller, sftp=tmp_path, allow_scp=True))
    async with connection.start_sftp_client() as sftp:
        assert await sftp.listdir() == ["file"]
    await lost(1)
    assert (await connection.run("well", input="said")).exit_status == 4
    await lost(1)
    assert told == ["made", "lost NoneType"] * 2


async def test_a_client_that_begins_an_exchange_of_keys_and_falls_silent(ground: Ground) -> None:
    """What is written for it is not kept without end (RFC 4253 section 7.1 lets nothing be sent meanwhile)."""

    async def flood(process: Process) -> None:
        while True:
            process.stdout.write("x" * 30_000)
            await process.stdout.drain()

    server = await ground.start(process=flood)
    connection: Any = await ground.connect(server)
    await connection.create_process(window=100_000_000)
    served: Any = server.connections[0]
    transport = connection._transport  # noqa: SLF001
    connection._send_kexinit()  # noqa: SLF001 - and then
    transport.set_protocol(asyncio.Protocol())  # reads all, and says nothing
    try:
        async with asyncio.timeout(PATIENCE):
            await true(lambda: not served._kex_complete)  # noqa: SLF001 - nothing else tells
        for _ in range(10):
            await ground.connect(server)
        assert sum(len(part) for _, args in served._deferred_packets for part in args) < 1_000_000  # noqa: SLF001
    finally:
        transport.set_protocol(connection)
