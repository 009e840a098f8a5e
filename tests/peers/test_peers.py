"""The peers themselves: each starts, is used by a real client, fails as asked, and leaves nothing."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from tests.peers.ending import ending

from .account import Account, throwaway
from .agent import Agent
from .dropbear import Dropbear
from .fixtures import StartSshd
from .keys import Keyring
from .netconfd import Netconfd
from .sshd import Sshd


def test_key_login_and_a_command(sshd: Sshd) -> None:
    assert sshd.ssh("id -un").stdout.strip() == sshd.user


def test_whoever_runs_the_tests_can_log_in(start_sshd: StartSshd, current_account: Account) -> None:
    assert start_sshd(account=current_account).ssh("id -un").stdout.strip() == current_account.name


def test_the_throwaway_account_has_a_password(start_sshd: StartSshd, account: Account, tmp_path: Path) -> None:
    server = start_sshd(account=account, PubkeyAuthentication="no")
    script = tmp_path / "askpass"
    script.write_text(f"#!/bin/sh\necho '{server.password}'\n")
    script.chmod(0o700)
    command = [argument.replace("BatchMode=yes", "BatchMode=no") for argument in server.ssh_command()]
    environment = {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "PATH": "/usr/bin:/bin"}
    outcome = subprocess.run([*command, "id -un"], env=environment, capture_output=True, text=True, check=False)
    assert outcome.stdout.strip() == account.name, outcome.stderr
    assert account.password not in repr(account)


def test_configuration_lines_win_over_the_defaults(start_sshd: StartSshd) -> None:
    server = start_sshd(Subsystem=["sftp internal-sftp", "hello /bin/echo hello"], PasswordAuthentication="no")
    assert server.ssh("hello", options=["-s"]).stdout == "hello\n"


def test_the_throwaway_account_takes_with_it_what_it_runs() -> None:
    with contextlib.ExitStack() as left:
        with throwaway() as made:
            if made is None:
                pytest.skip("needs root, to make a user")
            process = left.enter_context(ending(subprocess.Popen(["sleep", "600"], user=made.name)))
        assert not psutil.pid_exists(process.pid)


def test_kill_drops_links_and_restart_is_on_the_same_port(start_sshd: StartSshd) -> None:
    server = start_sshd()
    port = server.port
    with ending(subprocess.Popen([*server.ssh_command(), "sleep 60"], stderr=subprocess.PIPE)) as client:
        server.wait_log("Starting session: command")
        assert len(server.children()) >= 2
        server.kill()
        assert client.wait(30) == 255
    assert server.ssh("true").returncode == 255
    server.start()
    assert server.port == port
    assert server.ssh("true").returncode == 0
    server.stop()
    assert "Received signal 15" in server.log()


def test_suspend_freezes_and_resume_continues(start_sshd: StartSshd) -> None:
    server = start_sshd()
    pipe = subprocess.PIPE
    with ending(subprocess.Popen([*server.ssh_command(), "cat"], stdin=pipe, stdout=pipe, bufsize=0)) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"before\n")
        assert client.stdout.readline() == b"before\n"
        server.suspend()
        client.stdin.write(b"while\n")
        with pytest.raises(subprocess.TimeoutExpired):
            client.wait(0.2)
        states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in server.children()]
        assert set(states) == {"T"}
        server.resume()
        assert client.stdout.readline() == b"while\n"


def test_another_host_key_is_noticed_by_the_client(start_sshd: StartSshd, keyring: Keyring) -> None:
    server = start_sshd()
    server.change_host_keys(keyring.key("other_host")).restart()
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in server.ssh("true").stderr
    server.change_host_keys(keyring.key("host_rsa", "rsa"), keyring.key("host_ecdsa", "ecdsa"), known=True).restart()
    assert server.ssh("true").returncode == 0


def test_certificates_of_users_and_hosts(start_sshd: StartSshd, keyring: Keyring, tmp_path: Path) -> None:
    users, hosts = keyring.ca("user"), keyring.ca("host")
    host_key, user_key = keyring.key("signed_host"), keyring.key("signed_user")
    trusted = keyring.folder / "trusted_user_ca"
    trusted.write_text(users.public + "\n")
    certificate = hosts.sign(host_key, "127.0.0.1", host=True)
    server = start_sshd(host_keys=[host_key], TrustedUserCAKeys=trusted, HostCertificate=certificate)
    users.sign(user_key, server.user)
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(hosts.known_hosts_line("*") + "\n")
    command = ["ssh", "-F", "none", "-p", str(server.port), "-l", server.user, "-i", str(user_key)]
    command += ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    outcome = subprocess.run([*command, "127.0.0.1", "true"], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    server.wait_log("Accepted publickey .* ED25519-CERT")


def test_an_agent_holds_keys_for_the_client(start_sshd: StartSshd, agent: Agent) -> None:
    server = start_sshd()
    agent.add(server.client_key)
    assert len(agent.keys()) == 1
    command = ["ssh", "-F", "none", "-p", str(server.port), "-l", server.user, "-o", "BatchMode=yes"]
    command += ["-o", f"UserKnownHostsFile={server.known_hosts}", "127.0.0.1", "true"]
    assert subprocess.run(command, env=agent.environment, capture_output=True, check=False).returncode == 0
    agent.remove_all()
    assert agent.keys() == []
    assert subprocess.run(command, env=agent.environment, capture_output=True, check=False).returncode == 255


def test_dropbear(start_dropbear: Callable[[], Dropbear], tmp_path: Path) -> None:
    server = start_dropbear()
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(server.known_hosts_line + "\n")
    command = ["ssh", "-F", "none", "-p", str(server.port), "-l", server.user, "-i", str(server.client_key)]
    command += ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    for _ in range(2):
        outcome = subprocess.run([*command, "127.0.0.1", "id -un"], capture_output=True, text=True, check=False)
        assert outcome.stdout.strip() == server.user, outcome.stderr
        server.restart()


def test_a_peer_that_cannot_start_shows_its_log(start_sshd: StartSshd) -> None:
    with pytest.raises(TimeoutError, match="Bad configuration option: NoSuchThing"):
        start_sshd(NoSuchThing="yes")


@pytest.mark.timeout(30)
def test_netconfd_answers_what_comes_with_the_hello(start_netconfd: Callable[..., tuple[Netconfd, Sshd]]) -> None:
    _, sshd = start_netconfd()
    space = 'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
    base = "<capability>urn:ietf:params:netconf:base:1.0</capability>"
    hello = f"<hello {space}><capabilities>{base}</capabilities></hello>]]>]]>"
    close = f'<rpc {space} message-id="7"><close-session/></rpc>]]>]]>'
    with ending(subprocess.Popen([*sshd.ssh_command(), "-s", "netconf"], stdin=PIPE, stdout=PIPE, text=True)) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(hello + close)
        client.stdin.flush()
        assert 'message-id="7"' in client.stdout.read()
