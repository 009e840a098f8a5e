"""Programs below the agent: on pipes and on terminals, from their start to their end, with nothing left of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from pathlib import Path

import asyncssh
import psutil
import pytest

from mooring.agent.child import Child

pytestmark = pytest.mark.anyio

BOUND = 30.0
ENVIRONMENT = {b"PATH": os.environb[b"PATH"], b"LC_ALL": b"C"}


class Heard:
    """What a program did."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.was_full: list[bool] = []
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.spoke = asyncio.Event()
        self.child = Child(self)

    def said(self, data: bytes) -> None:
        self.out += data
        self.spoke.set()

    def complained(self, data: bytes) -> None:
        self.err += data

    def full(self, *, full: bool) -> None:
        self.was_full.append(full)

    def ended(self, status: int) -> None:
        self.status.set_result(status)

    async def until(self, text: bytes) -> None:
        """Wait until it has said something."""
        async with asyncio.timeout(BOUND):
            while text not in self.out:
                self.spoke.clear()
                await self.spoke.wait()

    async def end(self) -> int:
        """Wait for its end."""
        async with asyncio.timeout(BOUND):
            return await self.status


def started(command: str, terminal: tuple[tuple[int, int, int, int], dict[int, int]] | None = None) -> Heard:
    heard = Heard()
    heard.child.start(["/bin/sh", "-c", command], ENVIRONMENT, "/", terminal)
    return heard


def on_terminal(command: str, modes: dict[int, int] | None = None) -> Heard:
    return started(command, ((100, 30, 0, 0), modes or {}))


async def test_what_it_says_and_how_it_ends() -> None:
    heard = started("echo out; echo err >&2; exit 3")
    assert (await heard.end(), heard.out, heard.err) == (3, b"out\n", b"err\n")


async def test_it_stands_where_it_is_told_with_what_it_is_given(tmp_path: Path) -> None:
    heard = Heard()
    heard.child.start(["/bin/sh", "-c", "pwd; env"], {**ENVIRONMENT, b"A": b"\xfe b"}, str(tmp_path))
    assert await heard.end() == 0
    assert heard.out.startswith(f"{tmp_path}\n".encode())
    assert b"A=\xfe b\n" in heard.out
    assert b"HOME=" not in heard.out


async def test_what_it_is_told_arrives_whole_however_slowly_it_listens() -> None:
    data = os.urandom(3_000_000)
    heard = started("sleep 0.2; cat")
    for start in range(0, len(data), 32_768):
        heard.child.write(data[start : start + 32_768])
    heard.child.end_input()
    assert await heard.end() == 0
    assert heard.out == data
    assert heard.was_full == [True, False]


async def test_what_follows_at_once_when_there_is_room_again_is_not_lost() -> None:
    data = os.urandom(400_000)
    heard = started("sleep 0.2; cat")

    def full(*, full: bool) -> None:
        if not full and not heard.was_full:
            heard.was_full.append(full)
            heard.child.write(data[200_000:])  # more than a pipe holds
            heard.child.end_input()

    heard.full = full  # type: ignore[method-assign]  # told as a channel is
    heard.child.write(data[:200_000])
    assert await heard.end() == 0
    assert heard.out == data


async def test_nothing_more_is_taken_than_there_is_room_for() -> None:
    heard = started("head -c 3000000 /dev/zero; echo done >&2")
    heard.child.pause()
    heard.child.pause()
    for _ in range(3):  # another one, begun later, says all of it
        other = started("head -c 3000000 /dev/zero")
        assert (await other.end(), len(other.out)) == (0, 3_000_000)
    assert len(heard.out) <= 65_536
    assert not heard.status.done()
    heard.child.resume()
    assert (await heard.end(), len(heard.out), heard.err) == (0, 3_000_000, b"done\n")


async def test_one_that_does_not_listen_is_told_nothing() -> None:
    heard = started("exec <&-; echo deaf; sleep 0.2")
    await heard.until(b"deaf")
    heard.child.write(b"x" * 200_000)
    heard.child.end_input()
    assert await heard.end() == 0


@pytest.mark.parametrize("terminal", [False, True])
async def test_a_signal_ends_it(*, terminal: bool) -> None:
    heard = (on_terminal if terminal else started)("echo here; sleep 60; true")
    await heard.until(b"here")
    heard.child.signal(signal.SIGKILL)
    assert await heard.end() == -signal.SIGKILL


async def test_a_terminal_is_its_own() -> None:
    heard = on_terminal("tty; stty size; ps -o tpgid= -p $$; echo $$; echo err >&2; [ -t 0 ] && [ -t 1 ] && [ -t 2 ]")
    assert await heard.end() == 0
    name, size, foreground, leader, error = heard.out.split(b"\r\n")[:5]
    assert name.startswith(b"/dev/")
    assert size == b"30 100"
    assert foreground.strip() == leader, "it is in the foreground of the terminal that it controls"
    assert (error, heard.err) == (b"err", b"")


async def test_a_terminal_says_its_name() -> None:
    heard = on_terminal('[ "$SSH_TTY" = "$(tty)" ] && echo same')
    assert (await heard.end(), heard.out) == (0, b"same\r\n")


async def test_a_terminal_has_the_modes_that_were_asked_for() -> None:
    modes = {asyncssh.PTY_ECHO: 0, asyncssh.PTY_ONLCR: 0, asyncssh.PTY_VINTR: 7, asyncssh.PTY_VQUIT: 255, 200: 1}
    heard = on_terminal("stty -a", modes)
    assert await heard.end() == 0
    assert b"\r" not in heard.out
    text = heard.out.decode()
    assert "-echo " in text
    assert "intr = ^G" in text
    assert "quit = <undef>" in text


async def test_a_key_interrupts_what_runs_on_a_terminal() -> None:
    heard = on_terminal("trap 'echo caught; exit 5' INT; echo here; while :; do sleep 0.05; done")
    await heard.until(b"here")
    heard.child.write(b"\x03")
    assert await heard.end() == 5
    assert b"caught" in heard.out


async def test_a_terminal_that_changes_its_size_says_so() -> None:
    heard = on_terminal("trap 'stty size; exit 0' WINCH; echo here; while :; do sleep 0.05; done")
    await heard.until(b"here")
    heard.child.resize((70_000, 44, 0, 0))
    assert await heard.end() == 0
    assert b"44 65535" in heard.out


async def test_the_end_of_input_is_none_for_a_terminal() -> None:
    heard = on_terminal("read line; echo got $line")
    heard.child.end_input()
    heard.child.write(b"typed\n")
    assert await heard.end() == 0
    assert b"got typed" in heard.out


async def test_the_end_on_a_terminal_does_not_wait_for_what_was_left_there() -> None:
    heard = on_terminal("trap '' HUP; sleep 61 & echo left $!; exit 4")
    assert await heard.end() == 4
    assert heard.out.startswith(b"left ")
    psutil.Process(int(heard.out.split()[1])).kill()


async def test_the_end_on_pipes_waits_for_who_has_them() -> None:
    heard = started("(sleep 0.3; echo late) & echo early")
    assert (await heard.end(), heard.out) == (0, b"early\nlate\n")


@pytest.mark.parametrize("terminal", [False, True])
async def test_who_is_hung_up_on_is_told(*, terminal: bool, tmp_path: Path) -> None:
    told = tmp_path / "told"
    heard = (on_terminal if terminal else started)(f"trap 'echo hup > {told}; exit' HUP; echo here; sleep 60 & wait")
    await heard.until(b"here")
    heard.child.hang_up()
    heard.child.hang_up()
    await heard.child.wait_gone(BOUND)
    assert told.read_text() == "hup\n"
    assert heard.child.gone
    assert not heard.status.done(), "who has hung up hears nothing more"


async def test_who_is_hung_up_on_may_say_what_it_has_to(tmp_path: Path) -> None:
    told = tmp_path / "told"
    heard = started(f"trap 'head -c 300000 /dev/zero; echo last >&2; echo hup > {told}; exit' HUP; echo here; read x")
    await heard.until(b"here")
    heard.child.pause()
    heard.child.hang_up()
    await heard.child.wait_gone(BOUND)
    assert told.read_text() == "hup\n"
    assert heard.out == b"here\n"


async def test_one_that_pays_no_heed_lives_on_and_is_no_zombie_in_the_end() -> None:
    heard = started("trap '' HUP; echo $$; exec 1>&- 2>&-; exec sleep 62")
    await heard.until(b"\n")
    process = psutil.Process(int(heard.out))
    heard.child.hang_up()
    await heard.child.wait_gone(0.1)
    assert process.is_running()
    assert not heard.child.gone
    process.kill()
    another = started("true")
    assert await another.end() == 0
    async with asyncio.timeout(BOUND):
        while process.is_running():
            await asyncio.sleep(0.02)
            another = started("true")
            assert await another.end() == 0


async def test_what_cannot_be_started_leaves_nothing_behind(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    heard, typed = Heard(), Heard()
    with pytest.raises(OSError, match="No such file"):
        heard.child.start(["/bin/sh", "-c", "true"], ENVIRONMENT, nowhere)
    with pytest.raises(OSError, match="No such file"):
        typed.child.start(["/bin/sh", "-c", "true"], ENVIRONMENT, nowhere, ((80, 24, 0, 0), {}))
    assert heard.child.gone
    assert typed.child.gone
    typed.child.hang_up()


async def test_a_shell_that_is_not_there_is_told_on_its_terminal() -> None:
    heard = Heard()
    heard.child.start(["/no/such/shell", "-l"], ENVIRONMENT, "/", ((80, 24, 0, 0), {}))
    assert await heard.end() == 127
    assert b"/no/such/shell" in heard.out


async def test_without_the_kernels_word_a_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_pid: int) -> int:
        raise OSError

    monkeypatch.setattr(os, "pidfd_open", none, raising=False)
    heard = started("echo here; exit 6")
    assert (await heard.end(), heard.out) == (6, b"here\n")


async def test_many_at_once() -> None:
    several = [on_terminal(f"echo {number}; exit {number}") for number in range(20)]
    several += [started(f"cat; exit {number}") for number in range(20)]
    for heard in several[20:]:
        heard.child.end_input()
    assert [await heard.end() for heard in several] == [*range(20), *range(20)]


def test_the_modes_of_this_system_are_known() -> None:
    from mooring.agent.terminal import _FLAGS, _KEYS  # noqa: PLC0415 - not what anybody else should use

    assert _FLAGS[asyncssh.PTY_ECHO] == (3, termios.ECHO)
    assert _KEYS[asyncssh.PTY_VERASE] == termios.VERASE
    if sys.platform == "linux":
        assert len(_FLAGS) > 30
