"""``sshpoold``: who is let in, what it tells, and what it keeps."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.sshpool import SSHPOOLCTL, TIME, RunningSshpoold
from tests.daemon.running import RunningDaemon
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

# Who is let in.


def test_without_a_token_nobody_is_let_in(pool: RunningSshpoold) -> None:
    with pool.http(token=False) as http:
        assert http.get("/channels").status_code == 401
        assert http.post("/channels/localhost", content="true").status_code == 401


def test_no_auth_lets_bare_clients_in_and_no_page(make_pool: Callable[..., RunningSshpoold]) -> None:
    pool = make_pool("--no-auth").start()
    with pool.http(token=False) as http:
        assert http.get("/channels").text == "{}\n"
        assert http.get("/channels", headers={"host": "evil.example"}).status_code == 403
        assert http.get("/channels", headers={"origin": "http://evil.example"}).status_code == 403
    assert pool.piped("status", "exit") == "==> Press Ctrl-C to exit <==\nsshpool> sshpool> "


@pytest.mark.parametrize("words", [("--host", "192.0.2.1"), ("--host", "::", "--no-auth"), ("--port", "99999")])
def test_where_it_does_not_listen(make_pool: Callable[..., RunningSshpoold], words: tuple[str, ...]) -> None:
    pool = make_pool(*words)
    done = subprocess.run(
        pool.command(), env=pool.environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"\nsshpoold: error: {'--host must' if words[0] == '--host' else 'argument --port: must'} be" in done.stderr


def test_a_wrong_token_is_told_with_where_it_was_looked_for(pool: RunningSshpoold) -> None:
    (pool.directory / "token").write_text("x" * 43)
    printed = pool.piped("status", "exit")
    assert "sshpool> 401 (" in printed
    assert str(pool.directory / "token") in printed


def test_sshpoolctl_speaks_to_mooringd_too(shared_daemon: RunningDaemon) -> None:
    done = subprocess.run(
        [*SSHPOOLCTL, "--port", str(shared_daemon.port)],
        input="start a://127.0.0.1:1\nstatus nope\nstop a\nexit\n",
        env=shared_daemon.environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout == "==> Press Ctrl-C to exit <==\nsshpool> OK\nsshpool> 404\nsshpool> OK\nsshpool> "


# What it tells, and what not.


def test_no_password_is_shown(make_pool: Callable[..., RunningSshpoold], localhost: Sshd) -> None:
    secret = "hunter2-of-the-command-line"
    pool = make_pool(f"--channel=pw://{localhost.user}:{secret}@localhost:{localhost.port}").start()
    pool.wait_log("connected to pw://")
    assert f"connected to pw://{localhost.user}:********@localhost:{localhost.port}" in pool.log()
    assert secret not in pool.log()
    for process in (pool.pid, *pool.children()):
        assert secret.encode() not in Path(f"/proc/{process}/cmdline").read_bytes()
        assert secret.encode() not in Path(f"/proc/{process}/environ").read_bytes()
    with pool.http() as http:
        assert secret not in http.get("/channels").text
    assert "pw\t\t" + f"{localhost.user}:********@localhost:" in pool.piped("status", "exit")
    kept = [path.read_bytes() for path in pool.state_dir.rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for content in kept)


def test_failures_are_logged_in_its_words(
    make_pool: Callable[..., RunningSshpoold], start_sshd: StartSshd, closed_port: int
) -> None:
    stranger = start_sshd()  # as somebody whose key we have not
    refusing = make_pool(
        f"--channel=refused://localhost:{closed_port}", f"--channel=dropped://localhost:{stranger.port}"
    ).start()
    refusing.wait_log(rf"^{TIME}connection to refused://\w+:None@localhost:\d+ failed with reason ")
    refusing.wait_log(rf"^{TIME}connection to dropped://\w+:None@localhost:\d+ failed with reason ")


# The file of channels, and what is kept.


def test_channels_from_a_file(make_pool: Callable[..., RunningSshpoold], localhost: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "channels"
    port = localhost.port
    file.write_text(
        f"one://localhost:{port}\ntwo://localhost:{port}   three://localhost:{port}\n\nnodsn://\nnodsn\none://else\n"
    )
    pool = make_pool("--config", str(file), f"--channel=four://localhost:{port}").start()
    pool.wait_log("connected to", count=4)
    assert re.findall(f"^{TIME}Unable to start SSH channel ([0-9]+) of {file}: ", pool.log(), re.MULTILINE) == [
        "4",
        "5",
        "6",
    ]
    with pool.http() as http:
        assert list(http.get("/channels").json()) == ["four", "one", "three", "two"]


def test_a_file_that_cannot_be_read_is_logged(make_pool: Callable[..., RunningSshpoold], tmp_path: Path) -> None:
    pool = make_pool("--config", str(tmp_path / "none")).start()
    assert re.search(rf"^{TIME}Unable to read .*/none: No such file or directory$", pool.log(), re.MULTILINE)
    with pool.http() as http:
        assert http.get("/channels").text == "{}\n"


@pytest.mark.parametrize(
    ("text", "told"), [("nodsn://", "the target has no host"), ("nodsn", "--channel takes alias://user:pass@host:port")]
)
def test_a_bad_channel_is_refused_at_once(make_pool: Callable[..., RunningSshpoold], text: str, told: str) -> None:
    pool = make_pool(f"--channel={text}")
    done = subprocess.run(
        pool.command(), env=pool.environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_nothing_is_kept_over_a_restart(pool: RunningSshpoold, localhost: Sshd) -> None:
    token = pool.token
    assert pool.piped(f"start more://localhost:{localhost.port}", "exit").count("OK") == 1
    assert pool.terminate(signal.SIGTERM) == 0
    pool.start()
    with pool.http() as http:
        assert list(http.get("/channels").json()) == ["localhost"]
    assert pool.token == token
    assert sorted(path.name for path in pool.directory.iterdir()) == [
        "gateway_host_key", "lock", "mooring.sock", "token",
    ]  # fmt: skip
