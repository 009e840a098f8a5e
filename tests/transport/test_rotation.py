"""A server that says which keys it has: what we write down is what ssh writes down, with its restrictions."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from mooring.transport.hostfiles import KnownHosts
from mooring.transport.known_hosts import new_line
from tests.peers.keys import Keyring, public_line
from tests.transport.test_hostkeys import Address, check_of, dialed, name, ssh, write

if TYPE_CHECKING:
    from tests.peers.fixtures import StartSshd
    from tests.peers.sshd import Sshd

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(start_sshd: StartSshd, keyring: Keyring) -> Sshd:
    """An sshd with two keys, one of which everybody knows."""
    return start_sshd(host_keys=[keyring.key("host"), keyring.key("host_rsa", "rsa")])


@pytest.fixture
def told() -> list[str]:
    return []


async def rotated(
    server: Sshd | Address, file: Path, told: list[str], policy: str = "verify", **options: object
) -> list[str]:
    """Connect, wait until the server's word on its keys was followed, if anybody listens; return the file's lines."""
    check = check_of(server, file, policy, on_change=told.append, **options)
    heard = asyncio.Event()
    async with asyncio.timeout(30), dialed(server, check, heard):
        await heard.wait()
    return file.read_text().splitlines()


def by_ssh(server: Sshd, file: Path) -> list[str]:
    """What ssh makes of a copy of the file."""
    copy = Path(shutil.copy(file, file.with_suffix(".ssh")))
    outcome = ssh(server, copy, "-o", "UpdateHostKeys=yes")
    assert outcome.returncode == 0, outcome.stderr
    return copy.read_text().splitlines()


async def test_a_new_key_is_learned_and_a_gone_one_dropped_as_by_ssh(
    server: Sshd, keyring: Keyring, tmp_path: Path, told: list[str]
) -> None:
    known, new, gone = keyring.key("host"), keyring.key("host_rsa", "rsa"), keyring.key("gone", "ecdsa")
    file = write(
        tmp_path / "known_hosts",
        "# first",
        f"{name(server)} {public_line(gone)} with a comment",
        f"other {public_line(keyring.key('other'))}",
        f"{name(server)} {public_line(known)}",
        "rubbish ",
    )
    theirs = by_ssh(server, file)
    ours = await rotated(server, file, told)
    assert ours == [
        "# first",
        f"other {public_line(keyring.key('other'))}",
        f"{name(server)} {public_line(known)}",
        "rubbish ",
        f"{name(server)} {public_line(new)}",
    ]
    assert sorted(ours) == sorted(theirs)
    assert len(told) == 1
    assert "learned ssh-rsa SHA256:" in told[0]
    assert "dropped ecdsa-sha2-nistp256 SHA256:" in told[0]
    assert await rotated(server, file, told) == ours
    assert len(told) == 1


@pytest.mark.parametrize(
    "case", ["pattern", "revocation", "authority", "three names", "new key elsewhere", "old key elsewhere", "no port"]
)
async def test_what_ssh_leaves_alone_we_leave_alone(
    server: Sshd, keyring: Keyring, tmp_path: Path, told: list[str], case: str
) -> None:
    known, new, gone, other = (
        public_line(keyring.key(*key)) for key in (("host",), ("host_rsa", "rsa"), ("gone", "ecdsa"), ("other",))
    )
    here = name(server)
    lines = {
        "pattern": [f"{here} {known}", f"[127.0.0.*]:* {gone}"],
        "revocation": [f"{here} {known}", f"@revoked {here} {other}"],
        "authority": [f"@cert-authority {here} {other}", f"{here} {known}"],
        "three names": [f"{here},a,b {known}"],
        "new key elsewhere": [f"{here} {known}", f"elsewhere {new}"],
        "old key elsewhere": [f"{here} {known}", f"{here} {gone}", f"elsewhere {gone}"],
        "no port": [f"{server.host} {known}"],
    }[case]
    file = write(tmp_path / "known_hosts", *lines)
    assert by_ssh(server, file) == lines
    assert await rotated(server, file, told) == lines
    assert told == []


async def test_a_hashed_name_is_followed_too(server: Sshd, keyring: Keyring, tmp_path: Path, told: list[str]) -> None:
    known, gone = (asyncssh.read_public_key(keyring.key(key).with_suffix(".pub")) for key in ("host", "gone_too"))
    lines = [new_line(name(server), key, hash_names=True) for key in (gone, known)]
    file = write(tmp_path / "known_hosts", *lines)
    ours = await rotated(server, file, told, hash_names=True)
    assert ours[0] == lines[1]
    assert len(ours) == 2
    assert ours[1].startswith("|1|")
    found = KnownHosts([file]).match(server.host, server.port)
    assert [each.key.get_algorithm() for each in found.keys] == ["ssh-ed25519", "ssh-rsa"]


async def test_a_line_with_another_name_loses_this_one_only(
    server: Sshd, keyring: Keyring, tmp_path: Path, told: list[str]
) -> None:
    known, new, gone = keyring.key("host"), keyring.key("host_rsa", "rsa"), keyring.key("gone", "ecdsa")
    file = write(
        tmp_path / "known_hosts", f"{name(server)} {public_line(known)}", f"10.0.0.1,{name(server)} {public_line(gone)}"
    )
    assert await rotated(server, file, told) == [
        f"{name(server)} {public_line(known)}",
        f"10.0.0.1 {public_line(gone)}",
        f"{name(server)} {public_line(new)}",
    ]


async def test_every_user_file_is_followed_and_no_system_file(
    server: Sshd, keyring: Keyring, tmp_path: Path, told: list[str]
) -> None:
    known, new, gone = keyring.key("host"), keyring.key("host_rsa", "rsa"), keyring.key("gone", "ecdsa")
    first = tmp_path / "first"
    second = write(tmp_path / "second", f"{name(server)} {public_line(known)}", f"{name(server)} {public_line(gone)}")
    system = write(tmp_path / "system", f"{name(server)} {public_line(gone)}")
    known_hosts = KnownHosts([first, second], system=[system])
    await rotated(server, second, told, known_hosts=known_hosts)
    assert first.read_text() == f"{name(server)} {public_line(new)}\n"
    assert second.read_text() == f"{name(server)} {public_line(known)}\n"
    assert system.read_text() == f"{name(server)} {public_line(gone)}\n"


async def test_a_host_known_by_a_system_file_alone_is_not_followed(
    server: Sshd, tmp_path: Path, told: list[str]
) -> None:
    system = write(tmp_path / "system", f"{name(server)} {public_line(server.host_keys[0])}")
    user = write(tmp_path / "user")
    assert await rotated(server, user, told, known_hosts=KnownHosts([user], system=[system])) == []
    assert told == []


@pytest.mark.parametrize("update", [False, "no", "ask"])
async def test_it_can_be_turned_off(server: Sshd, tmp_path: Path, told: list[str], update: object) -> None:
    lines = [f"{name(server)} {public_line(server.host_keys[0])}"]
    assert await rotated(server, write(tmp_path / "known_hosts", *lines), told, update=update) == lines


@pytest.mark.parametrize("policy", ["off", "pinned"])
async def test_off_and_pins_learn_nothing(
    server: Sshd, keyring: Keyring, tmp_path: Path, told: list[str], policy: str
) -> None:
    lines = [f"{name(server)} {public_line(keyring.key('host'))}"]
    pin = public_line(keyring.key("host")) if policy == "pinned" else policy
    assert await rotated(server, write(tmp_path / "known_hosts", *lines), told, pin) == lines


async def test_the_first_sight_learns_one_key_and_the_second_the_others(
    server: Sshd, tmp_path: Path, told: list[str]
) -> None:
    file = tmp_path / "known_hosts"
    assert len(await rotated(server, file, told, "accept-new")) == 1
    assert len(await rotated(server, file, told)) == 2


async def test_a_certificate_learns_nothing(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path, told: list[str]
) -> None:
    key = keyring.key("certified_right")
    certificate = keyring.ca("host").sign(key, "127.0.0.1", host=True)
    server = start_sshd(host_keys=[key, keyring.key("host_rsa", "rsa")], HostCertificate=certificate)
    line = f"{name(server)} {public_line(key)}"
    user, system = write(tmp_path / "user", line), write(tmp_path / "system", keyring.ca("host").known_hosts_line("*"))
    assert await rotated(server, user, told, known_hosts=KnownHosts([user], system=[system])) == [line]
    assert told == []


class Open(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        del username
        return False


@pytest.mark.parametrize("honest", [True, False])
async def test_only_a_proved_key_is_learned(tmp_path: Path, told: list[str], *, honest: bool) -> None:
    known, claimed, other = (asyncssh.generate_private_key(f"ecdsa-sha2-nistp{size}") for size in (256, 384, 384))
    (pair,) = asyncssh.load_keypairs([claimed])
    if not honest:
        pair.sign = asyncssh.load_keypairs([other])[0].sign  # type: ignore[method-assign]
    async with asyncssh.listen(
        "127.0.0.1", 0, server_factory=Open, server_host_keys=[known, pair], send_server_host_keys=True
    ) as listener:
        server = Address("127.0.0.1", listener.get_port())
        lines = [new_line(name(server), key.convert_to_public()) for key in (known, claimed)]
        file = write(tmp_path / "known_hosts", lines[0])
        assert await rotated(server, file, told) == (lines if honest else lines[:1])
    assert len(told) == honest
