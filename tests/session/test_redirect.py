"""`run()` with its streams redirected: to files, pipes, other streams and other sessions' processes."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import asyncssh
import pytest

from mooring import CommandFailed, CommandTimeout, InvalidInput, Session, SessionError, SessionLost
from mooring.simulate import FaultyLink
from tests.peers.sshd import Sshd

from .held import begun, held

pytestmark = pytest.mark.anyio


async def settle(session: Session) -> None:
    async with asyncio.timeout(30):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_output_to_files(session: Session, tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    command = "head -c 3000000 /dev/zero; printf '\\377' >&2; exit 3"
    result = await session.run(command, stdout=out, stderr=str(err))
    assert out.read_bytes() == bytes(3_000_000)
    assert err.read_bytes() == b"\xff"
    assert (result.stdout, result.stderr, result.exit_status) == ("", "", 3)


async def test_input_from_a_file(session: Session, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    source = tmp_path / "in"
    source.write_bytes(data)
    assert (await session.run("cat", stdin=source, encoding=None)).stdout == data
    with source.open("rb") as file:
        assert (await session.run("wc -c", stdin=file)).stdout.strip() == str(len(data))


async def test_standard_error_into_standard_output(session: Session) -> None:
    result = await session.run("echo out; sleep 0.1; echo err >&2", stderr=asyncssh.STDOUT)
    assert (result.stdout, result.stderr) == ("out\nerr\n", "")


async def test_what_is_not_redirected_is_in_the_result(session: Session, tmp_path: Path) -> None:
    result = await session.run("echo ü; echo err >&2; cat", stdout=tmp_path / "out", input="in")
    assert (result.stdout, result.stderr) == ("", "err\n")
    assert (tmp_path / "out").read_text() == "ü\nin"
    with pytest.raises(CommandFailed) as caught:
        await session.run("echo err >&2; kill $$", stdout=asyncssh.DEVNULL, check=True)
    assert (caught.value.result.stderr, caught.value.result.exit_signal) == ("err\n", "TERM")


async def test_without_input_a_reader_ends_at_once(session: Session) -> None:
    assert (await session.run("cat; echo end >&2", stdout=asyncssh.DEVNULL, timeout=30)).stderr == "end\n"
    result = await session.run("cat; echo end >&2", stdout=asyncssh.DEVNULL, input=b"", timeout=30)
    assert result.stderr == "end\n"


async def test_pipes_and_sockets(session: Session) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source:
        await session.run("echo through a pipe", stdout=writer)
        assert await asyncio.to_thread(source.read) == b"through a pipe\n"
    ours, theirs = socket.socketpair()
    with ours:
        await session.run("echo through a socket", stdout=theirs)
        assert await asyncio.to_thread(ours.recv, 100) == b"through a socket\n"


async def test_another_sessions_process(session: Session, sshd: Sshd) -> None:
    async with held(sshd, alias="edge2") as other:
        process = await other.process("printf 'c\\nb\\na\\n'", encoding=None)
        result = await session.run("sort", stdin=process.stdout)
        assert result.stdout == "a\nb\nc\n"
        await process.wait()
        await settle(other)


async def test_a_timeout_carries_what_was_not_redirected(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(CommandTimeout) as caught:
        await session.run("echo out; echo err >&2; sleep 60", stdout=out, timeout=2.0)
    error = caught.value
    assert (error.result.stdout, error.result.stderr, out.read_text()) == ("", "err\n", "out\n")
    assert (error.remote_may_still_run, error.result.exit_signal) == (False, "TERM")
    await settle(session)


async def test_one_that_ignores_term_is_killed(session: Session) -> None:
    with pytest.raises(CommandTimeout) as caught:
        await session.run("trap '' TERM; sleep 60", stdout=asyncssh.DEVNULL, timeout=2.0)
    assert (caught.value.remote_may_still_run, caught.value.result.exit_signal) == (False, "KILL")
    await settle(session)


async def test_cancelling(session: Session) -> None:
    task = asyncio.create_task(session.run("exec sleep 61.03125", stdout=asyncssh.DEVNULL))
    await begun(session, "61.03125")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settle(session)
    assert (await session.run("pgrep -fx 'sleep 61[.]03125' || echo gone")).stdout == "gone\n"


async def test_a_lost_link(sshd: Sshd, tmp_path: Path) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        task = asyncio.create_task(session.run("echo out; echo err >&2; exec sleep 61.4375", stdout=tmp_path / "out"))
        await begun(session, "61.4375")
        await session.run("true")  # behind which sshd has sent what the other one said
        link.reset()
        with pytest.raises(SessionLost) as caught:
            await task
        assert (caught.value.stdout, caught.value.stderr) == ("", "err\n")
        assert (tmp_path / "out").read_text() == "out\n"


async def test_what_cannot_be_redirected_is_refused_before_the_command_is_sent(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / "file").open() as closed:
        pass
    for name, value, message in (
        ("stdin", tmp_path / "nowhere", "nowhere': No such file or directory"),
        ("stdin", "", "Is a directory"),
        ("stdin", str(tmp_path), "Is a directory"),
        ("stdin", "nul\0", "Invalid argument"),
        ("stdin", 12345, "12345, which is no open descriptor"),
        ("stdin", asyncssh.STDOUT, "no open descriptor"),
        ("stdin", b"bytes", "stdin is a bytes"),
        ("stdin", closed, "is closed"),
        ("stdout", tmp_path / "no folder/file", "folder/file': No such file or directory"),
        ("stdout", tmp_path / "file/file", "Not a directory"),
        ("stdout", tmp_path, "Is a directory"),
        ("stdout", object(), "stdout is a object"),
        ("stdout", True, "no open descriptor"),
        ("stderr", 2**70, "no open descriptor"),
        ("stderr", "x" * 300, "File name too long"),
    ):
        for call in (session.run, session.process):
            with pytest.raises(InvalidInput) as caught:
                await call("sleep 1", **{name: value})  # type: ignore[arg-type, call-overload]
            assert message in str(caught.value)
    assert (session.status().commands, session.status().channels.open) == (0, 0)


async def test_a_file_that_cannot_be_read_or_written(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch(mode=0)
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):  # root, whom nothing is denied
        monkeypatch.setattr(os, "access", lambda *_: False)
    try:
        for name, file in (("stdin", "file"), ("stdout", "file"), ("stderr", "new")):
            with pytest.raises(InvalidInput, match="Permission denied"):
                await session.run("true", **{name: tmp_path / file})  # type: ignore[call-overload]
    finally:
        tmp_path.chmod(0o700)


async def test_a_file_that_turns_out_not_to_open(session: Session, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "no folder" / "file")
    with pytest.raises(SessionError, match=r"link: No such file or directory") as caught:
        await session.run("cat", stdout=tmp_path / "link")
    assert caught.value.hint == "the command may have been started; it was sent TERM"
    await settle(session)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", None])
async def test_text_from_another_process(session: Session, encoding: str | None) -> None:
    async with await session.process("printf 'z\\303\\274\\na\\n'", encoding=encoding) as process:
        assert (await session.run("sort", stdin=process.stdout)).stdout == "a\nzü\n"


async def test_bytes_into_another_process_of_text(session: Session) -> None:
    async with await session.process("sort") as process:
        await session.run("printf 'z\\303'; sleep 0.2; printf '\\274\\na\\377\\n\\303'", stdout=process.stdin)
        assert await process.stdout.read() == "\\xc3\na\\xff\nzü\n"
