"""The program ``python -m mooring.simulate``."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mooring.model.secret import Secret
from mooring.simulate.__main__ import main
from mooring.wire.callhome import Preamble, proves
from tests.peers.ending import ending

PROGRAM = [sys.executable, "-m", "mooring.simulate", "hosts"]


@contextmanager
def program(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    pipe = subprocess.PIPE
    command = [*PROGRAM, *arguments]
    with ending(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())


def ssh(ready: dict[str, Any], index: int, command: str, folder: Path, options: Sequence[str] = ()) -> str:
    known_hosts = folder / "known_hosts"
    known_hosts.write_text("\n".join(ready["known_hosts"]) + "\n")
    host = ready["hosts"][index]
    line = ["ssh", "-F", "none", "-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    line += ["-o", "BatchMode=yes", "-p", str(host["port"]), "-l", host["user"] or "admin", *options, host["host"]]
    return subprocess.run([*line, command], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_a_signal_then_ends_cleanly_with_clients_connected(number: int, tmp_path: Path) -> None:
    with program("--count", "2") as (process, ready):
        assert process.pid == ready["pid"]
        assert [ssh(ready, index, "hostname", tmp_path) for index in (0, 1)] == ["host-1\n", "host-2\n"]
        host = ready["hosts"][0]
        command = ["ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        command += ["-o", "BatchMode=yes", "-p", str(host["port"]), "admin@127.0.0.1", "cat"]
        pipe = subprocess.PIPE
        with ending(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(b"up\n")
            client.stdin.flush()
            assert client.stdout.readline() == b"up\n"
            process.send_signal(number)
            assert process.wait(30) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
            client.communicate(timeout=30)
            assert client.returncode == 255


def test_ends_when_its_stdin_is_closed() -> None:
    with program() as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
        process.stdin = None


def test_one_port_for_a_thousand(tmp_path: Path) -> None:
    with program("--count", "1000", "--one-port") as (_, ready):
        assert len(ready["hosts"]) == 1000
        assert len(ready["known_hosts"]) == 1
        assert ssh(ready, 999, "hostname", tmp_path) == "host-1000\n"


def test_a_port_in_use_is_said_on_stderr() -> None:
    with program() as (_, ready):
        port = str(ready["hosts"][0]["port"])
        outcome = subprocess.run([*PROGRAM, "--port", port], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("mooring.simulate: ")
    assert "in use" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_bad_key_file_is_said_on_stderr(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("nonsense\n")
    assert main(["hosts", "--authorized-keys", str(keys)]) == 1
    assert main(["hosts", "--authorized-keys", str(tmp_path / "missing")]) == 1
    assert "authorized_keys:1: not a public key" in capsys.readouterr().err


def test_help_shows_examples_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["hosts", "--help"])
    text = capsys.readouterr().out
    assert text.index("Examples:") < text.index("--max-sessions N")
    with pytest.raises(SystemExit) as failure:
        main(["hosts", "--count", "0"])
    assert failure.value.code == 2
    assert "'0' is no number from 1" in capsys.readouterr().err


def test_devices_that_call_home_say_who_they_are_and_dial() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        words = [*PROGRAM[:-1], "junos", "--call-home", where, "--secret", "s3cret", "--name", "edge"]
        with ending(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) as process:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())["devices"][0]
            with listener.accept()[0] as sock:
                preamble = Preamble()
                claim = None
                while claim is None:
                    claim = preamble.receive_data(sock.recv(4096))
    assert (claim.device_id, claim.host_key) == ("edge1", told["host_key"])
    assert proves(Secret("s3cret"), claim)
