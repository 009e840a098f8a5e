"""The gallery's servers, met by OpenSSH's clients."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from mooring.simulate.ports import ReservedPort
from tests.cli.on_terminal import OnTerminal
from tests.peers import client
from tests.peers.client import OpenSsh
from tests.peers.ending import ending
from tests.peers.keys import Keyring, public_line
from tests.peers.sshd import Sshd

from .gallery import SERVERS, Gallery

WELCOME = "Welcome, ann!\n"


class Ground:
    """The folder that the programs run in, with the keys that they look for."""

    def __init__(self, gallery: Gallery, keyring: Keyring) -> None:
        self.gallery = gallery
        self.folder = gallery.folder
        self.host_key = keyring.key("host")
        self.key = keyring.key("ann")
        shutil.copy(self.host_key, self.folder / "ssh_host_key")
        self.write("ssh_user_ca", public_line(self.key))

    def write(self, name: str, line: str) -> None:
        """A file of one line."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(line + "\n")
        path.chmod(0o600)

    @contextmanager
    def serving(self, program: str, *words: object) -> Iterator[tuple[OpenSsh, IO[str]]]:
        """A program that serves; a client of it, and what it prints."""
        with self.gallery.running(program, 0, *words) as told:
            found = re.fullmatch(r"Listening on port (\d+)\.\.\.\n", told.readline())
            assert found is not None
            outside = self.folder.parent / "outside"
            outside.mkdir(exist_ok=True)
            yield OpenSsh(outside, int(found[1]), self.host_key, identity=self.key), told


@pytest.fixture
def ground(gallery: Gallery, keyring: Keyring) -> Ground:
    if reason := client.missing():
        pytest.skip(reason)
    return Ground(gallery, keyring)


@pytest.mark.parametrize("program", sorted(SERVERS - {"reverse_client", "reverse_server"}))
def test_each_server_says_in_a_line_that_it_cannot_listen(program: str, ground: Ground) -> None:
    ground.write("authorized_keys/ann", public_line(ground.key))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = ground.gallery.run(program, taken.getsockname()[1])
    assert (ran.stdout, ran.status) == ("", 1)
    assert re.fullmatch(r"cannot listen on .*: it is taken by this process \(.*\)\n", ran.stderr)


def test_a_server_without_its_host_key_says_how_to_make_one(ground: Ground) -> None:
    (ground.folder / "ssh_host_key").unlink()
    ran = ground.gallery.run("math_server", 0)
    assert (ran.stdout, ran.status) == ("", 1)
    assert re.fullmatch(r"the host key ssh_host_key does not exist \(ssh-keygen .* ssh_host_key\)\n", ran.stderr)


def test_simple_server_lets_in_by_password_and_a_guest_without(ground: Ground) -> None:
    with ground.serving("simple_server") as (ssh, told):
        known = ssh.but(user="user123", identity=None, password="secretpw").ssh()
        assert (known.stdout, known.returncode) == ("Welcome, user123!\n", 0), known.stderr
        assert [told.readline() for _ in range(2)] == ["Connection from 127.0.0.1\n", "Connection closed\n"]
        assert ssh.but(user="guest").ssh().stdout == "Welcome, guest!\n"
        assert [told.readline() for _ in range(2)] == ["Connection from 127.0.0.1\n", "Connection closed\n"]
        for user, password in (("user123", "wrong"), ("user124", "secretpw")):
            refused = ssh.but(user=user, identity=None, password=password).ssh()
            assert (refused.stdout, refused.returncode) == ("", 255)
            assert "Permission denied" in refused.stderr


def test_simple_keyed_server_lets_each_user_in_by_their_keys(ground: Ground, keyring: Keyring) -> None:
    ground.write("authorized_keys/ann", public_line(ground.key))
    ground.write("authorized_keys/bob", public_line(keyring.key("bob")))
    ground.write("secret", public_line(ground.key))
    with ground.serving("simple_keyed_server") as (ssh, _):
        assert ssh.ssh().stdout == WELCOME
        assert ssh.but(user="bob", identity=keyring.key("bob")).ssh().stdout == "Welcome, bob!\n"
        for user in ("bob", "eve", "../secret", "", ".."):
            refused = ssh.but(user=user or "%h").ssh()
            assert (refused.stdout, refused.returncode) == ("", 255)


def test_simple_cert_server_lets_users_in_by_certificates(ground: Ground, keyring: Keyring) -> None:
    authority = keyring.ca("users")
    ground.write("ssh_user_ca", f"cert-authority {authority.public}")
    with ground.serving("simple_cert_server") as (ssh, _):

        def log_in(name: str, *principals: str, validity: str = "-5m:+1h") -> str:
            key = keyring.key(name)
            authority.sign(key, *principals, validity=validity)
            return ssh.but(identity=key).ssh().stdout

        assert log_in("good", "ann") == WELCOME
        assert log_in("two", "bob", "ann") == WELCOME
        assert log_in("other", "bob") == ""
        assert log_in("expired", "ann", validity="-2h:-1h") == ""
        assert log_in("early", "ann", validity="+1h:+2h") == ""
        assert ssh.ssh().returncode == 255  # without a certificate


@pytest.mark.parametrize("program", ["math_server", "callback_math_server"])
def test_math_server_adds(program: str, ground: Ground) -> None:
    with ground.serving(program) as (ssh, _):
        done = ssh.ssh(text="1\n22\nnonsense\n-3\n")
        assert done.returncode == 0
        first, total = done.stdout.splitlines()
        assert "one per line" in first
        assert total == "Total = 20"
        assert done.stderr == "This is no number: nonsense\n"
        with OnTerminal(ssh.command("ssh", "-tt", "server"), ssh.environment) as terminal:
            terminal.expect("when done:")
            terminal.type("40\r2\r")
            terminal.expect("2\r\n")
            terminal.type("~B")  # a break
            terminal.expect("Total = 42")
            assert terminal.end()[0] == 0
        with OnTerminal(ssh.command("ssh", "-tt", "server"), ssh.environment) as terminal:
            terminal.expect("when done:")
            terminal.type("47\x7f0\r\x04")  # corrected, and ended
            terminal.expect("Total = 40")
            assert terminal.end()[0] == 0


def test_redirect_server_is_a_calculator(ground: Ground) -> None:
    if shutil.which("bc") is None:
        pytest.skip("no bc: install bc")
    with ground.serving("redirect_server") as (ssh, _):
        done = ssh.ssh(text="2+2\n2^64\n1/0\n")
        assert (done.stdout, done.returncode) == ("4\n18446744073709551616\n", 0)
        assert "ivide by zero" in done.stderr
        assert ssh.ssh(text="quit\n").returncode == 0


def test_a_server_is_interrupted_while_it_serves(ground: Ground) -> None:
    if shutil.which("bc") is None:
        pytest.skip("no bc: install bc")
    with contextlib.ExitStack() as stack:
        with ground.serving("redirect_server") as (ssh, _):
            client = stack.enter_context(ssh.start("server"))
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write("2+2\n")
            client.stdin.flush()
            assert client.stdout.readline() == "4\n"
        assert client.wait(40) == 255


def test_chat_server_passes_on_what_is_said(ground: Ground) -> None:
    with ground.serving("chat_server") as (ssh, _):
        command = ssh.command("ssh", "-tt", "server")
        with OnTerminal(command, ssh.environment) as ann, OnTerminal(command, ssh.environment) as bob:
            ann.expect("name? ")
            ann.type("Ann\r")
            ann.expect("Here are 0 others.")
            bob.expect("name? ")
            bob.type("Bob\r")
            bob.expect("Here are 1 others.")
            ann.expect("*** Bob has come")
            bob.type("hello\r")
            ann.expect("Bob: hello")
            ann.resize(40, 100)
            ann.type("and to you\r")
            bob.expect("Ann: and to you")
            taken = ssh.ssh(text="Ann\n")
            assert (taken.returncode, "taken" in taken.stderr) == (1, True)
            bob.type("~.")  # hangs up
            ann.expect("*** Bob has left")
            ann.type("\x04")
            assert ann.end()[0] == 0


def test_editor_hides_a_secret_and_reads_keys(ground: Ground) -> None:
    with ground.serving("editor") as (ssh, _):
        with OnTerminal(ssh.command("ssh", "-tt", "server"), ssh.environment) as terminal:
            terminal.expect("secret: ")
            terminal.type("swordfish\r")
            assert "swordfish" not in terminal.expect("It has 9 letters.")
            terminal.expect("to leave:")
            terminal.type("x")
            terminal.expect("This was 'x'.")
            terminal.resize(30, 90)
            terminal.type("\x1b")
            terminal.expect("This was '\\x1b'.")
            terminal.type("q")
            assert terminal.end()[0] == 0
        without = ssh.ssh()
        assert (without.stdout, without.stderr, without.returncode) == ("", "This takes a terminal: ssh -t\n", 1)


def test_show_environment_lists_what_was_sent(ground: Ground) -> None:
    with ground.serving("show_environment") as (ssh, _):
        sending = ssh.but(options=("SendEnv=LANG GREETING",))
        done = sending.ssh(LANG="de_DE.UTF-8", GREETING="grüß dich")
        assert (done.stdout, done.returncode) == ("GREETING = grüß dich\nLANG = de_DE.UTF-8\n", 0)
        none = ssh.ssh()
        assert (none.stdout, none.stderr, none.returncode) == ("", "No variables were sent\n", 1)


def test_show_terminal_follows_its_size(ground: Ground) -> None:
    with ground.serving("show_terminal") as (ssh, _):
        with OnTerminal(ssh.command("ssh", "-tt", "server"), ssh.environment, columns=80) as terminal:
            terminal.expect("Terminal type: xterm, size: 80x24")
            terminal.resize(50, 132)
            terminal.expect("New size: 132x50")
            terminal.type("\x04")
            assert terminal.end()[0] == 0
        assert ssh.ssh().returncode == 1


@pytest.fixture
def greeter() -> Iterator[int]:
    """The port of a server that says hello to each, and repeats what they say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(b"hello ")
                        while data := connection.recv(65536):
                            connection.sendall(data)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_local_forwarding_server_connects_to_one_port_alone(ground: Ground, greeter: int) -> None:
    with ground.serving("local_forwarding_server", greeter) as (ssh, _):
        done = ssh.ssh("-W", f"localhost:{greeter}", text="to you")
        assert (done.stdout, done.returncode) == ("hello to you", 0)
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
            refused = ssh.but(options=("LogLevel=INFO",)).ssh("-W", f"localhost:{other.getsockname()[1]}")
        assert (refused.stdout, refused.returncode) == ("", 255)
        assert "administratively prohibited" in refused.stderr
        assert ssh.ssh().returncode != 0  # there is no shell


def wait_for(line: str, stream: IO[str] | None) -> None:
    """Read until a line with these words comes."""
    assert stream is not None
    seen = []
    for each in stream:
        seen.append(each)
        if line in each:
            return
    pytest.fail(f"{line!r} did not come, but {seen}")


def test_remote_forwarding_server_listens_on_one_port_alone(ground: Ground, greeter: int) -> None:
    with contextlib.ExitStack() as stack:
        allowed, other = (stack.enter_context(contextlib.closing(ReservedPort())) for _ in range(2))
        with ground.serving("remote_forwarding_server", allowed.port) as (ssh, _):
            verbose = ssh.but(options=("LogLevel=DEBUG1", "ExitOnForwardFailure=yes"))
            with ending(verbose.start("-N", "-R", f"{allowed.port}:127.0.0.1:{greeter}", "server")) as forward:
                wait_for("remote forward success", forward.stderr)
                with socket.create_connection(("127.0.0.1", allowed.port), timeout=30) as connection:
                    connection.sendall(b"to you")
                    connection.shutdown(socket.SHUT_WR)
                    assert connection.makefile("rb").read() == b"hello to you"
                forward.terminate()
            with ending(verbose.start("-N", "-R", f"{other.port}:127.0.0.1:{greeter}", "server")) as refused:
                wait_for("remote port forwarding failed", refused.stderr)
                assert refused.wait(30) == 255


@pytest.mark.parametrize("program", ["direct_server", "stream_direct_server"])
def test_direct_server_is_the_echo_of_every_host(program: str, ground: Ground) -> None:
    with ground.serving(program) as (ssh, _):
        text = "grüß dich " * 50_000
        done = ssh.ssh("-W", "no.such.host.example:7", text=text)
        assert (done.stdout == text, done.returncode) == (True, 0)
        refused = ssh.ssh("-W", "localhost:8")
        assert (refused.stdout, refused.returncode) == ("", 255)


def test_simple_sftp_server_serves_a_folder_and_nothing_else(ground: Ground) -> None:
    root = ground.folder / "files"
    (root / "below").mkdir(parents=True)
    (root / "below" / "file").write_text("a file\n")
    (root / "link").symlink_to("/etc")
    (ground.folder / "secret").write_text("a secret")
    with ground.serving("simple_sftp_server") as (ssh, _):
        mine = ssh.folder / "mine"
        mine.write_text("mine\n")
        done = ssh.sftp(
            "put mine new", "rename new newer", "get below/file got", "mkdir more", "put mine more/1", "ls -l more",
            "ln -s more/1 to", "get to followed", "chmod 4755 newer", "rm more/1", "rmdir more", "cd /..", "pwd",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Remote working directory: /\n" in done.stdout
        assert (root / "newer").read_text() == "mine\n"
        assert (root / "newer").stat().st_mode & 0o7777 == 0o755
        assert (ssh.folder / "got").read_text() == "a file\n"
        assert (ssh.folder / "followed").read_text() == "mine\n"
        for out in ("../secret", "/../../secret", "link/passwd", "/etc/passwd", f"{ground.folder}/secret"):
            refused = ssh.sftp(f"get {out} stolen", f"put mine {out}2")
            assert refused.returncode == 1
        assert not (ssh.folder / "stolen").exists()
        assert sorted(path.name for path in ground.folder.glob("secret*")) == ["secret"]
        assert ssh.but(options=("RequestTTY=no",)).ssh("cat", "/etc/passwd").returncode != 0


def test_chroot_sftp_server_gives_each_user_a_folder(ground: Ground) -> None:
    with ground.serving("chroot_sftp_server") as (ssh, _):
        (ssh.folder / "mine").write_text("mine\n")
        assert ssh.sftp("put mine").returncode == 0
        other = ssh.but(user="bob")
        listed = other.sftp("ls", "-get /ann/mine", "-get ../ann/mine", "put mine bobs")
        assert (listed.returncode, "mine" in listed.stdout.splitlines()) == (0, False)
        assert sorted(str(path.relative_to(ground.folder)) for path in ground.folder.glob("sftp/*/*")) == [
            "sftp/ann/mine",
            "sftp/bob/bobs",
        ]
        for user in ("..", ".", "ann/..", "%u"):
            assert ssh.but(user=user).sftp("put mine").returncode != 0 or user == "%u"
        assert sorted(path.name for path in ground.folder.iterdir()) == ["sftp", "ssh_host_key", "ssh_user_ca"]


@pytest.mark.parametrize("protocol", ["-s", "-O"])
def test_simple_scp_server_copies_by_both_protocols(protocol: str, ground: Ground) -> None:
    root = ground.folder / "files"
    root.mkdir()
    (ground.folder / "secret").write_text("a secret")
    with ground.serving("simple_scp_server") as (ssh, _):
        there, back = ssh.folder / "there", ssh.folder / "back"
        (there / "below").mkdir(parents=True)
        (there / "below" / "deep").write_bytes(bytes(range(256)) * 4096)
        (there / "flat").write_text("flat")
        (there / "flat").chmod(0o640)
        assert ssh.scp(protocol, "-r", "-p", "there", "server:copied").returncode == 0
        assert (root / "copied" / "below" / "deep").read_bytes() == bytes(range(256)) * 4096
        assert ((root / "copied" / "flat").stat().st_mode & 0o777) == 0o640
        assert ssh.scp(protocol, "-r", "server:copied", "back").returncode == 0
        assert (back / "below" / "deep").read_bytes() == bytes(range(256)) * 4096
        for out in ("../secret", f"{ground.folder}/secret"):
            assert ssh.scp(protocol, f"server:{out}", "stolen").returncode == 1
            ssh.scp(protocol, "there/flat", f"server:{out}2")
        assert not (ssh.folder / "stolen").exists()
        assert not (ground.folder / "secret2").exists()
        assert (root / "secret2").exists()  # which is /secret2 to a client


ACCEPT = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("waiting", file=sys.stderr, flush=True)
connection, _ = listener.accept()
def send():
    while data := sys.stdin.buffer.raw.read(65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := connection.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""
"""A ProxyCommand that waits to be dialed."""


@pytest.fixture
def reverse(ground: Ground, keyring: Keyring) -> Ground:
    """With the keys of both sides."""
    client_key, server_key = keyring.key("reverse_client"), keyring.key("reverse_server")
    shutil.copy(client_key, ground.folder / "client_host_key")
    shutil.copy(server_key, ground.folder / "server_key")
    ground.write("trusted_server_keys", public_line(server_key))
    ground.write("trusted_client_host_keys", f"* {public_line(client_key)}")
    return ground


@contextmanager
def waiting(
    ground: Ground, keyring: Keyring, identity: Path, *command: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """OpenSSH's client, which waits to be dialed; and where."""
    script = ground.folder / "accept.py"
    script.write_text(ACCEPT)
    with contextlib.closing(ReservedPort()) as port:
        proxy = f"ProxyCommand={sys.executable} {script} {port.port}"
        ssh = OpenSsh(ground.folder, port.port, keyring.key("reverse_client"), identity=identity, options=(proxy,))
        with ending(ssh.start("server", *command)) as process:
            wait_for("waiting", process.stderr)
            yield process, port.port


def test_reverse_client_runs_what_openssh_wants(reverse: Ground, keyring: Keyring) -> None:
    command = "cat; echo wrong >&2; exit 3"
    with waiting(reverse, keyring, keyring.key("reverse_server"), command) as (ssh, port):
        with reverse.gallery.running("reverse_client", "127.0.0.1", port, ends=True) as told:
            assert told.readline() == "Connected to 127.0.0.1\n"
            out, error = ssh.communicate("in\n", timeout=40)
        assert (out, error, ssh.returncode) == ("in\n", "wrong\n", 3)


def test_reverse_client_serves_nobody_that_it_does_not_trust(reverse: Ground, keyring: Keyring) -> None:
    with waiting(reverse, keyring, keyring.key("stranger"), "true") as (ssh, port):
        ran = reverse.gallery.run("reverse_client", "127.0.0.1", port)
        assert (ran.stdout, ran.status) == ("", 1)
        assert "127.0.0.1" in ran.stderr
        assert ssh.wait(40) == 255


def test_reverse_client_says_in_a_line_that_nobody_waits(reverse: Ground) -> None:
    with contextlib.closing(ReservedPort()) as nobody:
        ran = reverse.gallery.run("reverse_client", "127.0.0.1", nobody.port)
    assert (ran.stdout, ran.status) == ("", 1)
    assert re.fullmatch(r"cannot reach 127\.0\.0\.1:\d+: .*refused\n", ran.stderr)


def test_reverse_server_runs_commands_on_each_that_dials(reverse: Ground) -> None:
    commands = ("until [ -e go ]; do sleep 0.1; done; echo last", "echo first; exit 4")
    with reverse.gallery.running("reverse_server", 0, *commands) as told:
        port = int(told.readline().removeprefix("Listening on port ").removesuffix("...\n"))
        for _ in range(2):
            with reverse.gallery.running("reverse_client", "127.0.0.1", port, ends=True) as dialing:
                assert dialing.readline() == "Connected to 127.0.0.1\n"
                assert told.readline().endswith(" is here\n")
                assert [told.readline(), told.readline()] == ["'echo first; exit 4' ended with 4:\n", "first\n"]
                (reverse.folder / "go").touch()
                assert told.readline() == f"{commands[0]!r} ended with 0:\n"
                assert told.readline() == "last\n"
                (reverse.folder / "go").unlink()
                assert dialing.read() == ""  # it was hung up on


def test_reverse_programs_meet_by_certificates(
    reverse: Ground, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    hosts, users = keyring.ca("hosts"), keyring.ca("users")
    host = hosts.sign(keyring.key("certified_host"), "edge1", host=True)
    user = users.sign(keyring.key("certified_user"), "ann")
    for certificate, name in ((host, "client_host_key"), (user, "server_key")):
        shutil.copy(certificate.with_name(certificate.name.removesuffix("-cert.pub")), reverse.folder / name)
        shutil.copy(certificate, reverse.folder / f"{name}-cert.pub")
    reverse.write("trusted_client_host_keys", hosts.known_hosts_line("edge*"))
    reverse.write("trusted_server_keys", f"cert-authority {users.public}")
    with reverse.gallery.running("reverse_server", 0, "echo here") as told:
        port = int(told.readline().removeprefix("Listening on port ").removesuffix("...\n"))
        with reverse.gallery.running("reverse_client", "127.0.0.1", port, ends=True) as dialing:
            assert dialing.readline() == "Connected to 127.0.0.1\n"
            assert [told.readline() for _ in range(3)] == ["edge1 is here\n", "'echo here' ended with 0:\n", "here\n"]


def test_reverse_server_meets_an_sshd_that_dials(reverse: Ground, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(sshd.client_key, reverse.folder / "server_key")
    reverse.write("trusted_client_host_keys", f"* {public_line(sshd.host_keys[0])}")
    monkeypatch.setenv("LOGNAME", sshd.user)
    program, _, *words = sshd.command()
    with reverse.gallery.running("reverse_server", 0, "id -un") as told:
        port = int(told.readline().removeprefix("Listening on port ").removesuffix("...\n"))
        with socket.create_connection(("127.0.0.1", port)) as dialed:
            server = subprocess.Popen([program, "-i", *words[1:]], stdin=dialed.fileno(), stdout=dialed.fileno())
        with ending(server):
            assert told.readline().endswith(" is here\n")
            assert [told.readline(), told.readline()] == ["'id -un' ended with 0:\n", f"{sshd.user}\n"]
            assert server.wait(40) in {0, 255}
