"""``mooring rec`` as its users call it: a real daemon, a real sshd, terminals recorded by ``mooring term``."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.cli import rec
from mooring.cli.plain import Plain
from mooring.model.errors import DaemonMismatch
from mooring.store import timekeeping
from tests import asciicast
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.sshd import Sshd

from .calling import MOORING, mooring
from .on_terminal import OnTerminal

SHOWN = r"stty -echo; printf 'one\n\033[31mtwo\033[?25l\033[6n'; read x; echo; echo over; exit 3"
OLD = "20200131-120000-0123abcd"
HURT = "20260131-120000-0123abce"
HEAD = b'{"version": 3, "term": {"cols": 80, "rows": 24}}'
LONG = "20260131-120000-0123abcd"


@pytest.fixture(scope="module")
def daemon(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon that records ``edge1``, with one recording of it, and a long one of ``core1`` from before."""
    folder = tmp_path_factory.mktemp("d")
    recordings = folder / "state" / "recordings"
    recordings.mkdir(parents=True)
    recordings.chmod(0o700)
    recordings.parent.chmod(0o700)
    about = {"alias": "core1", "who": "ann", "door": "tcp", "what": "shell.terminal", "began": time.time()}
    head = json.dumps({"version": 3, "term": {"cols": 200, "rows": 24}, "mooring": about})
    shown = json.dumps([0.0, "o", "\x1b[31mtwo\x1b[?25l"])
    rest = '[1000.0, "o", "over"]\n[1.0, "m", "no room"]\n'
    (recordings / f"{LONG}.cast").write_text(f"{head}\n{shown}\n{rest}")
    (recordings / f"{HURT}.cast").write_text(f'{head.replace("core1", "hurt1")}\n{shown}\n[0.1, "o", "fo\n{rest}')
    old = json.dumps({**json.loads(head), "mooring": {**about, "alias": "old1", "began": 1e9}})
    (recordings / f"{OLD}.cast").write_text(f"{old}\n{shown}\n")
    os.utime(recordings / f"{OLD}.cast", (1e9, 1e9))
    (clock := recordings.with_name(timekeeping.FILE)).touch(0o600)
    clock.write_text(json.dumps({"sure": time.time()}))  # as it was left with them: the old one is old
    config = "[recordings]\nenabled = true\nfree_mib = 1\n" + table("edge1", sshd)
    with RunningDaemon(folder, config=config) as daemon:
        daemon.wait_state("edge1")
        with OnTerminal([*MOORING, "term", "edge1", "--", SHOWN], daemon.environment()) as seat:
            seat.expect("two")
            seat.type("\r")
            assert seat.end()[0] == 3
        _recordings(daemon, over=3)
        yield daemon


def _recordings(daemon: RunningDaemon, *, over: int) -> list[dict[str, Any]]:
    """Them, once so many have ended."""
    deadline = time.monotonic() + 30
    while True:
        found: list[dict[str, Any]] = daemon.client.request("GET", "/v1/recordings")["recordings"]
        if sum(one["seconds"] is not None for one in found) >= over:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def environment(daemon: RunningDaemon) -> Mapping[str, str]:
    return daemon.environment()


@pytest.fixture
def recording(daemon: RunningDaemon) -> str:
    return next(str(one["id"]) for one in _recordings(daemon, over=3) if one["alias"] == "edge1")


def test_they_are_listed(environment: Mapping[str, str], recording: str) -> None:
    listed = mooring("rec", "list", "--on", "edge?", environment=environment)
    assert (listed.returncode, listed.stderr) == (0, "")
    heading, row, *_ = listed.stdout.splitlines()
    assert heading.split()[:3] == ["ID", "SESSION", "WHO"]
    assert row.startswith(f"{recording}  edge1    uid {os.getuid()}")
    [one] = [
        json.loads(line)
        for line in mooring("rec", "list", "--json", "--on", "edge1", environment=environment).stdout.splitlines()
    ]
    assert (one["id"], one["what"], one["columns"]) == (recording, "shell.terminal", 80)
    none = mooring("rec", "list", "--on", "core*", "--who", "bob", environment=environment)
    assert (none.returncode, none.stdout) == (0, "")
    assert "there is no such recording" in none.stderr


@pytest.mark.usefixtures("recording")  # whose file was closed after the old one was gone
def test_one_that_was_let_go_is_on_the_audit_trail(daemon: RunningDaemon) -> None:
    [told] = daemon.client.request("GET", "/v1/audit?what=recording.let_go")["records"]
    assert (told["who"], told["alias"], told["outcome"]) == ("mooringd", "old1", "done")
    assert (told["detail"]["recording"], told["detail"]["opened_by"], told["detail"]["for"]) == (OLD, "ann", "age")


def test_one_is_exported(environment: Mapping[str, str], recording: str, tmp_path: Path) -> None:
    target = tmp_path / "edge1.cast"
    done = mooring("rec", "export", recording, str(target), environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    cast = asciicast.read(target.read_bytes())
    assert cast.text().startswith("one\r\n\x1b[31mtwo\x1b[?25l\x1b[6n")
    assert cast.each("x") == ["3"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert mooring("rec", "export", recording, environment=environment).stdout.encode() == target.read_bytes()
    text = mooring("rec", "export", recording, "--text", environment=environment)
    assert text.stdout == "one\ntwo\nover\n"

    again = mooring("rec", "export", recording, str(target), environment=environment)
    assert (again.returncode, "name a file that is not there yet" in again.stderr) == (2, True)
    missing = mooring("rec", "export", "none", str(tmp_path / "none"), environment=environment)
    assert (missing.returncode, missing.stdout) == (255, "")
    assert "`mooring rec list` shows all that there are" in missing.stderr
    assert not (tmp_path / "none").exists()
    nowhere = mooring("rec", "export", recording, str(tmp_path / "none" / "x"), environment=environment)
    assert (nowhere.returncode, f"there is no folder {tmp_path / 'none'}" in nowhere.stderr) == (2, True)


def test_one_is_played(environment: Mapping[str, str], recording: str) -> None:
    command = [*MOORING, "rec", "play", recording, "--idle-limit", "0.2"]
    with OnTerminal(command, environment) as seat:
        code, _ = seat.end()
        assert code == 0
        assert b"one\r" in seat.raw
        assert b"over" in seat.raw
        assert b"\x1b[6n" not in seat.raw  # no question: its answer would be typed into the shell
        assert seat.raw.endswith(b"\x1b[?25h\x1b[m\x1b(B\x0f")  # the cursor and the colours, as they were
    piped = mooring("rec", "play", LONG, "--idle-limit", "0", environment=environment)
    assert (piped.stdout, piped.stderr) == ("\x1b[31mtwo\x1b[?25lover\x1b[?25h", "mooring rec: no room\n")


def test_one_is_played_and_read_past_a_damaged_line(environment: Mapping[str, str]) -> None:
    for words, shown in (("play", "--idle-limit", "0"), "two"), (("export", "--text"), "over"):
        done = mooring("rec", *words, HURT, environment=environment)
        assert (done.returncode, shown in done.stdout, "over" in done.stdout) == (0, True, True)
        assert "the recording is damaged: passed over line 3" in done.stderr


def test_ctrl_c_ends_it_and_puts_the_terminal_right(environment: Mapping[str, str]) -> None:
    command = [*MOORING, "rec", "play", LONG]
    with OnTerminal(["sh", "-c", f"trap : INT; {' '.join(command)}; echo code=$?; stty -a"], environment) as seat:
        assert "it was 200x24" in seat.expect("two", timeout=40)
        seat.type("typed")
        seat.type("\x03")
        ended = seat.expect("code=130", timeout=40)
        assert "typed" not in ended
        assert re.search(r"[^-]echo\b", seat.end()[1])
        assert b"\x1b[?25h\x1b[m" in seat.raw


def test_one_is_removed(daemon: RunningDaemon, environment: Mapping[str, str], recording: str) -> None:
    with OnTerminal([*MOORING, "term", "edge1", "--", "echo again"], environment) as seat:
        assert seat.end()[0] == 0
    found = [one["id"] for one in _recordings(daemon, over=4)]
    [other] = set(found) - {LONG, HURT, recording}
    done = mooring("rec", "remove", other, environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {one["id"] for one in _recordings(daemon, over=3)} == {LONG, HURT, recording}


def test_one_that_was_killed_leaves_what_was_shown(sshd: Sshd, start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon(config="[recordings]\nenabled = true\nfree_mib = 1\n" + table("edge1", sshd))
    daemon.wait_state("edge1")
    command = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"
    with OnTerminal([*MOORING, "term", "edge1", "--", command], daemon.environment()) as seat:
        seat.expect("line 40", timeout=40)
        daemon.terminate(signal.SIGKILL)
    [path] = (daemon.state_dir / "recordings").iterdir()
    assert asciicast.read(path.read_bytes()[: path.read_bytes().rindex(b"\n") + 1]).text().startswith("line 1\r\n")
    daemon.start()
    [one] = _recordings(daemon, over=1)
    assert 0 < one["seconds"] < 60
    content = b"".join(daemon.client.content("GET", f"/v1/recordings/{one['id']}"))
    assert "line 10\r\n" in asciicast.read(content).text()


def test_a_path_is_no_id() -> None:
    done = mooring("rec", "play", "../../x", environment={**os.environ, "MOORING_URL": "http://127.0.0.1:1"})
    assert (done.returncode, "../../x is no id of a recording" in done.stderr) == (255, True)


def test_a_recording_that_is_damaged() -> None:
    bad = [b'[NaN, "o", "x"]', b"[1" + b"0" * 400 + b', "o", "x"]', b'[1, "o"]', b"\xff", b"[" * 200_000]
    good = b'[1, "o", "x"]'
    damaged: list[int] = []
    term, events = rec._read(io.BytesIO(b"\n".join([HEAD, good, *bad, good])), damaged)  # noqa: SLF001 - what reads it
    assert (term["cols"], list(events), damaged) == (80, [(1.0, "o", "x")] * 2, [3, 4, 5, 6, 7])
    with pytest.raises(DaemonMismatch):
        rec._read(io.BytesIO(good))  # noqa: SLF001 - likewise
    script = """
import os, signal, sys
from mooring.cli.rec_play import Player
def events():
    yield 0.0, "o", "shown"
    os.kill(os.getpid(), signal.SIGINT)
    yield 1e300, "o", "never"
sys.exit(Player(1.0, None).play(events()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout[:5], b"never" in done.stdout) == (130, b"shown", False), done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what to do is missing"),
        (["look"], "there is no `mooring rec look`"),
        (["play"], "ID"),
        (["play", "x", "--speed", "0"], "--speed"),
        (["play", "x", "--speed", "1e-300"], "--speed"),
        (["play", "x", "--speed", "nan"], "--speed"),
        (["play", "x", "--idle-limit", "nan"], "--idle-limit"),
        (["remove"], "ID"),
    ],
)
def test_wrong_calls(words: list[str], said: str) -> None:
    done = mooring("rec", *words, environment=dict(os.environ))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("one\r\ntwo", "one\ntwo\n"),
        ("10%\r 50%\r100%\r\n", "100%\n"),
        ("lx\x08s\r\n", "ls\n"),
        ("\x1b[1;32mgreen\x1b[0m\x1b]0;title\x07!\r\n", "green!\n"),
        ("wrong\r\x1b[Kright\r\n", "right\n"),
        ("a\tb\x1b[3Cc\n", "a       b   c\n"),
        ("before\r\n\x1b[?1049hscreen\r\n\x1b[?1049lafter\r\n", "before\nafter\n"),
        ("grün €\n", "grün €\n"),
    ],
)
def test_plain_text(shown: str, text: str) -> None:
    for step in (1, 2, len(shown)):
        plain = Plain()
        found = "".join(plain.feed(shown[start : start + step]) for start in range(0, len(shown), step))
        assert found + plain.end() == text


@given(st.lists(st.text("ab\r\n\x08\x1b[]?0123;KhlCDGP@\x07\x9b€")))
def test_plain_text_has_no_controls(parts: list[str]) -> None:
    plain = Plain()
    text = "".join(map(plain.feed, parts)) + plain.end()
    assert all(letter == "\n" or letter.isprintable() for letter in text)
