"""``mooring pipe --map``: a file's lines shared out to handlers on many sessions, as its users call it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mooring.cli.lines import Lines
from mooring.cli.pipe_shown import bar
from tests.cli.calling import MOORING, mooring
from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.ending import ending
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

WORKER = """
import os, sys, time
from mooring.far import connect

with connect() as pipe:
    for item in pipe:
        if item == "raise":
            try:
                raise ValueError("not this one")
            except ValueError as error:
                pipe.fail(error)
                continue
        if item == "die" or (item == "die once" and not os.path.exists(sys.argv[1])):
            if sys.argv[1:]:
                open(sys.argv[1], "w").close()
            os.kill(os.getpid(), 9)
        if item == "stop":
            time.sleep(60)
        if item == "print":
            print("printed")
        pipe.reply([item, os.getpid()])
"""

MEETING = """
import os, sys, time
from mooring.far import connect

folder, count, holding = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with connect() as pipe:
    for item in pipe:
        open(os.path.join(folder, str(os.getpid())), "w").close()
        until = time.monotonic() + 50
        while len(os.listdir(folder)) < count and time.monotonic() < until:
            time.sleep(0.01)
        if os.environ["SSH_CONNECTION"].endswith(" " + holding):
            time.sleep(60)
        pipe.reply([item, os.getpid()])
"""
"""Nobody answers before each of them has an item; and who listens at the port ``holding`` never does."""


@pytest.fixture(scope="module")
def environment(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A daemon that holds ``edge1``, ``edge2`` and ``edge3``, and has ``down`` that nobody answers."""
    down = '[sessions.down]\nhost = "127.0.0.1"\nport = 1\nusername = "x"\nhost_key = "off"\n'
    edges = [table(alias, sshd, label="site:ams") for alias in ("edge1", "edge2", "edge3")]
    with RunningDaemon(tmp_path_factory.mktemp("d"), config="".join(edges) + down) as daemon:
        daemon.wait_state("edge1", "edge2", "edge3")
        daemon.wait_state("down", state="backoff")
        yield daemon.environment()


@pytest.fixture
def worker(tmp_path: Path) -> str:
    """A handler that answers with the item and its process."""
    (tmp_path / "worker.py").write_text(WORKER)
    return str(tmp_path / "worker.py")


@pytest.fixture
def meeting(tmp_path: Path, peers_folder: Path) -> Iterator[tuple[str, str]]:
    """A handler that waits for the others, and where they meet."""
    (tmp_path / "meeting.py").write_text(MEETING)
    folder = Path(tempfile.mkdtemp(dir=peers_folder))
    folder.chmod(0o777)
    yield str(tmp_path / "meeting.py"), str(folder)
    shutil.rmtree(folder)


def items(folder: Path, *values: object) -> str:
    """A file of items."""
    (folder / "items.jsonl").write_text("".join(f"{json.dumps(value)}\n" for value in values))
    return str(folder / "items.jsonl")


def outcomes(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_items_are_shared_out(environment: Mapping[str, str], meeting: tuple[str, str], tmp_path: Path) -> None:
    file, (handler, folder) = items(tmp_path, *range(300)), meeting
    words = ["pipe", "site:ams", "--deploy", handler, "--map", file, "--", folder, "3", "0"]
    done = mooring(*words, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    found = outcomes(done)
    assert sorted(one["item"] for one in found) == list(range(300))
    assert all(one["result"][0] == one["item"] and one["line"] == one["item"] + 1 for one in found)
    assert set(Counter(one["alias"] for one in found)) == {"edge1", "edge2", "edge3"}
    assert len({one["result"][1] for one in found}) == 3


def test_items_from_standard_input(environment: Mapping[str, str], worker: str) -> None:
    command = [*MOORING, "pipe", "edge1", "--deploy", worker, "--map", "-"]
    with ending(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"a": 1.50}\n')
        process.stdin.flush()
        assert process.stdout.readline().startswith(b'{"item": {"a": 1.50}, "line": 1, "alias": "edge1", "result": ')
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(30) == 0


def test_what_an_item_raises_is_its_own(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    file = items(tmp_path, 1, "raise", "print", 4)
    done = mooring("pipe", "edge1", "--deploy", worker, "--map", file, environment=environment)
    assert (done.returncode, done.stderr) == (1, "edge1: printed\n")
    found = {one["line"]: one for one in outcomes(done)}
    assert found[2]["error"]["code"] == "handler-failed"
    assert found[2]["error"]["detail"] == "the handler on edge1 raised ValueError: not this one"
    assert [found[line]["result"][0] for line in (1, 3, 4)] == [1, "print", 4]


def test_what_a_host_that_dies_had_goes_to_others(
    environment: Mapping[str, str], worker: str, tmp_path: Path, peers_folder: Path
) -> None:
    mark = peers_folder / "died-once"
    peers_folder.chmod(0o777)
    file = items(tmp_path, *range(20), "die once", *range(20, 100))
    done = mooring("pipe", "site:ams", "--deploy", worker, "--map", file, "--", str(mark), environment=environment)
    mark.unlink()
    found = outcomes(done)
    assert sorted(one["line"] for one in found) == list(range(1, 102))
    assert all("result" in one for one in found)
    (died,) = {tuple(one["tried"]) for one in found if "tried" in one}
    assert "die once" in {one["item"] for one in found if "tried" in one}
    assert done.returncode == 0
    assert done.stderr.startswith(f"mooring pipe: the handler on {died[0]} ended by signal KILL; 0 messages")


def test_an_item_that_kills_is_given_up(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    file = items(tmp_path, 1, "die", *range(3, 1000))
    done = mooring("pipe", "site:ams", "--window", "1", "--deploy", worker, "--map", file, environment=environment)
    found = outcomes(done)
    assert done.returncode == 1
    killed = next(one for one in found if one["item"] == "die")
    assert sorted(killed["tried"]) == ["edge1", "edge2", "edge3"]
    assert killed["error"]["code"] == "handler-ended"
    assert f"no handler is left: {len(found)} items are told of, the others were not tried" in done.stderr


def test_a_host_that_hangs_is_given_up(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    file = items(tmp_path, "stop", 2)
    done = mooring("pipe", "edge1", "--timeout", "0.5", "--deploy", worker, "--map", file, environment=environment)
    assert done.returncode == 1
    assert "the handler on edge1 did not answer within 0.5 s" in done.stderr
    assert {one["line"]: one["error"]["code"] for one in outcomes(done)} == {1: "pipe-error", 2: "pipe-error"}
    assert {one["line"]: one["tried"] for one in outcomes(done)} == {1: ["edge1"], 2: ["edge1"]}


def test_a_file_with_a_line_that_is_no_json_is_not_begun(
    environment: Mapping[str, str], worker: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.jsonl").write_text('1\n2\n{"a": 3,}\n4\n')
    words = ["pipe", "site:ams", "--deploy", worker, "--map", "bad.jsonl"]
    done = mooring(*words, environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(r"mooring pipe: bad\.jsonl, line 3, column [89]: ", done.stderr)  # Pythons differ


def test_sessions_that_are_not_up_are_told(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    file = items(tmp_path, 1, 2)
    done = mooring("pipe", "all", "--deploy", worker, "--map", file, environment=environment)
    assert (done.returncode, len(outcomes(done))) == (0, 2)
    assert done.stderr.startswith("mooring pipe: down is not up, and goes without: ")
    done = mooring("pipe", "down", "--deploy", worker, "--map", file, environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    done = mooring("pipe", "nobody", "--deploy", worker, "--map", file, environment=environment)
    assert (done.returncode, done.stdout) == (255, "")


def test_handlers_that_do_not_start(environment: Mapping[str, str], tmp_path: Path) -> None:
    file = items(tmp_path, 1, 2)
    done = mooring("pipe", "edge1,edge2", "--map", file, "--", "python9 x.py", environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr.count("did not start: with status 127") == 2
    assert "mooring pipe: nothing was done\n  hint: is the interpreter installed there" in done.stderr


def test_no_items_are_no_failure(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    done = mooring("pipe", "edge1", "--deploy", worker, "--map", items(tmp_path), environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_session_that_is_lost_on_the_way(
    sshd: Sshd, start_sshd: StartSshd, meeting: tuple[str, str], tmp_path: Path
) -> None:
    doomed, (handler, folder) = start_sshd(), meeting
    config = table("edge1", sshd) + table("doomed", doomed)
    with RunningDaemon(tmp_path / "d", config=config) as daemon:
        daemon.wait_state("edge1", "doomed")
        file = items(tmp_path, *range(4_000))
        command = [*MOORING, "pipe", "all", "--deploy", handler, "--map", file, "--", folder, "2", str(doomed.port)]
        with ending(
            subprocess.Popen(
                command, env=daemon.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            lines = [next(process.stdout) for _ in range(200)]
            doomed.kill()
            lines += list(process.stdout)
            errors = process.stderr.read()
            assert process.wait(30) == 0
    assert sorted(json.loads(line)["item"] for line in lines) == list(range(4_000))
    assert "mooring pipe: doomed was lost under the pipe; 0 messages were not dealt with, " in errors


def test_head_has_enough(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    file = items(tmp_path, *range(100_000))
    script = f"{' '.join(MOORING)} pipe site:ams --deploy {worker} --map {file} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[1:] == ["141"]
    assert done.stderr == ""


def test_ctrl_c_tells_how_far_it_was(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    file = items(tmp_path, 1, 2, "stop")
    with OnTerminal([*MOORING, "pipe", "edge1", "--deploy", worker, "--map", file], environment) as terminal:
        terminal.expect('{"item": 2')
        terminal.type("\x03")
        code, seen = terminal.end()
    assert code == 130
    assert "mooring pipe: interrupted: 2 were done, what was under way may have been" in seen


class Raw(OnTerminal):
    """A terminal that shows what was written as it was written."""

    def _plain(self) -> str:
        return self._seen.decode()


def test_a_terminal_sees_a_bar_and_forty_columns_hold_it(
    environment: Mapping[str, str], worker: str, tmp_path: Path
) -> None:
    file = items(tmp_path, *range(50), "raise", *range(2000))
    words = ["pipe", "site:ams", "--deploy", worker, "--map", file]
    script = f"{' '.join([*MOORING, *words])} > {tmp_path}/outcomes"
    with Raw(["bash", "-c", script], environment, columns=40) as terminal:
        code, seen = terminal.end()
    assert code == 1
    assert len((tmp_path / "outcomes").read_text().splitlines()) == 2051
    drawn = [part for part in seen.split("\r\x1b[K") if part.strip()]
    assert any(part.startswith("[") and " of 2051, " in part for part in drawn)
    assert all(len(part) < 40 for part in drawn)
    assert seen.endswith("\r\x1b[K")


def test_a_dumb_terminal_sees_none(environment: Mapping[str, str], worker: str, tmp_path: Path) -> None:
    words = ["pipe", "edge1", "--deploy", worker, "--map", items(tmp_path, 1)]
    with Raw(["env", "TERM=dumb", *MOORING, *words], environment) as terminal:
        code, seen = terminal.end()
    assert code == 0
    assert "\x1b" not in seen


@pytest.mark.parametrize(
    ("figures", "room", "shown"),
    [
        ((40, 100, 1, 3), 60, f"[{'#' * 11}{'.' * 18}] 40 of 100, 1 failed, 3 hosts"),
        ((0, 100, 0, 0), 39, f"[{'.' * 19}] 0 of 100, 0 hosts"),
        ((7, None, 0, 1), 39, "7 done, 1 host"),
        ((99_999, 100_000, 12_345, 100), 39, "99999 of 100000, 12345 failed, 100 host"),
        ((5, 5, 0, 1), 200, f"[{'#' * 40}] 5 of 5, 1 host"),
        ((0, 0, 0, 1), 80, "0 of 0, 1 host"),
    ],
)
def test_bars(figures: tuple[int, int | None, int, int], room: int, shown: str) -> None:
    assert bar(*figures, room) == shown
    assert len(shown) <= room


def test_a_line_is_read_whole_however_it_comes(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b'\n"a"\n' + b" " * 200_000 + b'"b"\n[1,\t2]')
    with (tmp_path / "lines").open("rb") as file:
        lines = Lines(file.fileno(), "lines")
        found = []
        while not lines.empty:
            line = lines.take()
            if line is not None:
                found.append(line)
            elif not lines.ended:
                lines.fill()
    assert found == [(2, b'"a"'), (3, b'"b"'), (4, b"[1,\t2]")]
