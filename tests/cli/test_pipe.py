"""``mooring pipe`` on one session, as its users call it: the real program, a real daemon, a real sshd."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import mooring.far as mooring_far
from tests.cli.calling import MOORING, mooring
from tests.cli.lifeline import Lifeline
from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.ending import ending
from tests.peers.sshd import Sshd

HANDLER = Path(__file__).parents[1] / "session" / "pipe" / "handlers" / "answering.py"
UPPER = """
from mooring.far import serve

def handle(pipe, message):
    return message.upper()

serve(handle)
"""
FIRST = """
import sys
from mooring.far import connect

with connect() as pipe:
    for message in pipe:
        pipe.reply(sys.argv)
        break
"""


@pytest.fixture(scope="module")
def daemon(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon that holds ``edge1``, and has ``down`` that nobody answers."""
    down = '[sessions.down]\nhost = "127.0.0.1"\nport = 1\nusername = "x"\nhost_key = "off"\n'
    with RunningDaemon(tmp_path_factory.mktemp("d"), config=table("edge1", sshd) + down) as daemon:
        daemon.wait_state("edge1")
        daemon.wait_state("down", state="backoff")
        yield daemon


@pytest.fixture(scope="module")
def environment(daemon: RunningDaemon) -> Mapping[str, str]:
    return daemon.environment()


@pytest.fixture
def upper(tmp_path: Path) -> str:
    """A handler that answers in capitals."""
    (tmp_path / "upper.py").write_text(UPPER)
    return str(tmp_path / "upper.py")


def pipe(
    environment: Mapping[str, str], given: str, *words: str, alias: str = "edge1"
) -> subprocess.CompletedProcess[str]:
    """``mooring pipe`` with this as its standard input."""
    command = [*MOORING, "pipe", alias, *words]
    return subprocess.run(
        command, env=environment, input=given, capture_output=True, text=True, timeout=50, check=False
    )


def test_lines_in_and_lines_out(environment: Mapping[str, str], upper: str) -> None:
    done = pipe(environment, '"hello"\n\n  "grüße"  \n"last"', "--deploy", upper)
    assert (done.returncode, done.stdout, done.stderr) == (0, '"HELLO"\n"GRÜSSE"\n"LAST"\n', "")


def test_each_answer_comes_before_the_next_line_is_given(environment: Mapping[str, str], upper: str) -> None:
    command = [*MOORING, "pipe", "edge1", "--deploy", upper]
    with ending(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in (b"one", b"two"):
            process.stdin.write(b'"%s"\n' % word)
            process.stdin.flush()
            assert process.stdout.readline() == b'"%s"\n' % word.upper()
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(30) == 0


def test_values_of_every_kind(environment: Mapping[str, str], tmp_path: Path) -> None:
    handler = tmp_path / "kinds.py"
    handler.write_text(
        "from mooring.far import serve\n"
        "serve(lambda pipe, message: b'\\xff' if message == 'bytes' else chr(0xd800) if message == 'half' else message)"
    )
    given = '{"a": [1, null, 2.5, "⚓"]}\n"bytes"\n"half"\n12345678901234567890\n"\\u0000\\n"\n'
    done = pipe(environment, given, "--deploy", str(handler))
    assert done.stdout.splitlines() == [
        '{"a": [1, null, 2.5, "⚓"]}', '{"base64": "/w=="}', '"\\ud800"', "12345678901234567890", '"\\u0000\\n"',
    ]  # fmt: skip


def test_numbers_that_json_has_not(environment: Mapping[str, str], tmp_path: Path) -> None:
    handler, items = tmp_path / "odd.py", tmp_path / "items.jsonl"
    handler.write_text(
        "from mooring.far import serve\n"
        "def handle(pipe, message):\n"
        "    pipe.asked or pipe.send({'a': [float(message)]})\n"
        "    return float(message)\n"
        "serve(handle)\n"
    )
    given = '"NaN"\n"1.5"\n"-inf"\n'
    items.write_text(given)
    done = pipe(environment, given, "--deploy", str(handler))
    assert (done.returncode, done.stdout) == (1, "1.5\n")
    assert done.stderr.startswith("mooring pipe: line 1: what the handler on edge1 said is no JSON: ")
    done = pipe(environment, given, "--send", "--deploy", str(handler))
    assert (done.returncode, done.stdout) == (1, '{"a": [1.5]}\n')
    assert done.stderr.count("mooring pipe: what the handler on edge1 said is no JSON: ") == 2
    done = pipe(environment, "", "--deploy", str(handler), "--map", str(items))
    outcomes = [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [outcome.get("result") for outcome in outcomes] == [None, 1.5, None]
    assert [outcome["error"]["code"] for outcome in outcomes if "error" in outcome] == ["handler-failed"] * 2


def test_without_a_standard_output(environment: Mapping[str, str], upper: str) -> None:
    script = f"echo '\"x\"' | {' '.join(MOORING)} pipe edge1 --deploy {upper} >&-; echo $?"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"0\n", b"")


def test_a_handler_that_is_there_already(environment: Mapping[str, str], upper: str) -> None:
    program = Path(upper).read_text().replace("from mooring.far", "from far")
    source = Path(str(mooring_far.__file__))
    shell = f"d=$(mktemp -d); cat > $d/far.py <<'E'\n{source.read_text()}\nE\ncat > $d/h.py <<'E'\n{program}\nE\n"
    done = pipe(environment, '"x"\n', "--", f"{shell}python3 $d/h.py; s=$?; rm -r $d; exit $s")
    assert (done.returncode, done.stdout, done.stderr) == (0, '"X"\n', "")


def test_words_are_the_deployed_handlers_arguments(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(FIRST)
    done = pipe(environment, "1\n", "--deploy", str(tmp_path / "first.py"), "--", "a b", "--send", "$HOME")
    assert json.loads(done.stdout) == ["first.py", "a b", "--send", "$HOME"]


def test_a_slow_handler_may_finish_what_it_was_sent(environment: Mapping[str, str]) -> None:
    program = (
        "import sys\nfrom mooring.cli import pipe, pipe_loop\n"
        "pipe_loop.START_TIMEOUT = 2.0\nsys.exit(pipe.main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "edge1", "--send", "--deploy", str(HANDLER)],
        env=environment,
        input='["!sleep", 1]\n' * 4 + '"done"\n', capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, '"done"\n', "")


def test_sending_is_bounded_by_the_timeout(environment: Mapping[str, str]) -> None:
    given = '["!sleep", 1.2]\n' * 3
    done = pipe(environment, given, "--send", "--timeout", "3", "--deploy", str(HANDLER))
    assert (done.returncode, done.stderr) == (0, "")
    done = pipe(environment, '["!sleep", 60]\n', "--send", "--timeout", "0.5", "--deploy", str(HANDLER))
    assert done.returncode == 124
    assert "did not deal with a line within 0.5 s; 1 messages were not dealt with" in done.stderr


def test_what_it_sends_by_itself_is_a_line_too(environment: Mapping[str, str]) -> None:
    done = pipe(environment, '"one"\n["!many", 3, 2]\n', "--send", "--deploy", str(HANDLER))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '"one"\n' + '{"base64": "eHg="}\n' * 3


def test_what_it_prints_and_logs_goes_to_standard_error(environment: Mapping[str, str]) -> None:
    done = pipe(environment, '["!print", "grüße"]\n["!log", "lost"]\n', "--deploy", str(HANDLER))
    assert (done.returncode, done.stdout) == (0, '""\n30\n')
    assert sorted(line for line in done.stderr.splitlines() if line in {"from a child", "grüße", "raw"}) == [
        "from a child", "grüße", "grüße", "raw",
    ]  # fmt: skip
    assert "edge1: ERROR far.away: it was lost\nTraceback (most recent call last):\n" in done.stderr
    assert "\nKeyError: 'lost'\n" in done.stderr


def test_a_line_that_it_fails_over_is_told_and_the_rest_goes_on(environment: Mapping[str, str]) -> None:
    done = pipe(environment, '1\n["!raise", "no such job"]\n3\n', "--deploy", str(HANDLER))
    assert (done.returncode, done.stdout) == (1, "1\n3\n")
    assert done.stderr == "mooring pipe: line 2: the handler on edge1 raised ValueError: no such job\n"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"a": }', "column 7: Expecting value"),
        ("NaN", "NaN is no JSON"),
        ("hello", "column 1: Expecting value"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
    ids=["object", "number", "word", "deep"],
)
def test_a_line_that_is_no_json_has_its_place_told(
    environment: Mapping[str, str], upper: str, line: str, what: str
) -> None:
    done = pipe(environment, f'"before"\n\n{line}\n"after"\n', "--deploy", upper)
    assert (done.returncode, done.stdout) == (2, '"BEFORE"\n')
    assert done.stderr.startswith(f"mooring pipe: standard input, line 3, {what}\n  hint: each line is one JSON value")


def test_the_handlers_own_status_is_ours(environment: Mapping[str, str]) -> None:
    done = pipe(environment, '1\n["!leave", 5]\n3\n', "--deploy", str(HANDLER))
    assert (done.returncode, done.stdout) == (5, "1\n")
    assert done.stderr.startswith("mooring pipe: the handler on edge1 ended with status 5; 0 messages were not dealt")
    done = pipe(environment, '["!kill"]\n', "--deploy", str(HANDLER))
    assert (done.returncode, done.stdout) == (128 + signal.SIGKILL, "")
    assert "ended by signal KILL; 0 messages were not dealt with, 1 requests not answered" in done.stderr
    done = pipe(environment, '["!raise", "x"]\n', "--send", "--deploy", str(HANDLER))
    assert (done.returncode, done.stdout) == (1, "")
    assert "raised ValueError: x" in done.stderr


def test_it_may_end_before_its_input_does(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(FIRST)
    command = [*MOORING, "pipe", "edge1", "--deploy", str(tmp_path / "first.py")]
    with ending(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"1\n")
        process.stdin.flush()
        assert process.stdout.read() == b'["first.py"]\n'
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("python9 handler.py", 127, "did not start: with status 127: .*python9: not found\n  hint: is the interpreter"),
        ("true", 1, "did not start: with status 0: it said nothing\n  hint: a handler calls mooring.far.serve"),
        ("echo some text; exit 3", 3, "did not start: with status 3: some text\n"),
        ("head -c 100000 /dev/zero", 1, "it printed [0-9]+ bytes and did not take the pipe"),
    ],
)
def test_what_does_not_start_says_why(environment: Mapping[str, str], command: str, code: int, said: str) -> None:
    done = pipe(environment, "1\n", "--", command)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.search(said, done.stderr)


def test_no_session_and_no_daemon(environment: Mapping[str, str], upper: str, tmp_path: Path) -> None:
    for alias, said in (("down", "down is backoff"), ("nobody", "no session is called nobody")):
        done = pipe(environment, "1\n", "--deploy", upper, alias=alias)
        while "down is connecting" in done.stderr:  # it is tried again now and then
            done = pipe(environment, "1\n", "--deploy", upper, alias=alias)
        assert (done.returncode, done.stdout) == (255, "")
        assert said in done.stderr
    nowhere = {**environment, "MOORING_SOCKET": str(tmp_path / "nothing")}
    done = pipe(nowhere, "1\n", "--deploy", upper)
    assert (done.returncode, done.stdout) == (255, "")
    assert "no daemon answers" in done.stderr


def test_a_daemon_that_dies_is_told(sshd: Sshd, tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, config=table("edge1", sshd)) as daemon:
        daemon.wait_state("edge1")
        command = [*MOORING, "pipe", "edge1", "--deploy", str(HANDLER)]
        with ending(
            subprocess.Popen(
                command, env=daemon.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(b'1\n["!sleep", 60]\n')
            process.stdin.flush()
            assert process.stdout.readline() == b"1\n"
            daemon.kill()
            assert process.stderr.read().startswith(b"mooring pipe: the daemon at ")
            assert process.wait(30) == 255


def test_a_handler_that_takes_too_long(environment: Mapping[str, str]) -> None:
    done = pipe(environment, '1\n["!sleep", 60]\n', "--timeout", "2", "--deploy", str(HANDLER))
    assert (done.returncode, done.stdout) == (124, "1\n")
    assert "the handler on edge1 did not answer within 2 s; 0 messages were not dealt with, 1 requests" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["edge1"], "no handler\n  hint: --deploy FILE ships one"),
        (["edge*", "--deploy", "UPPER"], "may mean many sessions\n  hint: --map FILE"),
        (["all", "--deploy", "UPPER"], "may mean many sessions"),
        (["edge1", "--deploy", "/no/such/file"], "the handler /no/such/file cannot be read: No such file"),
        (["edge1", "--deploy", "/etc/passwd"], "the handler passwd is no Python"),
        (["edge1", "--deploy", "UPPER", "--timeout", "0"], "must be a number more than 0"),
        (["edge1", "--deploy", "UPPER", "--map", "x", "--window", "0"], "--window must be a number"),
        (["edge1", "--deploy", "UPPER", "--map", "x", "--send"], "--send has no use with --map"),
        (["edge1", "--deploy", "UPPER", "--map", "/no/such"], "the items /no/such cannot be read"),
        (["--nonsense"], "No such option"),
        ([], "Missing argument 'SELECTOR'"),
    ],
)
def test_what_cannot_be_meant(environment: Mapping[str, str], upper: str, words: list[str], said: str) -> None:
    done = mooring("pipe", *(upper if word == "UPPER" else word for word in words), environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


# Who wants it to end.


@pytest.fixture
def lifeline(peers_folder: Path) -> Iterator[Lifeline]:
    with Lifeline(peers_folder) as lifeline:
        yield lifeline


@pytest.fixture
def held(tmp_path: Path, lifeline: Lifeline) -> str:
    """A handler that holds the lifeline, and answers for ever."""
    file = tmp_path / "held.py"
    file.write_text(
        f"import sys\nfrom mooring.far import connect\n"
        f"line = open({str(lifeline.folder / 'fifo')!r}, 'w')\n"
        "with connect() as pipe:\n    print('ready', file=sys.stderr, flush=True)\n"
        "    for message in pipe:\n        while True:\n            pipe.send('x' * 1000)\n"
    )
    return str(file)


def test_ctrl_c_ends_the_handler_too(environment: Mapping[str, str], lifeline: Lifeline, held: str) -> None:
    with OnTerminal([*MOORING, "pipe", "edge1", "--deploy", held], environment) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        code, seen = terminal.end()
    assert (code, seen.strip()) == (130, "^C")
    assert lifeline.hung_up()


def test_head_has_enough(environment: Mapping[str, str], lifeline: Lifeline, held: str) -> None:
    words = " ".join([*MOORING, "pipe", "edge1", "--deploy", held])
    script = f"echo 1 | {words} 2>/dev/null | head -1 | cut -c 1-5; echo ${{PIPESTATUS[1]}}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ('"xxxx\n141\n', "")
    assert lifeline.hung_up()


def test_a_reader_who_leaves_a_silent_handler(environment: Mapping[str, str], lifeline: Lifeline, held: str) -> None:
    reader, writer = os.pipe()
    command = [*MOORING, "pipe", "edge1", "--deploy", held]
    with ending(
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE)
    ) as process:
        os.close(writer)
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        os.close(reader)
        assert process.wait(30) == 141
    assert lifeline.hung_up()


# How much passes.


def test_a_long_line(environment: Mapping[str, str]) -> None:
    given = json.dumps("ü" * 5_000_000, ensure_ascii=False) + "\n"
    done = pipe(environment, given, "--deploy", str(HANDLER))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == given


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_fifty_megabytes_pass_in_little_memory(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "lines").write_text((json.dumps("x" * 5_000) + "\n") * 10_000)
    command = [*MOORING, "pipe", "edge1", "--deploy", str(HANDLER)]
    with (
        (tmp_path / "lines").open("rb") as given,
        ending(subprocess.Popen(command, env=environment, stdin=given, stdout=subprocess.PIPE)) as process,
    ):
        assert process.stdout is not None
        for _ in range(9_000):
            assert len(process.stdout.readline()) == 5_003
        status = Path(f"/proc/{process.pid}/status").read_text()  # it has more to say than any pipe holds
        assert len(process.stdout.read()) == 1_000 * 5_003
        assert process.wait(30) == 0
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    assert kilobytes < 60_000
