"""What is too weak is refused, ours and theirs: RequiredRSASize and CASignatureAlgorithms of ssh_config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

import mooring
from mooring.model.errors import AuthenticationFailed, HostKeyError
from mooring.transport.algorithms import rsa_bits
from tests.peers.keys import Keyring, public_line

if TYPE_CHECKING:
    from tests.peers.fixtures import StartSshd
    from tests.peers.sshd import Sshd

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("kind", "bits"), [("ssh-rsa", 2048), ("ssh-ed25519", None), ("ecdsa-sha2-nistp256", None)])
async def test_the_size_of_a_key_is_read_from_its_public_half(kind: str, bits: int | None) -> None:
    key = asyncssh.generate_private_key(kind, key_size=bits) if bits else asyncssh.generate_private_key(kind)
    assert rsa_bits(key.public_data) == bits


async def test_bytes_that_are_no_key_have_no_size() -> None:
    assert rsa_bits(b"\0\0\0\7ssh-rsa\0") is None


def _config(server: Sshd, folder: Path, *lines: str) -> Path:
    text = "\n  ".join(["Host peer", f"HostName {server.host}", f"Port {server.port}", f"User {server.user}", *lines])
    path = folder / "config"
    path.write_text(text + "\n")
    return path


async def _connect(config: Path) -> None:
    async with mooring.connect("peer", config=config, agent_path=None) as session:
        await session.run("true", check=True)


async def test_a_small_host_key_is_refused_although_it_is_known(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    server = start_sshd(host_keys=[keyring.key("rsa-host", "rsa")])
    lines = [f"UserKnownHostsFile {server.known_hosts}", f"IdentityFile {server.client_key}"]
    await _connect(_config(server, tmp_path, *lines, "RequiredRSASize 2048"))
    with pytest.raises(HostKeyError, match="an RSA key of fewer than 4096 bits") as caught:
        await _connect(_config(server, tmp_path, *lines, "RequiredRSASize 4096"))
    assert caught.value.hint == "RequiredRSASize in ssh_config sets the least"


async def test_a_small_key_of_ours_is_not_offered(start_sshd: StartSshd, keyring: Keyring, tmp_path: Path) -> None:
    server = start_sshd()
    small = keyring.key("rsa-client", "rsa")
    with server.authorized_keys.open("a") as file:
        file.write(public_line(small) + "\n")
    lines = [f"UserKnownHostsFile {server.known_hosts}", f"IdentityFile {small}"]
    await _connect(_config(server, tmp_path, *lines))
    with pytest.raises(AuthenticationFailed):
        await _connect(_config(server, tmp_path, *lines, "RequiredRSASize 4096"))


async def test_an_authority_must_sign_with_what_is_allowed(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    authority = keyring.ca("strength")
    certificate = authority.sign(keyring.key("certified-host"), "127.0.0.1", host=True)
    server = start_sshd(host_keys=[keyring.key("certified-host")], HostCertificate=certificate)
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(authority.known_hosts_line("*") + "\n")
    lines = [f"UserKnownHostsFile {known_hosts}", f"IdentityFile {server.client_key}"]
    await _connect(_config(server, tmp_path, *lines))
    with pytest.raises(HostKeyError, match="an authority whose signatures are not allowed"):
        await _connect(_config(server, tmp_path, *lines, "CASignatureAlgorithms rsa-sha2-512"))
