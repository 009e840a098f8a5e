"""sshpool's own README, from start to end: ``sshpoold``, ``sshpoolctl`` and raw HTTP, with a real sshd."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.on_terminal import OnTerminal
from tests.cli.sshpool import SSHPOOLCTL, SSHPOOLD, TIME, RunningSshpoold
from tests.peers.sshd import Sshd

# The README.


def test_help_of_sshpoolctl_is_the_readmes() -> None:
    done = subprocess.run([*SSHPOOLCTL, "-h"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == (
        "usage: sshpoolctl [-h] [--host HOST] [--port PORT]\n\n"
        "optional arguments:\n"
        "  -h, --help   show this help message and exit\n"
        "  --host HOST  SSHPool interface (default: 127.0.0.1)\n"
        "  --port PORT  SSHPool listening port (default: 8877)\n"
    )


def test_help_of_sshpoold_has_the_readmes_lines() -> None:
    done = subprocess.run([*SSHPOOLD, "-h"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("usage: sshpoold [-h] [--channel CHANNEL] ")
    for line in (
        "optional arguments:",
        "  -h, --help         show this help message and exit",
        "  --channel CHANNEL  alias://user:pass@host:port",
        "  --host HOST        SSHPool interface (default: 127.0.0.1)",
        "  --port PORT        SSHPool listening port (default: 8877)",
    ):
        assert f"\n{line}\n" in done.stdout


def test_sshpoold_on_a_terminal(make_pool: Callable[..., RunningSshpoold], localhost: Sshd) -> None:
    pool = make_pool(f"--channel=localhost://localhost:{localhost.port}")
    user = localhost.user
    with OnTerminal(pool.command(), pool.environment(), columns=200) as daemon:
        told = daemon.expect(f"connected to localhost://{user}:None@localhost:{localhost.port}\r\n")
        for line in (
            rf" \* Running on http://127\.0\.0\.1:{pool.port}/",
            f"connecting to localhost://{user}:None@localhost:{localhost.port}",
            f"connected to localhost://{user}:None@localhost:{localhost.port}",
        ):
            assert re.search(f"^{TIME}{line}\r$", told, re.MULTILINE)
        daemon.type("\x03")
        code, rest = daemon.end()
    assert code == 0
    assert rest.endswith("done!\r\n")
    assert f"closing connection to localhost://{user}:None@localhost:{localhost.port}\r\n" in rest


def test_sshpoolctl_on_a_terminal(pool: RunningSshpoold, localhost: Sshd) -> None:
    login = f"{localhost.user}:None@localhost:{localhost.port}"
    with pool.ctl() as ctl:

        def answer(line: str) -> str:
            ctl.type(f"{line}\r")
            ctl.expect(f"{line}\r\n")
            return ctl.expect("sshpool> ").removesuffix("sshpool> ").replace("\r\n", "\n").lstrip("\r")

        assert answer("help") == (
            "\nDocumented commands (type help <topic>):\n"
            "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "exit  help  quit  run  start  status  stop\n\n"
        )
        assert answer("help run") == "run <alias> <cmd>\tRun arbitrary commands over a channel\n"
        assert answer("run localhost echo hello world") == "hello world\n\n"
        assert answer("run localhost cd; pwd") == f"{localhost.account.home}\n\n"
        assert answer("help start") == "start <dsn>\tAdd a new channel\n"
        assert answer(f"start local://localhost:{localhost.port}") == "OK\n"
        assert answer("run local true") == "\n"
        assert answer("help status") == "status\t\tView status of started channels\n"
        assert re.fullmatch(rf"local\t\t{login}\trunning\t\d+\nlocalhost\t\t{login}\trunning\t\d+\n", answer("status"))
        assert answer("help stop") == "stop <alias>\tStop an existing channel\n"
        assert answer("stop localhost") == "OK\n"
        assert re.fullmatch(rf"local\t\t{login}\trunning\t\d+\n", answer("status"))
        assert re.fullmatch(rf"local\t\t{login}\trunning\t\d+\n", answer("status local"))
        code, rest = ctl.interrupt()
    assert code == 0
    assert rest.replace("^C", "").strip() == "done!"


def test_sshpoolctl_piped(pool: RunningSshpoold, localhost: Sshd) -> None:
    printed = pool.piped(
        "help run",
        "run localhost echo   hello    world",
        f"start local://localhost:{localhost.port}",
        "run local echo out; echo err >&2; exit 3",
        "stop localhost",
        "stop localhost",
        "run localhost true",
        "start nodsn",
        "",
        "nix",
        "exit",
    )
    assert printed == (
        "==> Press Ctrl-C to exit <==\n"
        "sshpool> run <alias> <cmd>\tRun arbitrary commands over a channel\n"
        "sshpool> hello world\n\n"
        "sshpool> OK\n"
        "sshpool> err\n\n"
        "sshpool> OK\n"
        "sshpool> 404\n"
        "sshpool> 404\n"
        "sshpool> 400\n"
        "sshpool> sshpool> *** Unknown syntax: nix\n"
        "sshpool> "
    )


def test_raw_http(pool: RunningSshpoold, localhost: Sshd) -> None:
    port, user = localhost.port, localhost.user
    inner = rf'{{"host":"localhost","is_alive":true,"pass":null,"port":{port},"start_time":\d+\.\d+,"user":"{user}"}}'
    with pool.http() as http:
        assert re.fullmatch(rf'{{"localhost":{inner}}}\n', http.get("/channels").text)
        assert re.fullmatch(rf"{inner}\n", http.get("/channels/localhost").text)
        assert http.post("/channels", content=f"local://localhost:{port}").text == "OK"
        done = http.post("/channels/local", content="echo hi; echo err >&2; exit 3")
        assert (done.text, done.headers["content-type"]) == (
            '{"exit_code":3,"stderr":"err\\n","stdout":"hi\\n"}\n',
            "application/json",
        )
        gone = http.delete("/channels/local")
        assert (gone.status_code, gone.text, gone.headers["content-type"]) == (200, "OK", "text/html; charset=utf-8")
        missing = http.get("/channels/local")
        assert (missing.status_code, missing.text) == (404, "NOT FOUND")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl(pool: RunningSshpoold, localhost: Sshd) -> None:
    def curl(*words: str) -> str:
        command = ["curl", "-sS", "-H", f"Authorization: Bearer {pool.token}", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    url = f"{pool.url}/channels"
    assert curl("-d", f"local://localhost:{localhost.port}", url) == "OK"
    assert curl("-d", "echo a+b 100%; echo c=d", f"{url}/local") == (
        '{"exit_code":0,"stderr":"","stdout":"a+b 100%\\nc=d\\n"}\n'
    )
    assert curl("--data-urlencode", "echo a+b", f"{url}/local") == '{"exit_code":0,"stderr":"","stdout":"a+b\\n"}\n'
    assert curl("-X", "DELETE", f"{url}/local") == "OK"


def test_a_client_that_leaves_ends_its_command(pool: RunningSshpoold) -> None:
    def post(command: str) -> bytes:
        head = f"POST /channels/localhost HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {pool.token}\r\n"
        return f"{head}Content-Length: {len(command)}\r\n\r\n{command}".encode()

    with socket.create_connection(("127.0.0.1", pool.port)) as leaving:
        leaving.sendall(post(f"echo $$ > {pool.folder}/pid; while echo on; do sleep 0.05; done"))
        waiting = f"until [ -s {pool.folder}/pid ]; do sleep 0.02; done"
        with pool.http() as http:
            assert http.post("/channels/localhost", content=waiting).json()["exit_code"] == 0
    ended = f"while kill -0 $(cat {pool.folder}/pid) 2>/dev/null; do sleep 0.02; done; echo ended"
    with pool.http() as http:
        assert http.post("/channels/localhost", content=ended).json()["stdout"] == "ended\n"


# What crashed, hung or told too much in sshpool.


def test_what_ended_sshpoolctl_is_mended(pool: RunningSshpoold, closed_port: int) -> None:
    printed = pool.piped(
        "run",
        "run localhost",
        f"start parked://nobody@localhost:{closed_port}?host_key=verify",
        "stop parked",
        "exit",
    )
    usage = "run <alias> <cmd>\tRun arbitrary commands over a channel\n"
    assert (
        printed == f"==> Press Ctrl-C to exit <==\nsshpool> {usage}sshpool> {usage}sshpool> OK\nsshpool> OK\nsshpool> "
    )


def test_an_exception_is_shown(pool: RunningSshpoold, localhost: Sshd) -> None:
    # A name that known_hosts does not know: parked, until a person has acted.
    printed = pool.piped(f"start p://127.0.0.1:{localhost.port}", "run p true", "run localhost echo on", "exit")
    assert "sshpool> SessionParked(" in printed
    assert "p is parked: no host key is known for [127.0.0.1]" in printed
    assert printed.endswith("sshpool> on\n\nsshpool> ")


def test_ctrl_d_leaves(pool: RunningSshpoold) -> None:
    with pool.ctl() as ctl:
        ctl.type("\x04")
        code, _ = ctl.end()
    assert code == 0
    assert pool.piped("run localhost echo last") == ("==> Press Ctrl-C to exit <==\nsshpool> last\n\nsshpool> ")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"a": 1}', b'"text"', b"1"])
def test_somebody_else_there(body: bytes, tmp_path: Path) -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as it is there

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is there
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        done = subprocess.run(
            [*SSHPOOLCTL, "--port", str(other.server_port)],
            input="status\nrun a b\nexit\n",
            env={**os.environ, "MOORING_STATE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        other.shutdown()
        thread.join()
    assert done.stdout.count(f"sshpool> what answers at http://127.0.0.1:{other.server_port}/ is no sshpoold\n") == 2
    assert (done.returncode, done.stderr) == (0, "")


def test_nobody_there(make_pool: Callable[..., RunningSshpoold]) -> None:
    pool = make_pool()
    printed = pool.piped("status", "start a://b", "exit")
    assert printed.count(f"http://127.0.0.1:{pool.port}/: Connection refused (start it: sshpoold)\n") == 2
