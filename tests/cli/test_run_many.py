"""``mooring run`` on many sessions, as its users call it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.calling import MOORING, mooring
from tests.cli.lifeline import Lifeline
from tests.cli.on_terminal import OnTerminal
from tests.client.scripted import Scripted, answer
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.sshd import Sshd


class Raw(OnTerminal):
    """A terminal that shows what was written as it was written."""

    def _plain(self) -> str:
        return self._seen.decode()


@pytest.fixture(scope="module")
def environment(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A daemon that holds ``edge1``, ``edge2`` and ``edge10``, and has ``down`` that nobody answers."""
    down = '[sessions.down]\nhost = "127.0.0.1"\nport = 1\nusername = "x"\nhost_key = "off"\n'
    edges = [table(alias, sshd, label="site:ams") for alias in ("edge10", "edge2", "edge1")]
    with RunningDaemon(tmp_path_factory.mktemp("d"), config="".join(edges) + down) as daemon:
        daemon.wait_state("edge1", "edge2", "edge10")
        daemon.wait_state("down", state="backoff")
        yield daemon.environment()


def test_equal_results_are_shown_together(environment: Mapping[str, str]) -> None:
    done = mooring("run", "site:ams", "--", "echo hello; echo there", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "== edge1, edge2, edge10\nhello\nthere\n", "")


def test_a_glob_means_many_even_where_it_means_one(environment: Mapping[str, str]) -> None:
    assert mooring("run", "edge?0", "echo hi", environment=environment).stdout == "== edge10\nhi\n"


def test_results_that_differ_are_shown_apart(environment: Mapping[str, str]) -> None:
    done = mooring("run", "edge1,edge2", "echo $SSH_CLIENT", environment=environment)
    headings = [line for line in done.stdout.splitlines() if line.startswith("== ")]
    assert (done.returncode, headings) == (0, ["== edge1", "== edge2"])


def test_silence_needs_no_words(environment: Mapping[str, str]) -> None:
    done = mooring("run", "site:ams", "true", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_failed_is_told_with_what_to_do(environment: Mapping[str, str]) -> None:
    done = mooring("run", "all,!edge2", "echo out; echo err >&2; exit 3", environment=environment)
    assert (done.returncode, done.stdout) == (1, "== edge1, edge10: status 3\nout\n")
    lines = done.stderr.splitlines()
    assert lines[:2] == ["== edge1, edge10: status 3, on stderr", "err"]
    assert "mooring run: 3 of 3 failed" in lines
    assert "  status 3: edge1, edge10" in lines
    assert "  session-not-up: down" in lines
    assert any(line.startswith("    down is ") and "Connection refused" in line for line in lines)
    again = "`mooring run down,edge1,edge10 -- 'echo out; echo err >&2; exit 3'`"
    assert lines[-1] == f"  hint: {again} tries them again"


def test_json_is_one_object_a_line(environment: Mapping[str, str]) -> None:
    done = mooring("run", "--json", "all", "--", "echo ü", environment=environment)
    outcomes = {outcome["alias"]: outcome for outcome in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, done.stderr) == (1, "")
    assert sorted(outcomes) == ["down", "edge1", "edge10", "edge2"]
    assert outcomes["edge2"]["result"]["stdout"] == "ü\n"
    assert outcomes["down"]["error"]["code"] == "session-not-up"


@pytest.mark.parametrize(
    ("selector", "command", "code"),
    [("edge1", "exit 7", 7), ("edge1", "true", 0), ("edge1", "kill -TERM $$", 143), ("down", "true", 255)],
)
def test_json_of_one_session_has_its_exit_code(
    environment: Mapping[str, str], selector: str, command: str, code: int
) -> None:
    done = mooring("run", "--json", selector, command, environment=environment)
    assert (done.returncode, json.loads(done.stdout)["alias"], done.stderr) == (code, selector, "")


def test_a_timeout_is_for_each(environment: Mapping[str, str]) -> None:
    done = mooring("run", "site:ams", "--timeout", "0.3", "--json", "--", "sleep 60", environment=environment)
    assert done.returncode == 1
    assert [json.loads(line)["error"]["code"] for line in done.stdout.splitlines()] == ["command-timeout"] * 3


def test_failures_can_be_limited(environment: Mapping[str, str]) -> None:
    words = ["run", "--concurrency=1", "--max-failures", "1", "site:ams", "exit 1"]
    done = mooring(*words, environment=environment)
    assert done.returncode == 1
    assert "mooring run: 3 of 3 failed" in done.stderr
    assert re.search(r"^  budget-spent: edge\d+, edge\d+$", done.stderr, re.MULTILINE)


def test_a_file_of_names_is_read_here(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "names").write_text("edge2  # the old one\n!edge1\nedge10\n")
    done = mooring("run", "@names", "echo hi", environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "== edge2, edge10\nhi\n")
    done = mooring("run", "@nothing", "echo hi", environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a file that cannot be read: No such file or directory" in done.stderr


def test_nothing_selected_is_told(environment: Mapping[str, str]) -> None:
    for selector in ("x*", "site:fra", "edge1,nope"):
        done = mooring("run", selector, "true", environment=environment)
        assert (done.returncode, done.stdout) == (255, "")
        assert done.stderr.startswith("mooring run: ")


def test_ctrl_c_ends_the_far_sides_and_tells_what_ran_and_what_did_not(
    environment: Mapping[str, str], peers_folder: Path, tmp_path: Path
) -> None:
    with Lifeline(peers_folder, then='echo > "$go"; exec sleep 1000') as lifeline:
        go = lifeline.folder / "go"  # through which the one that stays lets the other one end
        os.mkfifo(go)
        go.chmod(0o666)
        only_one = f"go={go}; mkdir {lifeline.folder}/once 2>/dev/null || {{ read go < $go; echo quick; exit; }}"
        lifeline.folder.chmod(0o777)
        words = [*MOORING, "run", "--batch", "2", "--failed", str(tmp_path / "failed"), "site:ams"]
        words.append(f"{only_one}; {lifeline.command}")
        with OnTerminal(words, environment) as terminal:
            terminal.expect("1 of 3 done, 1 running")
            terminal.type("\x03")
            code, seen = terminal.end()
        (lifeline.folder / "once").rmdir()
        go.unlink()
        assert code == 130
        assert re.search(r"== edge\d+\r\nquick\r\n", seen)
        found = re.search(r"mooring run: interrupted: 1 had ended; sent TERM: (edge\d+); 1 not run\r\n", seen)
        assert found
        assert lifeline.hung_up()
    lines = (tmp_path / "failed").read_text().splitlines()
    assert lines[0] == "# 2 of 3 failed or did not run"
    assert f"{found[1]}  # no outcome: it may have run" in lines
    assert sum(line.endswith("  # not run") for line in lines) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_writes_down_what_had_not_run(
    environment: Mapping[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    words = ["run", "--concurrency", "1", "--failed", str(tmp_path / "failed"), "edge1,edge2", "sleep 60"]
    with OnTerminal([*MOORING, *words], environment) as terminal:
        terminal.expect("0 of 2 done, 1 running")
        terminal.process.send_signal(number)
        code, seen = terminal.end()
    assert code == 130
    assert re.search(r"interrupted: 0 had ended; sent TERM: edge\d; 1 not run\r\n", seen)
    lines = (tmp_path / "failed").read_text().splitlines()
    assert sorted(line.partition("  ")[2] for line in lines[1:]) == ["# no outcome: it may have run", "# not run"]


def test_outputs_go_to_files_byte_for_byte(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "edge1.err").write_text("of an earlier run")
    (tmp_path / "out" / "other").write_text("not ours")
    command = r"printf 'a\377\n'; echo err >&2; exit 3"
    done = mooring("run", "--out", "out", "edge1,edge2,down", "--", command, environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "mooring run: 3 of 3 failed" in done.stderr
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert found.pop("down.err").startswith(b"mooring: down is ")
    assert found == {
        **{f"edge{number}.out": b"a\377\n" for number in (1, 2)},
        **{f"edge{number}.err": b"err\n" for number in (1, 2)},
        "down.out": b"",
        "other": b"not ours",
    }


def test_what_came_before_a_timeout_is_in_the_files(environment: Mapping[str, str], tmp_path: Path) -> None:
    words = ["--json", "--out", str(tmp_path / "made" / "here"), "--timeout", "2", "edge1", "echo x; sleep 60"]
    done = mooring("run", *words, environment=environment)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (124, "command-timeout")
    assert Path(error["result"]["stdout"]["file"]).read_text() == "x\n"
    assert Path(error["result"]["stderr"]["file"]).read_text() == f"mooring: {error['detail']}\n"


@pytest.mark.parametrize("option", ["--out", "--failed"])
def test_files_that_cannot_be_written_are_told_before_anything_runs(
    environment: Mapping[str, str], tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("stands")
    place = tmp_path / "file" / "x" if option == "--failed" else tmp_path / "file"
    done = mooring("run", option, str(place), "edge1", f"touch {tmp_path}/ran", environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"mooring run: {option} {place}: " in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_failed_hosts_are_fed_back(environment: Mapping[str, str], tmp_path: Path) -> None:
    words = ["run", "--failed", "failed", "--batch", "1", "--max-failures", "50%"]
    done = mooring(*words, "all,!edge2", "--", "false", environment=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert "hint: `mooring run @failed -- false` tries them again" in done.stderr
    lines = (tmp_path / "failed").read_text().splitlines()
    assert (lines[0], len(lines)) == ("# 3 of 3 failed or did not run", 4)
    assert sum(line.endswith("  # not run: budget-spent") for line in lines) == 2
    done = mooring("run", "--failed", "failed", "@failed,!down", "true", environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "failed").read_text() == "# 0 of 2 failed or did not run\n"
    for selector in ("@failed", "@failed,!down"):
        done = mooring("run", selector, "true", environment=environment, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (255, "mooring run: the file 'failed' names nobody\n")
    done = mooring("run", "--failed", "failed", "nope", "true", environment=environment, cwd=tmp_path)
    assert done.returncode == 255
    assert (tmp_path / "failed").read_text() == "# 0 of 2 failed or did not run\n"
    assert [path.name for path in tmp_path.iterdir()] == ["failed"]


def test_standard_input_goes_to_all(environment: Mapping[str, str]) -> None:
    script = [*MOORING, "run", "--stdin", "site:ams", "--", "sh -s"]
    done = subprocess.run(script, env=environment, input=b"echo \303\274; cat", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"== edge1, edge2, edge10\n\303\274\n", b"")


def test_too_much_standard_input_is_refused(environment: Mapping[str, str]) -> None:
    script = f"head -c 8388609 /dev/zero | {' '.join(MOORING)} run --stdin site:ams wc -c"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is more than 8 MiB" in done.stderr


def test_more_output_is_kept_where_it_is_asked_for(environment: Mapping[str, str]) -> None:
    done = mooring("run", "--max-output", "1K", "edge1,edge2", "head -c 1025 /dev/zero", environment=environment)
    assert (done.returncode, done.stdout.count("\0")) == (0, 2048 // 2)
    assert done.stderr == "mooring run: not all output was kept of edge1, edge2\n  hint: --max-output keeps more\n"


def test_a_closed_pipe_ends_quietly(environment: Mapping[str, str]) -> None:
    script = f"{' '.join(MOORING)} run --json site:ams -- 'echo hi' | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_a_terminal_sees_progress_and_colours_and_forty_columns_hold_them(environment: Mapping[str, str]) -> None:
    with Raw([*MOORING, "run", "all", "echo hi"], environment, columns=40) as terminal:
        code, seen = terminal.end()
    assert code == 1
    assert "\r\033[K0 of 4 done" in seen
    assert "\033[1m== edge1, edge2, edge10\033[0m\r\nhi\r\n" in seen
    assert "\033[31mmooring run: 1 of 4 failed\033[0m" in seen
    assert seen.index("\r\033[K\033[1m==") > seen.index("0 of 4 done")


def test_no_color_is_heeded(environment: Mapping[str, str]) -> None:
    with Raw([*MOORING, "run", "all", "echo hi"], {**environment, "NO_COLOR": "1"}) as terminal:
        _, seen = terminal.end()
    assert "== edge1, edge2, edge10\r\nhi" in seen
    assert "\033[1m" not in seen
    assert "\033[31m" not in seen


def test_a_daemon_that_goes_away_meanwhile_leaves_what_had_come(environment: Mapping[str, str], tmp_path: Path) -> None:
    line = {"alias": "a", "result": {"stdout": "hi\n", "stderr": "", "exit_status": 0, "exit_signal": None}}
    with Scripted(tmp_path, answer(200, json.dumps(line).encode() + b"\n", "application/x-ndjson")) as server:
        done = mooring("run", "all", "x", environment={**environment, "MOORING_SOCKET": server.where})
    assert (done.returncode, done.stdout) == (255, "== a\nhi\n")
    assert done.stderr.startswith("mooring run: the daemon went away before all had ended\n  hint: ")
    problem = {"code": "slow-reader", "detail": "read too slowly", "hint": "read on"}
    os.unlink(server.where)  # noqa: PTH108 - where it is
    with Scripted(tmp_path, answer(200, json.dumps({"error": problem}).encode(), "application/x-ndjson")) as server:
        done = mooring("run", "all", "x", environment={**environment, "MOORING_SOCKET": server.where})
    assert (done.returncode, done.stderr) == (255, "mooring run: read too slowly\n  hint: read on\n")
