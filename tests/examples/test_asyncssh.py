"""The gallery's programs on commands, against a real sshd."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import pytest

from mooring.simulate.ports import ReservedPort
from tests.peers.keys import Keyring, public_line
from tests.peers.sshd import Sshd

from .gallery import PROGRAMS, SERVERS, Gallery, Home, Ran, target


def test_the_index_has_a_line_for_each_program_and_no_other() -> None:
    lines = re.findall(r"^\| \[(\w+)\]\((\w+)\.py\) \| .+ \|$", (PROGRAMS / "README.md").read_text(), re.MULTILINE)
    assert all(name == file for name, file in lines)
    assert sorted(name for name, _ in lines) == sorted(path.stem for path in PROGRAMS.glob("*.py"))


PROGRAM_NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py"))
SPEAKING_FOR_ITSELF = {"gather_results", "reverse_client"} | SERVERS  # tested each by itself
NAMING_A_HOST = {name for name in PROGRAM_NAMES if name.startswith("scp_")} - {
    "scp_between",
    "scp_session",
    "scp_several",
}


@pytest.mark.parametrize("program", [name for name in PROGRAM_NAMES if name not in SPEAKING_FOR_ITSELF])
def test_each_program_says_in_a_line_that_it_cannot_connect(
    program: str, gallery: Gallery, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda: "none")
    with contextlib.closing(ReservedPort()) as nobody:
        config = tmp_path / "config"
        config.write_text(f"Host 127.0.0.1\n  Port {nobody.port}\n")
        host: list[object] = ["127.0.0.1", nobody.port] if program == "scp_port" else ["127.0.0.1"]
        more: dict[str, list[object]] = {
            "known_hosts": [sshd.known_hosts],
            "username": ["root"],
            "client_keys": [sshd.client_key],
            "scp_between": [target(sshd)],
        }
        gone = f"gone://127.0.0.1:{nobody.port}"
        words = [*host, config] if program in NAMING_A_HOST else [gone, *more.get(program, [])]
        ran = gallery.run(program, *words)
    assert (ran.stdout, ran.status) == ("", 1)
    assert re.fullmatch(r".*refused.*\n", ran.stderr)


def test_simple_client_prints_what_the_command_prints(gallery: Gallery, edge: str, home: Home) -> None:
    assert gallery.run("simple_client", edge) == Ran("one\ntwo\n", "", 0)


def test_simple_client_tells_how_the_command_failed(gallery: Gallery, edge: str) -> None:
    ran = gallery.run("simple_client", edge)
    assert (ran.stdout, ran.status) == ("", 1)
    assert re.fullmatch(r"ls: .*abc.*\nls ended with status [12]\n", ran.stderr)


def test_known_hosts_trusts_the_keys_of_a_file_alone(
    gallery: Gallery, sshd: Sshd, keyring: Keyring, tmp_path: Path
) -> None:
    edge = target(sshd, known_hosts="")
    key = public_line(sshd.host_keys[0])
    assert gallery.run("known_hosts", edge, sshd.known_hosts).status == 0
    other = tmp_path / "known_hosts"
    other.write_text(f"[{sshd.host}]:{sshd.port} {public_line(keyring.key('another'))}\n")
    ran = gallery.run("known_hosts", edge, other)
    assert (ran.stdout, ran.status) == ("", 1)
    assert "host key" in ran.stderr
    assert key not in ran.stdout


def test_known_hosts_none_trusts_any_key(gallery: Gallery, sshd: Sshd) -> None:
    ran = gallery.run("known_hosts_none", target(sshd, known_hosts=""))
    assert (ran.stderr, ran.status) == ("", 0)
    assert re.fullmatch(r"off .*SHA256:.+\n", ran.stdout)


def test_username_logs_in_as_another_user(gallery: Gallery, sshd: Sshd) -> None:
    assert gallery.run("username", target(sshd, user="nobody-of-this-name"), sshd.user) == Ran(f"{sshd.user}\n", "", 0)


def test_client_keys_logs_in_with_the_keys_named(gallery: Gallery, sshd: Sshd, keyring: Keyring) -> None:
    edge, stranger = target(sshd, identity=""), keyring.key("stranger")
    assert gallery.run("client_keys", edge, stranger, sshd.client_key) == Ran(f"{sshd.user}\n", "", 0)
    ran = gallery.run("client_keys", edge, stranger)
    assert (ran.stdout, ran.status) == ("", 1)


def test_password_logs_in_with_one(gallery: Gallery, sshd: Sshd, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    edge = target(sshd, identity="")
    monkeypatch.setattr("getpass.getpass", lambda: sshd.password)
    assert gallery.run("password", edge) == Ran(f"{sshd.user}\n", "", 0)
    monkeypatch.setattr("getpass.getpass", lambda: "wrong-" + sshd.password)
    ran = gallery.run("password", edge)
    assert (ran.stdout, ran.status) == ("", 1)
    assert sshd.password not in ran.stderr


def test_math_client_has_its_answers(gallery: Gallery, edge: str) -> None:
    if shutil.which("bc") is None:
        pytest.skip("no bc: install bc")
    assert gallery.run("math_client", edge) == Ran("2+2 = 4\n1*2*3*4 = 24\n2^32 = 4294967296\n", "", 0)


def test_redirect_input_turns_lines_around_into_a_file(gallery: Gallery, edge: str, tmp_path: Path) -> None:
    assert gallery.run("redirect_input", edge, tmp_path / "stdout") == Ran("", "", 0)
    assert (tmp_path / "stdout").read_text() == "3\n2\n1\n"


def test_redirect_local_pipe_turns_a_programs_lines_around(gallery: Gallery, edge: str) -> None:
    assert gallery.run("redirect_local_pipe", edge) == Ran("3\n2\n1\n", "", 0)


def test_redirect_remote_pipe_turns_a_programs_lines_around(gallery: Gallery, edge: str, sshd: Sshd) -> None:
    assert gallery.run("redirect_remote_pipe", edge) == Ran("3\n2\n1\n", "", 0)
    assert gallery.run("redirect_remote_pipe", edge, target(sshd, "edge2")) == Ran("3\n2\n1\n", "", 0)


def test_check_exit_status_tells_it(gallery: Gallery, edge: str, home: Home) -> None:
    assert gallery.run("check_exit_status", edge) == Ran("one\ntwo\n", "", 0)
    home.clear()
    ran = gallery.run("check_exit_status", edge)
    assert (ran.stdout, ran.status) == ("", 0)
    assert re.fullmatch(r"ls: .*abc.*\nls ended with status [12]\n", ran.stderr)


def test_gather_results_reports_on_each_host(gallery: Gallery, sshd: Sshd, edge: str, home: Home) -> None:
    port = ReservedPort()  # where nobody listens
    try:
        ran = gallery.run(
            "gather_results", edge, edge, f"gone://127.0.0.1:{port.port}", edge, edge, target(sshd, user="x")
        )
    finally:
        port.close()
    assert (ran.stderr, ran.status) == ("", 0)
    reports = ran.stdout.split(75 * "-" + "\n")
    assert [report for report in reports if "succeeded" in report] == [
        f"Host {number} succeeded:\none\ntwo\n" for number in (1, 2, 4, 5)
    ]
    assert reports[2].startswith("Host 3 failed: ")
    assert reports[5].startswith("Host 6 failed: ")
    home.clear()
    ran = gallery.run("gather_results", edge)
    assert re.match(r"Host 1 ended with status [12]:\nls: .*abc", ran.stdout)


def test_set_environment_sets_variables(gallery: Gallery, edge: str) -> None:
    ran = gallery.run("set_environment", edge)
    assert (ran.stderr, ran.status) == ("", 0)
    assert {"LANG=en_GB", "LC_COLLATE=C"} <= set(ran.stdout.splitlines())


def test_set_terminal_has_its_type_and_size(gallery: Gallery, edge: str) -> None:
    ran = gallery.run("set_terminal", edge)
    assert (ran.stdout.splitlines(), ran.stderr, ran.status) == (["xterm-color", "24 80"], "", 0)


def test_callback_client_tells_of_the_connection_too(gallery: Gallery, edge: str, home: Home) -> None:
    ran = gallery.run("callback_client", edge)
    assert ran == Ran("Connected to 127.0.0.1.\nLogged in.\none\ntwo\nDisconnected.\n", "", 0)


@pytest.mark.parametrize("program", ["callback_client2", "callback_client3"])
def test_callback_client_prints_output(program: str, gallery: Gallery, edge: str, home: Home) -> None:
    assert gallery.run(program, edge) == Ran("one\ntwo\n", "", 0)
    home.clear()
    ran = gallery.run(program, edge)
    said, nothing = (ran.stderr, ran.stdout) if program == "callback_client3" else (ran.stdout, ran.stderr)
    assert re.fullmatch(r"ls: .*abc.*\n", said)
    assert (nothing, ran.status) == ("", 0)
