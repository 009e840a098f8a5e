"""``mooring ssh``, ``proxy`` and ``gateway``: a real daemon, OpenSSH's client, and nothing set up."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest

from mooring.cli import main
from mooring.cli.gateway import pattern
from mooring.cli.ssh import _alias
from mooring.simulate.ports import ReservedPort
from tests.daemon import certificate
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.sshd import Sshd

TEXT = os.urandom(1_000_000)


@pytest.fixture(scope="module")
def daemon(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    config = f"[gateway]\nlisten = '127.0.0.1:0'\n{table('a', sshd)}"
    with RunningDaemon(tmp_path_factory.mktemp("d"), config=config) as running:
        running.wait_state("a")
        yield running


def mooring(
    daemon: RunningDaemon, *words: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    """What a ``mooring`` does: exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "mooring.cli", *words],
        env={**daemon.environment(), **(variables or {})},
        input=stdin,
        capture_output=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_ssh_needs_no_set_up(daemon: RunningDaemon, tmp_path: Path) -> None:
    assert mooring(daemon, "ssh", "a", "echo here; exit 3") == (3, b"here\n", b"")
    assert mooring(daemon, "ssh", "-T", "whoever@a", "cat", stdin=TEXT) == (0, TEXT, b"")
    said = b"mooring ssh: no session is called nowhere\n  hint: `mooring status` shows all that there are\n"
    assert mooring(daemon, "ssh", "nowhere", "true") == (255, b"", said)
    control = ["-o", f"ControlPath={tmp_path}/c", "-o", "ControlMaster=auto", "-o", "ControlPersist=30"]
    try:
        assert mooring(daemon, "ssh", *control, "a", "echo one") == (0, b"one\n", b"")
        assert mooring(daemon, "ssh", *control, "a", "echo two") == (0, b"two\n", b"")
    finally:
        mooring(daemon, "ssh", *control, "-O", "exit", "a")


def test_a_session_that_is_not_up_is_told_of_in_one_line(
    start_daemon: Callable[..., RunningDaemon], sshd: Sshd
) -> None:
    with contextlib.closing(ReservedPort()) as nobody:
        running = start_daemon(config=table("a", sshd).replace(f"port = {sshd.port}", f"port = {nobody.port}"))
        running.wait_state("a", state="backoff")
        for words in (("a", "true"), ("-T", "a")):
            status, out, err = mooring(running, "ssh", *words)
            assert (status, out) == (255, b"")
            assert err.startswith(b"mooring: a is ")
            assert err.count(b"\n") == 1


def test_over_tcp_with_a_token(daemon: RunningDaemon) -> None:
    over_tcp = {"MOORING_URL": daemon.url, "MOORING_TOKEN": daemon.token}
    assert mooring(daemon, "ssh", "a", "cat", stdin=TEXT, variables=over_tcp) == (0, TEXT, b"")
    status, _, err = mooring(daemon, "ssh", "a", "true", variables={**over_tcp, "MOORING_TOKEN": "wrong"})
    assert status == 255
    assert b"the token is not known here" in err


def test_over_tls(start_daemon: Callable[..., RunningDaemon], sshd: Sshd, tmp_path: Path) -> None:
    cert, key = certificate.make(tmp_path)
    daemon = start_daemon(config=f"[tls]\ncert = '{cert}'\nkey = '{key}'\n{table('a', sshd)}")
    daemon.wait_state("a")
    url = daemon.url.replace("http://", "https://")
    over_tls = {"MOORING_URL": url, "MOORING_TOKEN": daemon.token, "SSL_CERT_FILE": str(cert)}
    assert mooring(daemon, "ssh", "a", "cat", stdin=TEXT, variables=over_tls) == (0, TEXT, b"")


@pytest.mark.parametrize("words", [(), ("--fdpass",)])
def test_proxy_with_a_line_to_trust(daemon: RunningDaemon, tmp_path: Path, words: tuple[str, ...]) -> None:
    status, line, _ = mooring(daemon, "gateway", "known-host", "--plain", "a")
    assert status == 0
    (tmp_path / "known").write_bytes(line)
    proxy = " ".join([sys.executable, "-m", "mooring.cli", "proxy", *words, "%n"])
    base = ["-F", "none", "-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "StrictHostKeyChecking=yes"]
    base += ["-o", f"ProxyCommand={proxy}", "-o", f"ProxyUseFdpass={'yes' if words else 'no'}", "-o", "BatchMode=yes"]
    environment = daemon.environment()
    done = subprocess.run(
        ["ssh", *base, "a", "cat"], env=environment, input=TEXT, capture_output=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, TEXT, b"")
    (tmp_path / "from").write_bytes(TEXT)
    copy = ["scp", *base, "a:/etc/hosts", str(tmp_path / "to")]
    done = subprocess.run(copy, env=environment, capture_output=True, timeout=50, check=False)
    assert (done.returncode, (tmp_path / "to").read_bytes()) == (0, Path("/etc/hosts").read_bytes())


def test_the_line_to_trust(daemon: RunningDaemon) -> None:
    found = json.loads(mooring(daemon, "gateway", "known-host", "--json")[1])
    port = found["listen"][0].rpartition(":")[2]
    key = found["host_key"]
    assert mooring(daemon, "gateway", "known-host")[1].decode() == f"[127.0.0.1]:{port} {key}\n"
    words = ("gate", "[other]:22", "third:23")
    line = mooring(daemon, "gateway", "known-host", *words)[1].decode()
    assert line == f"[gate]:{port},other,[third]:23 {key}\n"


@pytest.mark.parametrize("place", ["", "a b", "a,b", "host:abc", "host:0", "host:65536", "#a", "a]", "[a]b", ":22"])
def test_a_place_that_no_known_hosts_can_have_is_refused(place: str) -> None:
    with pytest.raises(click.UsageError, match="is no NAME"):
        pattern(place, "8822")


def test_a_name_that_no_known_hosts_can_have_is_refused(daemon: RunningDaemon) -> None:
    for words in (("a b",), ("--plain", "")):
        status, out, err = mooring(daemon, "gateway", "known-host", *words)
        assert (status, out) == (2, b"")
        assert b"is no NAME" in err


def test_places_as_known_hosts_has_them() -> None:
    assert pattern("0.0.0.0:23", "1") == pattern("[::]:23", "1") == f"[{socket.gethostname()}]:23"
    assert pattern("[fe80::1]:23", "1") == "[fe80::1]:23"
    assert pattern("gate", "1") == "[gate]:1"


@pytest.mark.parametrize(
    "words", [("a;id",), ("-p", "22", "$(id)"), ("-tL1:a:2", "x y"), ("--", "-oFoo"), ("-N",), ("u@",)]
)
def test_a_host_that_is_no_alias_never_comes_to_a_shell(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ssh", *words]) == 2
    assert "ALIAS" in (err := capsys.readouterr().err) or "is no alias" in err


@pytest.mark.parametrize(
    ("words", "alias"),
    [
        (("a",), "a"),
        (("-p", "22", "b.c", "echo", "x;y"), "b.c"),
        (("-tL1:a:2", "-v", "u@d-1", "-t"), "d-1"),
        (("-NR", "1:a:2", "e"), "e"),
        (("--", "f", "-x"), "f"),
    ],
)
def test_which_word_is_the_host(words: tuple[str, ...], alias: str) -> None:
    assert _alias(words) == alias


@pytest.mark.parametrize("words", [("proxy",), ("proxy", "a", "b"), ("proxy", "--what"), ("proxy", "a b")])
def test_a_wrong_call(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("mooring proxy: ")


def test_who_may_run_and_read_nothing(daemon: RunningDaemon) -> None:
    _, token, _ = mooring(daemon, "token", "create", "runner", "--allow", "run", "--on", "a")
    bearer = {"MOORING_URL": daemon.url, "MOORING_TOKEN": token.decode().strip()}
    assert mooring(daemon, "run", "-n", "a", "echo in", variables=bearer) == (0, b"in\n", b"")
    assert mooring(daemon, "ssh", "a", "echo in", variables=bearer) == (0, b"in\n", b"")
    assert b"no session is called" in mooring(daemon, "ssh", "-s", "a", "sftp", variables=bearer)[2]


def test_ssh_is_asked_for_before_it_is_proxied(daemon: RunningDaemon) -> None:
    host, port = daemon.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request("GET", "/v1/sessions/a/ssh", headers={"authorization": f"Bearer {daemon.token}"})
    response = connection.getresponse()
    assert (response.status, response.headers["upgrade"]) == (426, "ssh")
    connection.close()


@pytest.mark.parametrize(
    ("place", "usual", "line"),
    [
        ("gate", "8822", "[gate]:8822"),
        ("gate", "22", "gate"),
        ("gate:22", "8822", "gate"),
        ("gate:2222", "22", "[gate]:2222"),
        ("[gate]:2222", "22", "[gate]:2222"),
        ("2001:db8::1", "8822", "[2001:db8::1]:8822"),
        ("2001:db8::1", "22", "2001:db8::1"),
        ("[2001:db8::1]", "8822", "[2001:db8::1]:8822"),
        ("[2001:db8::1]:22", "8822", "2001:db8::1"),
        ("[::1]:8822", "22", "[::1]:8822"),
    ],
)
def test_a_place_as_ssh_looks_for_it(place: str, usual: str, line: str) -> None:
    assert pattern(place, usual) == line
