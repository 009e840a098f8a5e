"""Dialing real servers: each way to log in, each way to fail, each within its time and by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mooring import Session, connect
from mooring.model.errors import (
    AuthenticationFailed,
    ConnectError,
    ConnectFailed,
    CredentialError,
    HandshakeFailed,
    HostKeyChanged,
    UnknownHostKey,
)
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.peers.account import Account
from tests.peers.agent import Agent
from tests.peers.dropbear import Dropbear
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring
from tests.peers.sshd import Sshd
from tests.session.held import held, pin

pytestmark = pytest.mark.anyio


def simulated(hosts: SimulatedHosts, **keywords: Any) -> AbstractAsyncContextManager[Session]:
    usual: dict[str, Any] = {"host_key": "off", "identity": "none", "agent_path": None, "username": "admin"}
    return connect(f"sim1://127.0.0.1:{hosts[0].port}", config=None, **{**usual, **keywords})


async def says(session: Session, word: str = "on") -> bool:
    return (await session.run(f"echo {word}")).stdout == f"{word}\n"


# Ways in.


async def test_by_key_and_by_password(start_sshd: StartSshd, account: Account) -> None:
    server = start_sshd(account=account)
    async with held(server) as session:
        assert await says(session)
    server.wait_log("Accepted publickey")
    async with held(server, identity="none", password=account.password) as session:
        assert await says(session)
    server.wait_log("Accepted password")


async def test_by_a_password_that_is_kept_elsewhere(
    start_sshd: StartSshd, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_sshd(account=account)
    monkeypatch.setenv("MOORING_TEST_SECRET", account.password)
    async with held(server, identity="none", password_from="env:MOORING_TEST_SECRET") as session:
        assert await says(session)
    file = tmp_path / "password"
    file.write_text(account.password + "\n")
    file.chmod(0o600)
    async with held(server, identity="none", password_from=f"file:{file}") as session:
        assert await says(session)


async def test_by_keyboard_interactive_with_the_password() -> None:
    async with (
        SimulatedHosts(1, answers={"Password: ": "opensesame"}) as hosts,
        simulated(hosts, password="opensesame") as session,
    ):
        assert (await session.run("echo on")).stdout == "on\n"


async def test_by_keyboard_interactive_with_several_prompts() -> None:
    class Person(asyncssh.SSHClient):
        def kbdint_auth_requested(self) -> str:
            return ""

        def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> list[str]:
            answers = {"Password: ": "opensesame", "Token: ": "123456"}
            return [answers[prompt] for prompt, _ in prompts]

    async with (
        SimulatedHosts(1, answers={"Password: ": "opensesame", "Token: ": "123456"}) as hosts,
        simulated(hosts, client_factory=Person) as session,
    ):
        assert (await session.run("echo on")).stdout == "on\n"


async def test_by_a_key_file_with_a_passphrase(start_sshd: StartSshd, keyring: Keyring) -> None:
    server = start_sshd()
    key = keyring.key("locked", passphrase="correct horse")
    server.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    async with held(server, identity=[str(key)], passphrase="correct horse") as session:
        assert await says(session)
    with pytest.raises(CredentialError, match="locked"):
        async with held(server, identity=[str(key)], passphrase="wrong"):
            pass
    with pytest.raises(CredentialError, match="locked"):
        async with held(server, identity=[str(key)]):
            pass


async def test_by_the_agent(start_sshd: StartSshd, agent: Agent) -> None:
    server = start_sshd()
    agent.add(server.client_key)
    async with held(server, identity="none", agent_path=str(agent.socket)) as session:
        assert await says(session)


async def test_by_certificates_of_user_and_host(start_sshd: StartSshd, keyring: Keyring, tmp_path: Path) -> None:
    users, hosts = keyring.ca("user"), keyring.ca("host")
    host_key, user_key = keyring.key("dialed_host"), keyring.key("dialed_user")
    trusted = keyring.folder / "dialed_user_ca"
    trusted.write_text(users.public + "\n")
    certificate = hosts.sign(host_key, "127.0.0.1", host=True)
    server = start_sshd(host_keys=[host_key], TrustedUserCAKeys=trusted, HostCertificate=certificate)
    users.sign(user_key, server.user)
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(hosts.known_hosts_line("*") + "\n")
    trust: dict[str, Any] = {"host_key": "verify", "known_hosts": str(known_hosts)}
    async with held(server, identity=[str(user_key)], **trust) as session:
        assert await says(session)
        assert session.status().host_key_policy == "verify"
        assert session.status().algorithms["host_key"] == "ssh-ed25519-cert-v01@openssh.com"
    server.wait_log("Accepted publickey .* ED25519-CERT")
    known_hosts.write_text(users.known_hosts_line("*") + "\n")
    with pytest.raises(HostKeyChanged):
        async with held(server, identity=[str(user_key)], **trust):
            pass


async def test_a_key_object(sshd: Sshd) -> None:
    key = asyncssh.read_private_key(str(sshd.client_key))
    target = f"edge1://{sshd.user}@127.0.0.1:{sshd.port}"
    async with connect(target, config=None, host_key=pin(sshd), client_keys=[key], agent_path=None) as session:
        assert await says(session)


async def test_dropbear(start_dropbear: Callable[[], Dropbear]) -> None:
    server = start_dropbear()
    async with held(server) as session:
        assert await says(session)
        assert "dropbear" in str(session.status().server)
        assert session.status().legacy == ()
    async with held(server, identity="none", password=server.password) as session:
        assert await says(session)


async def test_through_a_jump_host(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host hop\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n IdentityFile {sshd.client_key}\n"
        f" UserKnownHostsFile {sshd.known_hosts}\n IdentityAgent none\n"
        f"Host inner\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n IdentityFile {sshd.client_key}\n"
        f" UserKnownHostsFile {sshd.known_hosts}\n IdentityAgent none\n ProxyJump hop\n"
    )
    async with connect("inner", config=config) as session:
        assert await says(session)
        assert session.status().via == (f"{sshd.user}@127.0.0.1:{sshd.port}",)


# Refused.


async def test_a_wrong_password_is_tried_once(start_sshd: StartSshd, account: Account) -> None:
    server = start_sshd(account=account)
    with pytest.raises(AuthenticationFailed, match="refused the login"):
        async with held(server, identity="none", password="wrong"):
            pass
    server.wait_log("Failed password|Connection closed|Disconnected")
    assert server.log().count("Failed password") == 1
    assert server.log().count("Connection from") == 1


@pytest.mark.parametrize("methods", ["password", "kbdint", "both"])
async def test_a_wrong_password_is_tried_once_whatever_the_server_asks_for(methods: str) -> None:
    """Servers lock out who fails too often: the same password is not offered by another method again."""
    wants: dict[str, Any] = {}
    if methods != "kbdint":
        wants["password"] = "right"
    if methods != "password":
        wants["answers"] = {"Password: ": "right"}
    async with SimulatedHosts(1, **wants) as hosts:
        with pytest.raises(AuthenticationFailed):
            async with simulated(hosts, password="wrong"):
                pass
        assert (hosts[0].auth_attempts, hosts[0].connections) == (1, 1)


async def test_no_credentials_at_all(sshd: Sshd) -> None:
    with pytest.raises(AuthenticationFailed):
        async with held(sshd, identity="none"):
            pass


async def test_credentials_of_ours_that_cannot_be_read(sshd: Sshd) -> None:
    with pytest.raises(CredentialError, match="no-such-key"):
        async with held(sshd, identity=["/nonexistent/no-such-key"]):
            pass
    with pytest.raises(CredentialError, match="MOORING_UNSET"):
        async with held(sshd, password_from="env:MOORING_UNSET"):
            pass


async def test_a_host_that_is_not_known(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(UnknownHostKey) as caught:
        async with held(sshd, host_key="verify", known_hosts=str(tmp_path / "none")):
            pass
    assert caught.value.fingerprint is not None


async def test_a_server_that_speaks_of_its_own_key_is_not_taken_for_us() -> None:
    """Only what we find of a key keeps a person busy."""

    class Judge(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            raise asyncssh.HostKeyNotVerifiable(f"revoked, {username}")

    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=Judge, server_host_keys=[key]) as server:
        with pytest.raises(ConnectFailed, match=r"ended the connection: revoked, x$"):
            async with connect(
                f"odd1://x@127.0.0.1:{server.get_port()}", config=None, host_key="off", identity="none", password="x"
            ):
                pass


# Old algorithms.

OLD = {
    "KexAlgorithms": "diffie-hellman-group14-sha1",
    "Ciphers": "aes128-cbc",
    "MACs": "hmac-sha1",
    "HostKeyAlgorithms": "ssh-rsa",
}


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # of the library below AsyncSSH
async def test_old_algorithms_only_where_they_are_asked_for(start_sshd: StartSshd, keyring: Keyring) -> None:
    server = start_sshd(host_keys=[keyring.key("host_rsa", "rsa")], **OLD)  # type: ignore[arg-type] # its own keywords
    # sshd hangs up at once, and its reset may outrun the list that shows that nothing is in common.
    with pytest.raises((HandshakeFailed, ConnectFailed), match="allow them for it alone with legacy=yes"):
        async with held(server):
            pass
    async with held(server, legacy=True) as session:
        assert await says(session)
        assert session.status().legacy == ("aes128-cbc", "diffie-hellman-group14-sha1", "hmac-sha1", "ssh-rsa")


async def test_nothing_in_common_is_said_so() -> None:
    """A server that leaves us the time to see its list."""
    kexinit = bytes([20]) + bytes(16)
    for names in (
        b"diffie-hellman-group1-sha1",
        b"ssh-rsa",
        b"3des-cbc",
        b"3des-cbc",
        *[b"hmac-md5"] * 2,
        *[b"none"] * 2,
    ):
        kexinit += len(names).to_bytes(4, "big") + names
    kexinit += bytes(13)
    padding = 16 - (len(kexinit) + 5) % 8
    packet = (len(kexinit) + 1 + padding).to_bytes(4, "big") + bytes([padding]) + kexinit + bytes(padding)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-old\r\n" + packet)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HandshakeFailed, match=r"no algorithms in common with .*legacy=yes"):
            async with connect(f"old1://127.0.0.1:{port}", config=None, host_key="off", identity="none"):
                pass


async def test_the_fast_cipher_first(sshd: Sshd) -> None:
    async with held(sshd) as session:
        assert session.status().algorithms["cipher"] == "aes128-gcm@openssh.com"
    async with held(sshd, legacy=True) as session:
        assert session.status().algorithms["cipher"] == "aes128-gcm@openssh.com"
        assert session.status().legacy == ()


# The network.


async def test_nobody_listens(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link:
        link.refuse()
        with pytest.raises(ConnectFailed, match=r"cannot reach .*refused"):
            async with held(sshd, link):
                pass


async def test_a_name_that_is_not_resolved(sshd: Sshd) -> None:
    with pytest.raises(ConnectFailed, match=r"the name in .*@nothing\.invalid:22 is not resolved"):
        async with connect("edge1://nothing.invalid", config=None, host_key=pin(sshd), agent_path=None):
            pass


async def test_what_listens_is_no_ssh_server() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((ConnectFailed, HandshakeFailed)):
            async with connect(f"web1://127.0.0.1:{port}", config=None, host_key="off", identity="none"):
                pass


@pytest.mark.parametrize(
    ("passed", "phase"),
    [(0, "handshake"), (10, "handshake"), (60, "handshake"), (900, "handshake"), (1700, "login|handshake")],
    ids=["before the banner", "in the banner", "after the banner", "in the key exchange", "in the login"],
)
async def test_a_server_that_falls_silent(sshd: Sshd, passed: int, phase: str) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link:
        link.stop_after(passed, "to_client")
        with pytest.raises(ConnectFailed, match=rf"did not answer within 1 s, in the ({phase})"):
            async with asyncio.timeout(30), held(sshd, link, connect_timeout=1.0):
                pass
        assert link.accepted == 1


@pytest.mark.parametrize("passed", [0, 10, 60, 900, 1700])
async def test_a_server_that_hangs_up(sshd: Sshd, passed: int) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link:
        link.stop_after(passed, "to_client")

        async def attempt() -> None:
            async with held(sshd, link, connect_timeout=10):
                pass

        task = asyncio.create_task(attempt())
        await link.wait_bytes(passed, "to_client")
        await link.wait_connections(1)
        await asyncio.sleep(0.02)
        link.reset()
        with pytest.raises(ConnectFailed):
            await task


@pytest.mark.parametrize("offset", [200, 1200, 1500])
async def test_bytes_that_are_flipped_on_the_way(sshd: Sshd, offset: int) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link:
        link.corrupt(offset, "to_client")
        with pytest.raises(ConnectError):
            async with held(sshd, link, connect_timeout=1):
                pass


async def test_one_byte_at_a_time(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link:
        link.slice_bytes = 1
        async with held(sshd, link) as session:
            assert await says(session)


async def test_cancelled_at_each_phase_nothing_is_left(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link:

        async def attempt() -> None:
            async with held(sshd, link):
                pass

        for passed in (0, 60, 900, 1700):
            link.heal()
            link.stop_after(passed, "to_client")
            task = asyncio.create_task(attempt())
            await link.wait_connections(1)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await link.wait_connections(0)
