"""`run()`: what a command prints, reads and ends with arrives as it was, or it is refused before anything is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mooring import CommandFailed, InvalidInput, Session
from tests.peers.sshd import Sshd
from tests.pool.fleet import logged

from .held import held

pytestmark = pytest.mark.anyio

MEGABYTE = 1_000_000


async def test_much_on_both_streams_at_once(session: Session) -> None:
    command = "head -c 5000000 /dev/zero >&2 & head -c 1000000 /dev/zero | tr '\\0' x; wait"
    result = await session.run(command, encoding=None)
    assert result.stdout == b"x" * MEGABYTE
    assert result.stderr == bytes(5 * MEGABYTE)
    assert (result.exit_status, result.dropped) == (0, 0)


async def test_input_is_read_to_its_end(session: Session) -> None:
    data = bytes(range(256)) * 20_000
    result = await session.run("cat", input=data, encoding=None)
    assert result.stdout == data


async def test_without_input_a_reader_ends_at_once(session: Session) -> None:
    assert (await session.run("cat; echo end", timeout=30)).stdout == "end\n"
    assert (await session.run("cat; echo end", input="", timeout=30)).stdout == "end\n"


async def test_a_command_that_does_not_read_its_input(session: Session) -> None:
    assert (await session.run("true", input=bytes(5 * MEGABYTE), timeout=30)).exit_status == 0


async def test_every_exit_status(session: Session) -> None:
    results = await asyncio.gather(*(session.run(f"exit {status}") for status in range(256)))
    assert [result.exit_status for result in results] == list(range(256))
    assert [result.exit_code for result in results] == list(range(256))
    assert all(result.exit_signal is None for result in results)


@pytest.mark.parametrize("signal", ["TERM", "KILL", "INT", "HUP", "ABRT", "SEGV"])
async def test_a_signal_is_named(session: Session, signal: str) -> None:
    result = await session.run(f"kill -s {signal} $$")
    assert (result.exit_status, result.exit_signal, result.ok) == (-1, signal, False)


async def test_bytes_that_are_no_text(session: Session) -> None:
    command = "printf 'a\\377\\303(\\360\\237b'; printf '\\377' >&2"
    result = await session.run(command)
    assert (result.stdout, result.stderr) == ("a\\xff\\xc3(\\xf0\\x9fb", "\\xff")
    raw = await session.run(command, encoding=None)
    assert (raw.stdout, raw.stderr) == (b"a\xff\xc3(\xf0\x9fb", b"\xff")
    assert (await session.run(command, errors="replace")).stderr == "\N{REPLACEMENT CHARACTER}"
    assert (await session.run(command, encoding="latin-1")).stderr == "ÿ"


async def test_a_character_may_come_in_two_packets(session: Session) -> None:
    command = "printf 'gr\\303'; sleep 0.2; printf '\\274n'; printf '\\360\\237\\230'; sleep 0.2; printf '\\200'"
    assert (await session.run(command)).stdout == "grün😀"


async def test_input_is_encoded_as_output_is_decoded(session: Session) -> None:
    assert (await session.run("od -An -tx1", input="ü")).stdout.split() == ["c3", "bc"]
    assert (await session.run("od -An -tx1", input="ü", encoding="latin-1")).stdout.split() == ["fc"]
    assert (await session.run("od -An -tx1", input="ü", encoding=None)).stdout.split() == [b"c3", b"bc"]


async def test_a_command_line_in_any_script(session: Session) -> None:
    line = "printf %s 'grün \"日本\" $HOME 😀\n`second line`'"
    result = await session.run(line)
    assert (result.stdout, result.command) == ('grün "日本" $HOME 😀\n`second line`', line)


async def test_the_environment_as_far_as_the_server_takes_it(session: Session) -> None:
    command = 'echo "$MOORING_ONE|$LC_TWO|$REFUSED"'
    result = await session.run(command, env={"MOORING_ONE": "1 ü", "LC_TWO": "two", "REFUSED": "no"})
    assert result.stdout == "1 ü|two|\n"
    assert (await session.run(command)).stdout == "||\n"


@pytest.mark.parametrize("size", [0, 1, 70_000])
async def test_max_output_keeps_the_beginning_and_counts_the_rest(session: Session, size: int) -> None:
    command = "head -c 200000 /dev/zero | tr '\\0' o; head -c 100000 /dev/zero | tr '\\0' e >&2"
    result = await session.run(command, max_output=size)
    assert (result.stdout, result.stderr) == ("o" * size, "e" * size)
    assert (result.dropped, result.exit_status) == (300_000 - 2 * size, 0)


async def test_check_raises_with_the_result(session: Session) -> None:
    assert (await session.run("echo fine", check=True)).stdout == "fine\n"
    with pytest.raises(CommandFailed, match="ended with status 3") as caught:
        await session.run("echo out; echo err >&2; exit 3", check=True)
    result = caught.value.result
    assert (result.stdout, result.stderr, result.exit_status) == ("out\n", "err\n", 3)
    with pytest.raises(CommandFailed, match="ended with signal TERM") as caught:
        await session.run("kill $$", check=True)
    assert caught.value.result.exit_signal == "TERM"


async def test_a_result_tells_its_session_and_time(session: Session) -> None:
    result = await session.run("sleep 0.1")
    assert (result.alias, result.command) == ("edge1", "sleep 0.1")
    assert 0.1 <= result.duration < 20


async def test_a_terminal(session: Session) -> None:
    result = await session.run("tty; stty size; echo $TERM", term_type="vt100", term_size=(100, 40), timeout=30)
    assert isinstance(result.stdout, str)
    terminal, size, kind = result.stdout.split("\r\n")[:3]
    assert terminal.startswith("/dev/")
    assert (size, kind, result.exit_status) == ("40 100", "vt100", 0)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"command": ""}, "a command is a text"),
        ({"command": " \n"}, "a command is a text"),
        ({"command": "echo \0"}, "a command is a text"),
        ({"command": b"true"}, "a command is a text"),
        ({"command": ["true"]}, "a command is a text"),
        ({"command": "echo \ud800"}, "encodable as UTF-8"),
        ({"command": "ü" * 65_537}, "a command has 131074 bytes, and may have 131072"),
        ({"command": "'" * 60_000, "kill": "wrap"}, "a command has 300002 bytes"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": -1}, "timeout is -1"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": "5"}, "timeout is '5'"),
        ({"kill": "TERM"}, "kill is 'TERM'"),
        ({"max_output": -1}, "max_output is -1"),
        ({"max_output": 1.5}, "max_output is 1.5"),
        ({"encoding": "klingon"}, "encoding is 'klingon'"),
        ({"encoding": "hex"}, "encoding is 'hex'"),
        ({"encoding": 5}, "encoding is 5"),
        ({"errors": "klingon"}, "errors is 'klingon'"),
        ({"input": 5}, "input"),
        ({"input": "\ud800"}, "input"),
        ({"input": "ü", "encoding": "ascii"}, "input"),
        ({"env": {"A": "\ud800"}}, "env"),
        ({"env": {"A=B": "x"}}, "env"),
        ({"env": {"A": "nul\0"}}, "env"),
        ({"env": {"A": "x" * 131_072}}, "a variable of env has 131073 bytes"),
        ({"env": {"A": 5}}, "env"),
        ({"env": ["A=B"]}, "env"),
        ({"tiemout": 5}, "unknown keyword 'tiemout'"),
        ({"command_": "x"}, "unknown keyword 'command_'"),
        ({"subsystem": "sftp"}, "unknown keyword 'subsystem'"),
        ({"term_type": "vt100", "term_size": "wide"}, "term_size"),
        ({"term_type": "vt100", "term_size": (1, 2, 3)}, "term_size"),
        ({"term_type": 5}, "term_type is 5"),
        ({"term_type": "vt\x00100"}, "term_type is 'vt"),
        ({"term_type": "\ud800"}, "term_type is '\\ud800'"),
        ({"term_type": "x" * 131_073}, "term_type has 131073 bytes"),
        ({"window": -1}, "window is -1"),
        ({"window": None}, "window is None"),
        ({"window": 1 << 32}, "window is 4294967296"),
        ({"max_pktsize": 0}, "max_pktsize is 0"),
        ({"kill": "wrap", "stdout": "/dev/null"}, "kill='wrap'"),
        ({"kill": "wrap", "term_type": "vt100"}, "kill='wrap'"),
        ({"input": "x", "stdin": "/dev/null"}, "input cannot be had together with stdin="),
        ({"max_output": 5, "stdout": "/dev/null"}, "max_output"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_nothing_is_sent(
    session: Session, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await session.run(**{"command": "true", **keywords})
    assert message in str(caught.value)
    status = session.status()
    assert (status.commands, status.channels.open) == (0, 0)


async def test_the_longest_command_costs_nobody_the_connection(session: Session) -> None:
    await session.run("#" * 131_072)  # no shell can be started with it
    assert (await session.run("echo on")).stdout == "on\n"
    assert session.status().connects == 1


async def test_one_login_serves_all(sshd: Sshd) -> None:
    before = sshd.log().count("Accepted publickey")
    async with held(sshd) as session:
        for _ in range(5):
            await session.run("true")
        assert session.status().commands == 5
    await logged(sshd, "Accepted publickey", before + 1)  # it says so when we are in already
    assert sshd.log().count("Accepted publickey") == before + 1
