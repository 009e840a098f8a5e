"""``mooring shell``: piped and on a terminal, with a real daemon and a real sshd."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd

SHELL = [sys.executable, "-W", "error", "-m", "mooring.cli", "shell"]


def dsn(server: Sshd, alias: str = "local") -> str:
    """A DSN that leads into a server."""
    key = quote(public_line(server.host_keys[0]))
    return f"{alias}://{server.user}@127.0.0.1:{server.port}?identity={server.client_key}&host_key={key}"


@pytest.fixture
def daemon(shared_daemon: RunningDaemon, sshd: Sshd) -> RunningDaemon:
    shared_daemon.client.request("POST", "/v1/sessions", {"target": dsn(sshd)})
    shared_daemon.wait_state("local")
    return shared_daemon


@pytest.fixture
def shell(daemon: RunningDaemon) -> Iterator[OnTerminal]:
    with OnTerminal(SHELL, daemon.environment()) as shell:
        shell.expect("==> Press Ctrl-D to exit <==")
        shell.expect("mooring>")
        yield shell


def piped(daemon: RunningDaemon, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        SHELL, input=text, env=daemon.environment(), capture_output=True, text=True, timeout=50, check=False
    )


def test_piped(daemon: RunningDaemon, sshd: Sshd) -> None:
    lines = [
        "run local echo 'a  b'",
        "",
        f"start {dsn(sshd, 'two')}",
        "status two",
        "stop two",
        "help stop",
        "exit",
        "run x y",
    ]
    done = piped(daemon, "\n".join(lines))
    printed = done.stdout.split("\n")
    assert printed[:3] == ["a  b", "", "OK"]
    assert printed[3].startswith(f"two\t\t{sshd.user}:None@127.0.0.1:{sshd.port}\t")
    assert printed[4:] == ["OK", "stop <alias>\tStop an existing channel", ""]
    assert (done.returncode, done.stderr) == (0, "")


def test_piped_and_failed(daemon: RunningDaemon) -> None:
    done = piped(daemon, "run nope true\nstart nonsense://\nrun local echo on")
    first, second, *rest = done.stdout.splitlines()
    assert first == "no session is called nope (`mooring status` shows all that there are)"
    assert second.startswith("the target has no host at character 12 (")
    assert rest == ["on", ""]
    assert (done.returncode, done.stderr) == (1, "")


def test_standard_error_is_shown_where_a_command_failed(daemon: RunningDaemon) -> None:
    assert piped(daemon, "run local echo out; echo err >&2; exit 3").stdout == "err\n\n"
    assert piped(daemon, "run local echo out; echo err >&2").stdout == "out\n\n"


def test_output_that_is_not_kept_is_told_of(daemon: RunningDaemon) -> None:
    done = piped(daemon, f"run local head -c {17 * 2**20} /dev/zero | tr '\\0' x\n")
    assert len(done.stdout) == 16 * 2**20 + 1
    assert done.stderr == f"{2**20} bytes more were not kept; `mooring run` streams them\n"


def test_no_daemon(tmp_path: Path) -> None:
    with closing(RunningDaemon(tmp_path)) as never_started:
        done = piped(never_started, "status\n")
    assert "start it with `mooringd`" in done.stdout
    assert done.returncode == 1


def test_ctrl_c_ends_the_command_and_not_the_shell(shell: OnTerminal, daemon: RunningDaemon) -> None:
    shell.type("run local echo $$ > $HOME/pid; exec sleep 1000\r")
    shell.expect("1000")
    _until_running(daemon)
    shell.type("\x03")
    shell.expect("mooring>")
    shell.type("run local kill -0 $(cat $HOME/pid) && echo lives || echo ended; rm $HOME/pid\r")
    shell.expect("\nended\r\n")
    shell.expect("mooring>")


def _until_running(daemon: RunningDaemon) -> None:
    command = "until [ -s $HOME/pid ]; do sleep 0.02; done"
    daemon.client.request("POST", "/v1/sessions/local/run", {"command": command, "timeout": 20})


def test_ctrl_c_at_the_prompt_drops_the_line(shell: OnTerminal) -> None:
    shell.type("run local echo no")
    shell.expect("echo no")
    shell.type("\x03")
    shell.expect("mooring>")
    shell.type("help run\r")
    shell.expect("\nrun <alias> <cmd>\tRun arbitrary commands over a channel\r\n")


def test_ctrl_d_leaves(shell: OnTerminal) -> None:
    shell.type("\x04")
    code, _ = shell.end()
    assert code == 0


def test_tab_completes_commands_and_aliases(shell: OnTerminal) -> None:
    shell.type("ru\tlo\techo com'p'leted\r")
    shell.expect("\ncompleted\r\n")


def test_tab_completes_the_hosts_of_ssh_config(daemon: RunningDaemon, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host webserver42 web* !x\n  Port 1\n")
    with OnTerminal(SHELL, {**daemon.environment(), "HOME": str(tmp_path)}) as shell:
        shell.expect("mooring>")
        shell.type("start webs\t")
        shell.expect("erver42")
        (tmp_path / ".ssh" / "config").unlink()
        shell.type("\x03")
        shell.expect("mooring>")
        shell.type("start webs\t\x03")
        shell.expect("mooring>")


def test_history_is_kept_for_its_owner_without_passwords(shell: OnTerminal, daemon: RunningDaemon) -> None:
    shell.type("start new://u:hunter2@127.0.0.1:1\r")
    shell.expect("\nOK\r\n")
    shell.expect("mooring>")
    shell.type("exit\r")
    assert shell.end()[0] == 0
    history = daemon.state_dir / "shell_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "hunter2" not in history.read_text()
    with OnTerminal(SHELL, daemon.environment()) as again:
        again.expect("mooring>")
        again.type("\x1b[A\x1b[A")
        again.expect("start new://u:********@127.0.0.1:1")
