"""``mooring run`` on one session, as its users call it: the real program, a real daemon, a real sshd."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cli.calling import MOORING, mooring
from tests.cli.lifeline import Lifeline
from tests.cli.on_terminal import OnTerminal
from tests.client.scripted import Scripted, answer
from tests.daemon import certificate
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.ending import ending
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

NOTHING = subprocess.DEVNULL
PIPE = subprocess.PIPE


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
def lifeline(peers_folder: Path) -> Iterator[Lifeline]:
    with Lifeline(peers_folder) as lifeline:
        yield lifeline


def _started(
    environment: Mapping[str, str], *words: str, **keywords: int
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    streams = {"stdin": NOTHING, "stdout": PIPE, "stderr": PIPE, **keywords}
    command = [*MOORING, "run", *words]
    return ending(subprocess.Popen(command, env=environment, **streams))  # type: ignore[call-overload]


def _in_shell(environment: Mapping[str, str], script: str) -> subprocess.CompletedProcess[str]:
    """A shell script, in which ``mooring`` is the program."""
    program = " ".join(MOORING)
    return subprocess.run(
        ["bash", "-c", f'mooring() {{ {program} "$@"; }}\n{script}'],
        env=environment,
        stdin=NOTHING,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


# What comes and goes.


def test_both_streams_and_the_status_are_passed_on(environment: Mapping[str, str]) -> None:
    done = mooring("run", "edge1", "--", "echo out; echo err >&2; exit 3", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_words_are_joined_as_ssh_joins_them(environment: Mapping[str, str]) -> None:
    assert mooring("run", "edge1", "echo", "-n", "'a  b'", environment=environment).stdout == "a  b"
    assert mooring("run", "edge1", "--", "echo", "--", "--json", environment=environment).stdout == "-- --json\n"


def test_a_signal_that_ended_it_is_a_status_as_shells_have_it(environment: Mapping[str, str]) -> None:
    done = mooring("run", "edge1", "kill -KILL $$", environment=environment)
    assert (done.returncode, done.stderr) == (137, "mooring run: edge1: the command was ended by KILL\n")


def test_input_and_output_pass_as_they_come(environment: Mapping[str, str]) -> None:
    with _started(environment, "edge1", "echo name?; read x; echo hello $x; cat; echo bye", stdin=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"name?\n"
        process.stdin.write(b"Ada\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello Ada\n"
        process.stdin.close()
        assert process.stdout.read() == b"bye\n"
        assert process.wait(30) == 0


def test_a_file_goes_there_and_back_unchanged(environment: Mapping[str, str], tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    (tmp_path / "data").write_bytes(data)
    with (
        (tmp_path / "data").open("rb") as file,
        _started(environment, "edge1", "cat", stdin=file.fileno()) as process,
    ):
        output, errors = process.communicate(timeout=50)
    assert (process.returncode, errors) == (0, b"")
    assert hashlib.sha256(output).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    "call",
    [
        "mooring run edge1 cat <&-",
        "mooring run edge1 cat </dev/null",
        "echo x | mooring run -n edge1 cat",
        "echo x | mooring run --no-stdin edge1 -- cat",
    ],
)
def test_no_input_is_an_end_of_input(environment: Mapping[str, str], call: str) -> None:
    done = _in_shell(environment, call)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_input_is_left_to_who_comes_next(environment: Mapping[str, str]) -> None:
    script = "printf '1\\n2\\n' | while read x; do mooring run -n edge1 echo got $x; done"
    done = _in_shell(environment, script)
    assert (done.stdout, done.stderr) == ("got 1\ngot 2\n", "")


def test_input_that_others_made_nonblocking(environment: Mapping[str, str]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with _started(environment, "edge1", "echo ready; cat", stdin=reader) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.write(writer, b"late\n")
        os.close(writer)
        os.close(reader)
        assert process.communicate(timeout=50) == (b"late\n", b"")
        assert process.returncode == 0


def test_output_that_others_made_nonblocking(environment: Mapping[str, str]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with _started(environment, "edge1", "head -c 1000000 /dev/zero", stdout=writer) as process:
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            assert len(file.read()) == 1_000_000
        assert process.communicate(timeout=50)[1] == b""
        assert process.returncode == 0


def test_input_that_nobody_reads_keeps_nothing_waiting(environment: Mapping[str, str]) -> None:
    done = _in_shell(environment, "head -c 50000000 /dev/zero | mooring run edge1 'echo here; exit 4'")
    assert (done.returncode, done.stdout, done.stderr) == (4, "here\n", "")


def test_closed_streams_are_not_taken_for_the_daemon(environment: Mapping[str, str]) -> None:
    script = "mooring run edge1 'echo out; echo err >&2; exit 5' <&- >&- 2>&-; echo $?"
    assert _in_shell(environment, script).stdout == "5\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_hundred_megabytes_pass_in_little_memory(environment: Mapping[str, str]) -> None:
    with _started(environment, "edge1", "head -c 100000000 /dev/zero; read x; echo end", stdin=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        left = 100_000_000
        while left:
            left -= len(process.stdout.read(min(left, 1 << 20)))
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdin.close()
        assert process.stdout.read() == b"end\n"
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    assert kilobytes < 40_000


def test_without_a_terminal_and_a_session_of_its_own(environment: Mapping[str, str]) -> None:
    if shutil.which("setsid") is None:
        pytest.skip("no setsid: install util-linux")
    assert _in_shell(environment, "setsid -w bash -c 'mooring run edge1 tty'").returncode == 127  # a function of ours
    script = f"setsid -w {' '.join(MOORING)} run edge1 'echo there'"
    assert _in_shell(environment, script).stdout == "there\n"


# Who wants it to end.


def test_ctrl_c_ends_the_far_side_too(environment: Mapping[str, str], lifeline: Lifeline) -> None:
    with OnTerminal([*MOORING, "run", "edge1", lifeline.command], environment) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        code, seen = terminal.end()
    assert (code, seen.strip()) == (130, "^C")
    assert lifeline.hung_up()


def test_a_second_ctrl_c_waits_for_nobody(environment: Mapping[str, str], peers_folder: Path) -> None:
    with (
        Lifeline(peers_folder, before="trap '' INT;") as lifeline,
        OnTerminal([*MOORING, "run", "edge1", lifeline.command], environment) as terminal,
    ):
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("^C")
        terminal.type("\x03")
        assert terminal.end()[0] == 130
        assert lifeline.hung_up()


def test_who_does_not_heed_ctrl_c_is_ended_all_the_same(environment: Mapping[str, str], peers_folder: Path) -> None:
    with (
        Lifeline(peers_folder, before="trap '' INT;") as lifeline,
        OnTerminal([*MOORING, "run", "edge1", lifeline.command], environment) as terminal,
    ):
        terminal.expect("ready")
        terminal.type("\x03")
        code, seen = terminal.end()
        assert code == 130
        assert seen.endswith("mooring run: edge1: the command has not told of its end, and may still run there\r\n")
        assert lifeline.hung_up()


def test_ctrl_c_lets_the_far_side_say_its_last_word(environment: Mapping[str, str]) -> None:
    command = "trap 'echo interrupted; exit 0' INT; echo ready; while :; do sleep 0.05; done"
    with OnTerminal([*MOORING, "run", "edge1", command], environment) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("interrupted")
        assert terminal.end()[0] == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_far_side_too(
    environment: Mapping[str, str], lifeline: Lifeline, number: signal.Signals
) -> None:
    with _started(environment, "edge1", lifeline.command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=50) == (b"", b"")
    assert process.returncode == 128 + number
    assert lifeline.hung_up()


def test_nohup_is_heeded(environment: Mapping[str, str]) -> None:
    done = _in_shell(
        environment,
        f"trap '' HUP; {' '.join(MOORING)} run edge1 'echo ready; read x; echo went on' < <(sleep 1; echo) &"
        " sleep 0.5; kill -HUP $!; wait $!; echo $?",
    )
    assert done.stdout == "ready\nwent on\n0\n"


def test_a_killed_program_ends_the_far_side_too(environment: Mapping[str, str], lifeline: Lifeline) -> None:
    with _started(environment, "edge1", lifeline.command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        process.wait(30)
    assert lifeline.hung_up()


def test_a_signal_is_heard_while_nobody_reads_the_output(environment: Mapping[str, str], peers_folder: Path) -> None:
    with (
        Lifeline(peers_folder, then="exec yes") as lifeline,
        _started(environment, "edge1", lifeline.command) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert lifeline.hung_up()


def test_a_signal_ends_the_wait_for_a_reader_who_never_reads(environment: Mapping[str, str]) -> None:
    # More than the reader's pipe holds, and less than stops the far side: its end has come when the signal does.
    with _started(environment, "edge1", "head -c 200000 /dev/zero; echo done >&2") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"\0"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM


@pytest.mark.parametrize("then", ["exec yes", "exec sleep 1000"], ids=["talking", "silent"])
def test_a_closed_pipe_ends_both_quietly(environment: Mapping[str, str], peers_folder: Path, then: str) -> None:
    with Lifeline(peers_folder, then=then) as lifeline:
        done = _in_shell(environment, f"mooring run edge1 '{lifeline.command}' | head -1; echo ${{PIPESTATUS[0]}}")
        assert (done.stdout, done.stderr) == ("ready\n141\n", "")
        assert lifeline.hung_up()


def test_a_timeout_ends_the_far_side_too(environment: Mapping[str, str], lifeline: Lifeline) -> None:
    done = mooring("run", "--timeout", "3", "edge1", lifeline.command, environment=environment)
    assert (done.returncode, done.stdout) == (124, "ready\n")
    assert done.stderr == "mooring run: edge1: it has not ended in time, and was sent TERM\n"
    assert lifeline.hung_up()


def test_a_timeout_is_kept_though_nobody_reads_what_is_told(environment: Mapping[str, str]) -> None:
    with _started(environment, "--timeout", "1.5", "edge1", "exec yes", stderr=subprocess.STDOUT) as process:
        assert process.wait(30) == 124


def test_who_ends_in_time_has_its_own_status(environment: Mapping[str, str]) -> None:
    assert mooring("run", "--timeout=30", "edge1", "exit 6", environment=environment).returncode == 6


# What goes wrong.


def test_no_session_of_that_name(environment: Mapping[str, str]) -> None:
    done = mooring("run", "nope", "true", environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr.startswith("mooring run: no session is called nope\n  hint: ")


def test_a_session_that_is_not_up(environment: Mapping[str, str]) -> None:
    done = mooring("run", "down", "true", environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    told, hint = done.stderr.splitlines()
    assert "cannot reach x@127.0.0.1:1" in told
    assert hint == "  hint: `mooring start ALIAS` tries again at once, and waits until it is up"


def test_a_lost_session_is_told_after_what_came(
    start_sshd: StartSshd, start_daemon: Callable[..., RunningDaemon]
) -> None:
    sshd = start_sshd()
    daemon = start_daemon(config=table("edge2", sshd))
    daemon.wait_state("edge2")
    with _started(daemon.environment(), "edge2", "echo ready; exec sleep 1000") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        sshd.kill()
        _, errors = process.communicate(timeout=50)
    assert process.returncode == 255
    assert errors.startswith(b"mooring run: edge2 was lost")


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_daemon_that_goes_away_meanwhile(
    sshd: Sshd, start_daemon: Callable[..., RunningDaemon], how: str, lifeline: Lifeline
) -> None:
    daemon = start_daemon(config=table("edge2", sshd))
    daemon.wait_state("edge2")
    with _started(daemon.environment(), "edge2", lifeline.command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        getattr(daemon, how)()
        _, errors = process.communicate(timeout=50)
    assert process.returncode == 255
    assert errors.startswith(b"mooring run: ")
    assert errors.count(b"\n") <= 2


def test_a_daemon_that_is_down_says_how_to_start_it(environment: Mapping[str, str], tmp_path: Path) -> None:
    done = mooring("run", "edge1", "true", environment={**environment, "MOORING_STATE_DIR": str(tmp_path)})
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr == (
        f"mooring run: no daemon answers at unix:{tmp_path}/mooring.sock: there is no such socket\n"
        "  hint: start it with `mooringd`, or say where it is in MOORING_SOCKET or MOORING_URL\n"
    )


def test_a_daemon_of_another_version(environment: Mapping[str, str], tmp_path: Path) -> None:
    page, version = answer(404, b"no such page", "text/plain"), answer(200, b'{"version": "9.1", "api": 2}')
    for selector in ("edge1", "edge*"):
        with Scripted(tmp_path, page, version) as server:
            done = mooring("run", selector, "true", environment={**environment, "MOORING_SOCKET": server.where})
        Path(server.where).unlink()
        assert (done.returncode, done.stdout) == (255, "")
        assert "is version 9.1 and speaks API 2; this is mooring" in done.stderr
        assert "hint: use the same version on both sides" in done.stderr


def test_a_wrong_token_and_the_right_one(daemon: RunningDaemon) -> None:
    environment = {**daemon.environment(), "MOORING_URL": daemon.url, "MOORING_TOKEN": "wrong"}
    done = mooring("run", "edge1", "echo in", environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    assert "token" in done.stderr
    environment["MOORING_TOKEN"] = daemon.token
    assert mooring("run", "edge1", "echo in", environment=environment).stdout == "in\n"
    del environment["MOORING_TOKEN"]  # found by itself
    assert mooring("run", "edge1", "echo in", environment=environment).stdout == "in\n"


def test_over_tls_it_is_the_same(sshd: Sshd, start_daemon: Callable[..., RunningDaemon], tmp_path: Path) -> None:
    cert, key = certificate.make(tmp_path)
    daemon = start_daemon(config=f"[tls]\ncert = '{cert}'\nkey = '{key}'\n" + table("edge2", sshd))
    daemon.wait_state("edge2")
    environment = {**daemon.environment(), "MOORING_URL": f"https://{daemon.host}:{daemon.port}"}
    done = mooring("run", "edge2", "true", environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    assert f"TLS with https://{daemon.host}:{daemon.port} failed" in done.stderr
    assert "SSL_CERT_FILE" in done.stderr
    environment["SSL_CERT_FILE"] = str(cert)
    assert mooring("run", "edge?", "echo hi", environment=environment).stdout == "== edge2\nhi\n"
    script = "head -c 5000000 /dev/zero | mooring run edge2 'cat; echo done >&2; exit 3' | wc -c; echo ${PIPESTATUS[1]}"
    done = _in_shell(environment, script)
    assert (done.stdout.split(), done.stderr) == (["5000000", "3"], "done\n")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line(environment: Mapping[str, str], peers_folder: Path) -> None:
    with Lifeline(peers_folder, then="exec yes") as lifeline:
        done = _in_shell(environment, f"mooring run edge1 '{lifeline.command}' >/dev/full")
        assert (done.returncode, done.stderr) == (1, "mooring run: No space left on device\n")
        assert lifeline.hung_up()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "no SELECTOR"),
        (["edge1"], "no COMMAND"),
        (["edge1", "--"], "no COMMAND"),
        (["edge1", "--", " "], "no COMMAND"),
        (["--dance", "edge1", "true"], "there is no option '--dance'"),
        (["edge1", "--dance", "true"], "there is no option '--dance'"),
        (["--json=yes", "edge1", "true"], "there is no option '--json=yes'"),
        (["--timeout", "soon", "edge1", "true"], "--timeout must be seconds, not 'soon'"),
        (["--timeout=-1", "edge1", "true"], "--timeout must be seconds, not '-1'"),
        (["--timeout=nan", "edge1", "true"], "--timeout must be seconds, not 'nan'"),
        (["--timeout"], "--timeout must be seconds, not ''"),
        (["--concurrency", "0", "edge1", "true"], "--concurrency must be a number of sessions, not '0'"),
        (["a b", "true"], "the selector"),
        (["edge1://user@host", "true"], "the selector"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(environment: Mapping[str, str], words: list[str], fault: str) -> None:
    done = mooring("run", *words, environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mooring run: {fault}")
    assert "\n  hint: " in done.stderr


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["--json", "-h"]])
def test_help_fits_a_terminal(environment: Mapping[str, str], words: list[str]) -> None:
    done = mooring("run", *words, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: mooring run ")
    assert max(map(len, done.stdout.splitlines())) <= 80


# What it costs.


def _imports(environment: Mapping[str, str], program: str, *words: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-c", program, *words]
    done = subprocess.run(
        command, env=environment, stdin=NOTHING, capture_output=True, text=True, timeout=50, check=True
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_nothing_dear_is_imported(environment: Mapping[str, str]) -> None:
    program = "import sys; from mooring.cli import main; sys.exit(main())"  # as an installed script has it
    imported = _imports(environment, program, "run", "edge1", "true") - _imports(environment, "pass")
    assert "mooring.cli.run_one" in imported
    dear = {
        "click", "rich", "asyncio", "asyncssh", "http.client", "email", "ssl", "typing", "dataclasses", "argparse",
        "threading", "subprocess", "pathlib", "hashlib", "contextlib", "logging", "mooring.model.selector",
    }  # fmt: skip
    assert imported & dear == set()
