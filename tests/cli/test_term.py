"""``mooring term``: the real program on a real terminal, a real daemon, a real sshd."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mooring.model.errors import UnknownTerminal
from tests.cli.calling import MOORING, mooring
from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers import tmux
from tests.peers.sshd import Sshd
from tests.peers.tmux import PROMPT, Tmux

pytestmark = pytest.mark.timeout(180)  # a person's pace, in several programs


@pytest.fixture(scope="module")
def daemon(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon that holds ``edge1``."""
    with RunningDaemon(tmp_path_factory.mktemp("d"), config=table("edge1", sshd)) as daemon:
        daemon.wait_state("edge1")
        yield daemon


@pytest.fixture
def environment(daemon: RunningDaemon) -> Iterator[Mapping[str, str]]:
    """An environment that finds it; whatever terminal is left is ended."""
    yield daemon.environment()
    for terminal in _terminals(daemon):
        with contextlib.suppress(UnknownTerminal):  # it may be about to end by itself
            daemon.client.request("DELETE", f"/v1/terminals/{terminal['alias']}/{terminal['name']}")


def _terminals(daemon: RunningDaemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.client.request("GET", "/v1/terminals")["terminals"]
    return found


def _until(reached: Callable[[], object]) -> None:
    """Wait for what nothing tells of."""
    deadline = time.monotonic() + 40
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _settings(seat: OnTerminal) -> list[Any]:
    """How the terminal's line is set: echo, editing, signals."""
    return termios.tcgetattr(seat.descriptor)[:4]


def _on_terminal(environment: Mapping[str, str], *words: str, columns: int = 80) -> OnTerminal:
    return OnTerminal([*MOORING, "term", *words], environment, columns)


@pytest.fixture
def seat(environment: Mapping[str, str]) -> Iterator[Tmux]:
    """A person at a terminal, whose shell knows ``mooring``."""
    if reason := tmux.missing():
        pytest.skip(reason)
    with Tmux(environment) as seat:
        seat.line(f"alias mooring='{' '.join(MOORING)}'; clear")
        seat.see(PROMPT, gone="alias")
        seat.see_prompt()
        yield seat


def _file(path: Path, text: str) -> Path:
    """One that whoever logs in may change."""
    path.write_text(text)
    path.chmod(0o666)
    return path


def _see_size(seat: Tmux, columns: int, rows: int) -> None:
    """Ask the editor how large it is, until it has heard of its new size."""

    def asked() -> bool:
        seat.line(":set columns? lines?")
        screen = seat.see("columns=", "lines=", "Press ENTER")
        seat.keys("Enter")
        seat.see("\n~\n", gone="Press ENTER")
        return f"columns={columns}\n" in screen and f"lines={rows}\n" in screen

    _until(asked)


def test_an_editor(seat: Tmux, daemon: RunningDaemon, sshd: Sshd, peers_folder: Path) -> None:
    path = _file(peers_folder / "notes", "first line\n")
    seat.line(f"mooring term edge1/edit -- vi -u NONE -n {path}")
    seat.see("first line", "\n~\n")
    seat.resize(120, 40)
    _until(lambda: _terminals(daemon)[0]["columns"] == 120)
    _see_size(seat, 120, 40)
    seat.type("ogrüße 🛳")
    seat.keys("Escape", "Enter")
    seat.see("grüße 🛳")
    seat.type("~d")
    seat.see("detached: `mooring term --attach edge1/edit` comes back", gone="first line")
    seat.line("clear; stty -a | grep -o ' icanon\\| echo ' | wc -l; mooring term --list")
    seat.see("2\n", "edge1/edit  vi       120x40")

    seat.resize(100, 30)
    seat.line("mooring term --attach edge1")
    seat.see("first line", "grüße 🛳", "\n~\n", gone="edge1/edit")
    _see_size(seat, 100, 30)
    seat.line(":wq!")
    seat.see(PROMPT, gone="first line")
    seat.see_prompt()
    seat.line("echo code $?")
    seat.see("code 0")
    assert path.read_text() == "first line\ngrüße 🛳\n"
    _until(lambda: not _terminals(daemon))


def test_a_screen_of_the_same_size_is_drawn_anew(seat: Tmux, peers_folder: Path) -> None:
    path = _file(peers_folder / "long", "\n".join(f"line {number}" for number in range(1, 2000)))
    seat.line(f"mooring term edge1 -- vi -u NONE -n -R {path}")
    seat.see("line 1\n")
    for _ in range(3):
        seat.keys("C-f")
    seat.see("line 90\n")
    seat.keys("Enter")
    before = seat.see("line 90\n")
    seat.type("~d")
    seat.see("detached")
    seat.line("clear; mooring term --attach edge1")
    seat.see(*before.split("\n")[3:20])
    seat.line(":q!")
    seat.see(PROMPT, gone="line 90")
    seat.see_prompt()


def test_two_look_and_one_drives(seat: Tmux, environment: Mapping[str, str]) -> None:
    seat.line("mooring term edge1 -- sh")
    seat.see("\n$")
    seat.line("echo ready$((1+1))")
    seat.see("ready2")
    with _on_terminal(environment, "--watch", "edge1") as watcher:
        watcher.expect("ready2")
        watcher.expect("you look on; ~t takes over")
        watcher.type("echo mine$((1+1))\r")
        seat.line("echo theirs$((1+1))")
        assert "mine2" not in watcher.expect("theirs2")
        watcher.type("\r~t")
        watcher.expect("you drive")
        seat.see("you look on; ~t takes over")
        watcher.type("echo now$((1+1))\r")
        watcher.expect("now2")
        seat.see("now2")
        watcher.type("~.")
        code, seen = watcher.end()
        assert (code, "the terminal on edge1 was closed" in seen) == (0, True)
    seat.see("was closed")
    seat.line("echo code $?")
    seat.see("code 255")


def test_stopping_and_going_on(seat: Tmux) -> None:
    seat.line("mooring term edge1 -- 'echo here; cat'")
    seat.see("\nhere\n")
    seat.type("~")
    seat.keys("C-z")
    seat.see("Stopped")
    seat.line("clear; fg")
    seat.see("mooring", gone="Stopped")
    seat.line("back$((1))")
    seat.see("back$((1))\nback$((1))")
    seat.type("~.")
    seat.see("was closed")


def test_the_exit_code_is_the_programs(environment: Mapping[str, str]) -> None:
    with _on_terminal(environment, "edge1", "--", "stty size; exit 7", columns=132) as seat:
        seat.expect("24 132")
        assert seat.end()[0] == 7
    with _on_terminal(environment, "edge1", "--", "kill -KILL $$") as seat:
        code, seen = seat.end()
        assert (code, "was ended by KILL" in seen) == (137, True)


def test_escapes_that_are_typed(environment: Mapping[str, str]) -> None:
    with _on_terminal(environment, "edge1", "--", "stty -echo; echo here; cat") as seat:
        seat.expect("here")
        seat.type("~?")
        seat.expect("hang up, and leave")
        seat.expect("~~  one ~")
        seat.type("~~a\r")
        seat.expect("~a")
        seat.type("a~.\r")
        seat.expect("a~.")
        seat.type("~x\r")
        seat.expect("~x")
        seat.type("~.")
        assert seat.end()[0] == 0
    with _on_terminal(environment, "edge1", "-e", "none", "--", "stty -echo; echo here; cat") as seat:
        seat.expect("here")
        seat.type("~.\r")
        seat.expect("~.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_leaves_our_terminal_as_it_was(
    environment: Mapping[str, str], daemon: RunningDaemon, number: signal.Signals
) -> None:
    screen = r"printf '\033[?1049h\033[?25l\033[?1000h'; echo here; cat"
    with _on_terminal(environment, "edge1", "--", screen) as seat:
        before = _settings(seat)
        seat.expect("here")
        assert _settings(seat) != before
        seat.process.send_signal(number)
        code, _ = seat.end()
        assert code == 128 + number
        assert _settings(seat) == before
        for undone in (b"\x1b[?1000l", b"\x1b[?25h", b"\x1b[?1049l"):
            assert undone in seat.raw
    (left,) = _terminals(daemon)
    assert left["ended"] is None


def test_a_daemon_that_is_killed(sshd: Sshd, start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon(config=table("edge1", sshd))
    daemon.wait_state("edge1")
    with _on_terminal(daemon.environment(), "edge1", "--", "echo here; cat") as seat:
        before = _settings(seat)
        seat.expect("here")
        daemon.kill()
        code, seen = seat.end()
        assert (code, _settings(seat)) == (255, before)
        assert "the daemon at" in seen


def test_a_stuck_daemon_is_left_all_the_same(sshd: Sshd, start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon(config=table("edge1", sshd))
    daemon.wait_state("edge1")
    with _on_terminal(daemon.environment(), "edge1", "--", "echo here; cat") as seat:
        before = _settings(seat)
        seat.expect("here")
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            seat.type("typed for nobody\r~d")
            code, _ = seat.end()
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        assert (code, _settings(seat)) == (0, before)
    _until(lambda: [len(terminal["viewers"]) for terminal in _terminals(daemon)] == [0])


def test_a_session_that_is_stopped(sshd: Sshd, start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon(config=table("edge1", sshd))
    daemon.wait_state("edge1")
    with _on_terminal(daemon.environment(), "edge1", "--", "echo here; cat") as seat:
        seat.expect("here")
        daemon.client.request("DELETE", "/v1/sessions/edge1")
        code, seen = seat.end()
        assert (code, "edge1 was lost under the terminal" in seen) == (255, True)


def test_our_own_terminal_is_closed(environment: Mapping[str, str], daemon: RunningDaemon) -> None:
    with _on_terminal(environment, "edge1", "--", "echo here; cat") as seat:
        seat.expect("here")
        seat.close()
        seat.process.wait(40)
    _until(lambda: [len(terminal["viewers"]) for terminal in _terminals(daemon)] == [0])


def test_lists(environment: Mapping[str, str], daemon: RunningDaemon) -> None:
    done = mooring("term", "--list", environment=environment)
    assert (done.returncode, done.stdout) == (0, "")
    assert "there is no terminal" in done.stderr
    with _on_terminal(environment, "edge1/work", "--", "cat", "secret") as seat:
        seat.expect("No such file")
        seat.end()
    with _on_terminal(environment, "edge1/work", "--", "echo here; cat") as seat:
        seat.expect("here")
        done = mooring("term", "--list", "edge*", environment=environment)
        assert re.search(r"^edge1/work +echo +80x24 +\d+s +1 +uid \d+ +uid \d+$", done.stdout, re.MULTILINE)
        (line,) = mooring("term", "--list", "--json", environment=environment).stdout.splitlines()
        assert json.loads(line)["name"] == "work"
    done = mooring("term", "--end", "edge1", environment=environment)
    assert (done.returncode, done.stderr) == (0, "edge1/work: the terminal on edge1 was closed\n")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["edge1"], 2, "this is no terminal"),
        ([], 2, "ALIAS is missing"),
        (["--attach", "edge1", "--", "top"], 2, "was decided when it was opened"),
        (["-e", "ab", "edge1"], 2, "the escape key is one character"),
        (["--end", "edge1/none"], 255, "has no terminal of that name"),
        (["--end", "nobody"], 255, "no session is called nobody"),
        (["--end", "edge1"], 2, "edge1 has no terminals"),
    ],
    ids=["no terminal", "no alias", "command", "key", "name", "alias", "none"],
)
def test_what_cannot_be(environment: Mapping[str, str], words: list[str], code: int, told: str) -> None:
    done = mooring("term", *words, environment=environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr


def test_what_cannot_be_attached(environment: Mapping[str, str]) -> None:
    with _on_terminal(environment, "--attach", "edge1") as seat:
        code, seen = seat.end()
        assert (code, "edge1 has none" in seen) == (255, True)
