"""`process()`: AsyncSSH's process object for streaming, terminals, subsystems and redirection, its slot counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from mooring import ChannelRefused, InvalidInput, Session
from mooring.simulate import FaultyLink
from tests.peers.dropbear import Dropbear
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .held import held

pytestmark = pytest.mark.anyio


async def settle(session: Session) -> None:
    async with asyncio.timeout(30):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_streaming_both_ways(session: Session) -> None:
    async with await session.process('while read line; do echo "<$line>"; echo e >&2; done; exit 4') as process:
        for word in ("one", "zwei ü", "three"):
            process.stdin.write(f"{word}\n")
            assert await process.stdout.readline() == f"<{word}>\n"
            assert await process.stderr.readline() == "e\n"
        process.stdin.write_eof()
        await process.wait()
        assert (process.exit_status, process.exit_signal) == (4, None)


async def test_it_is_asyncssh_own(session: Session) -> None:
    process = await session.process("kill -s USR2 $$")
    assert isinstance(process, asyncssh.SSHClientProcess)
    completed = await process.wait()
    assert completed.exit_signal is not None
    assert completed.exit_signal[0] == "USR2"
    with pytest.raises(asyncssh.ProcessError):
        await (await session.process("exit 3")).wait(check=True)
    assert isinstance((await session.process("echo x")).channel, asyncssh.SSHClientChannel)
    await settle(session)


async def test_bytes_and_input(session: Session) -> None:
    process = await session.process("cat", input=b"\xff\x00", encoding=None)
    assert await process.stdout.read() == b"\xff\x00"
    await process.wait()


async def test_a_terminal_that_is_resized(session: Session) -> None:
    async with await session.process("sh", term_type="vt220", term_size=(100, 40)) as process:
        process.stdin.write("stty -echo; PS1=; echo $TERM; stty size; echo READY\n")
        seen = await process.stdout.readuntil("\r\nREADY\r\n")
        assert "vt220\r\n40 100" in seen
        process.change_terminal_size(120, 50)
        process.stdin.write("stty size\n")
        assert await process.stdout.readline() == "50 120\r\n"
        process.stdin.write("exit 5\n")
        await process.wait()
        assert process.exit_status == 5


async def test_a_login_shell(session: Session) -> None:
    async with await session.process() as process:
        process.stdin.write("echo $((6 * 7)); exit 2\n")
        assert await process.stdout.readline() == "42\n"
        await process.wait()
        assert process.exit_status == 2


async def test_a_subsystem(start_sshd: StartSshd) -> None:
    server = start_sshd(Subsystem=["sftp internal-sftp", "hello /bin/echo hello"])
    async with held(server) as session:
        process = await session.process(subsystem="hello")
        assert await process.stdout.read() == "hello\n"
        await process.wait()
        with pytest.raises(ChannelRefused, match="edge1 refused the channel: Session request failed"):
            await session.process(subsystem="nothing")
        await settle(session)
        assert session.status().connects == 1


@pytest.mark.parametrize("more", [None, {}, {"TWO": "2"}])
async def test_its_environment_is_beside_the_connections(start_sshd: StartSshd, more: dict[str, str] | None) -> None:
    async with held(start_sshd(AcceptEnv="ONE TWO"), env={"ONE": "1", "TWO": "1"}) as session:
        process = await session.process("echo $ONE $TWO", env=more)
        assert await process.stdout.read() == ("1 2\n" if more else "1 1\n")
        await process.wait()


async def test_it_holds_its_slot_until_it_is_closed(session: Session) -> None:
    process = await session.process("cat")
    assert session.status().channels.open == 1
    process.stdin.write_eof()
    await process.wait_closed()
    assert session.status().channels.open == 0
    async with await session.process("cat"):
        assert session.status().channels.open == 1
    await settle(session)


async def test_redirection_to_files(session: Session, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("b\na\n")
    process = await session.process("sort; echo e >&2", stdin=tmp_path / "in", stdout=tmp_path / "out")
    completed = await process.wait()
    assert (tmp_path / "out").read_text() == "a\nb\n"
    assert (completed.stderr, completed.exit_status) == ("e\n", 0)


async def test_into_another_sessions_process(session: Session, sshd: Sshd) -> None:
    async with held(sshd, alias="edge2") as other:
        source = await session.process("seq 5", encoding=None)
        sink = await other.process("sort -r", stdin=source.stdout, encoding=None)
        assert await sink.stdout.read() == b"5\n4\n3\n2\n1\n"
        await sink.wait()
        await source.wait()


async def test_a_lost_link_is_no_exit_status(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        process = await session.process("echo out; sleep 60")
        assert await process.stdout.readline() == "out\n"
        link.reset()
        completed = await process.wait()
        assert (completed.exit_status, process.exit_status) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ([], {"comand": "cat"}),
        ([5], {}),
        (["cat", "cat"], {}),
        (["cat \ud800"], {}),
        ([""], {}),
        (["cat"], {"timeout": 0}),
        (["cat"], {"timeout": None}),
        (["cat"], {"term_size": 80}),
        (["cat"], {"encoding": "klingon"}),
        (["cat"], {"env": {"A": "\ud800"}}),
        (["cat"], {"env": {"A=B": "x"}}),
        (["cat"], {"env": ["A=B"]}),
        (["cat"], {"command": "cat"}),
    ],
)
async def test_what_cannot_be_meant(session: Session, arguments: list[object], keywords: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        await session.process(*arguments, **keywords)  # type: ignore[arg-type]
    assert session.status().channels.open == 0
    assert (await session.run("echo on")).stdout == "on\n"


async def test_on_dropbear(start_dropbear: Callable[[], Dropbear]) -> None:
    async with held(start_dropbear()) as session:
        async with await session.process("cat") as process:
            process.stdin.write("hello\n")
            assert await process.stdout.readline() == "hello\n"
            process.stdin.write_eof()
            await process.wait()
            assert process.exit_status == 0
        # Dropbear 2022.83 dies of commands that end while another is started, whoever the client is: so they last.
        results = await asyncio.gather(*(session.run(f"sleep 0.3; exit {status}") for status in range(6)))
        assert [result.exit_status for result in results] == list(range(6))
        assert [(await session.run(f"exit {status}")).exit_status for status in range(12)] == list(range(12))
        assert (await session.run("kill -s KILL $$")).exit_signal == "KILL"
        assert session.status().connects == 1


async def test_bytes_that_are_no_text_are_shown(session: Session) -> None:
    async with await session.process("printf 'a\\377b'; cat") as process:
        process.stdin.write("ü\udc80")
        process.stdin.write_eof()
        assert await process.stdout.read() == "a\\xffbü\\udc80"
    assert session.status().connects == 1
