"""Keys, certificates and passwords as a user keeps them: files of ssh-keygen, a real sshd, a real ssh-agent."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from mooring.model.errors import CredentialError
from mooring.model.secret import Secret
from mooring.model.target import Target
from mooring.transport.credentials import KeyRing

if TYPE_CHECKING:
    from tests.peers.agent import Agent
    from tests.peers.fixtures import StartSshd
    from tests.peers.keys import Keyring
    from tests.peers.sshd import Sshd

pytestmark = pytest.mark.anyio

SECRET = "correct horse"
WRONG = SECRET[::-1]


@pytest.fixture
async def ring(anyio_backend: str) -> AsyncIterator[KeyRing]:
    del anyio_backend
    ring = KeyRing()
    yield ring
    await ring.aclose()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, with no agent and no keys."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


def copy(key: Path, to: Path) -> Path:
    """A copy of a key pair that the test may spoil."""
    shutil.copy(key, to)
    shutil.copy(key.with_suffix(".pub"), to.with_name(to.name + ".pub"))
    return to


def blob(key: Path) -> bytes:
    return asyncssh.read_public_key(key.with_suffix(".pub")).public_data


def kinds(pairs: list[asyncssh.SSHKeyPair]) -> list[tuple[str, str]]:
    return [(pair.get_key_type(), pair.get_algorithm()) for pair in pairs]


async def whoami(server: Sshd, pairs: list[asyncssh.SSHKeyPair]) -> None:
    """Log in with these key pairs alone."""
    async with asyncssh.connect(
        server.host,
        server.port,
        config=None,
        known_hosts=None,
        username=server.user,
        client_keys=pairs,
        agent_path=None,
        preferred_auth="publickey",
    ) as connection:
        assert (await connection.run("echo in", check=True)).stdout == "in\n"


async def test_a_key_file_logs_in(ring: KeyRing, sshd: Sshd) -> None:
    await whoami(sshd, await ring.key_pairs(identity_files=[str(sshd.client_key)]))


async def test_a_key_is_opened_once_and_each_login_gets_its_own_pair(ring: KeyRing, keyring: Keyring) -> None:
    name = str(keyring.key("client_rsa", "rsa"))
    (first,) = await ring.key_pairs(identity_files=[name])
    (second,) = await ring.key_pairs(identity_files=[name], passphrase=SECRET)
    assert first is not second
    assert vars(first)["_key"] is vars(second)["_key"]
    first.set_sig_algorithm(b"rsa-sha2-512")
    assert second.sig_algorithm == b"ssh-rsa"


async def test_a_changed_file_is_opened_again(ring: KeyRing, keyring: Keyring, tmp_path: Path) -> None:
    file = copy(keyring.key("client"), tmp_path / "key")
    (before,) = await ring.key_pairs(identity_files=[str(file)])
    file.unlink()
    copy(keyring.key("another"), file)
    (after,) = await ring.key_pairs(identity_files=[str(file)])
    assert before.public_data != after.public_data == blob(keyring.key("another"))


async def test_a_reader_that_was_given_up_is_waited_for(ring: KeyRing, keyring: Keyring, tmp_path: Path) -> None:
    """Its thread goes on, and two would write to one memory."""
    slow, file = tmp_path / "slow", copy(keyring.key("client"), tmp_path / "key")
    os.mkfifo(slow, 0o600)
    first = asyncio.create_task(ring.key_pairs(identity_files=[str(slow)]))
    writer = await asyncio.to_thread(slow.open, "wb")  # open once there is a reader
    with writer:
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(ring.key_pairs(identity_files=[str(file)]))
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
    assert len(await second) == 1


async def test_a_passphrase_opens_a_file_for_those_who_have_it(ring: KeyRing, keyring: Keyring) -> None:
    file = str(keyring.key("locked", passphrase=SECRET))
    (pair,) = await ring.key_pairs(identity_files=[file], passphrase=Secret(SECRET))
    assert pair.public_data == blob(Path(file))
    with pytest.raises(CredentialError, match="none was given") as missing:
        await ring.key_pairs(identity_files=[file])
    assert missing.value.hint is not None
    assert f"ssh-add {file}" in missing.value.hint
    with pytest.raises(CredentialError, match="does not open") as wrong:
        await ring.key_pairs(identity_files=[file], passphrase=WRONG)
    assert file in wrong.value.message
    assert await ring.key_pairs(identity_files=[file], passphrase=SECRET)


async def test_no_passphrase_is_shown(ring: KeyRing, keyring: Keyring, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file = str(keyring.key("locked", passphrase=SECRET))
    pairs = await ring.key_pairs(identity_files=[file], passphrase=SECRET)
    with pytest.raises(CredentialError) as caught:
        await ring.key_pairs(identity_files=[file], passphrase=WRONG)
    shown = [caplog.text, repr(ring), repr(vars(ring)), repr(pairs), str(caught.value), repr(caught.value)]
    shown += traceback.format_exception(caught.value)
    assert not any(SECRET in text or WRONG in text for text in shown)


async def test_a_named_key_that_others_may_read_is_refused(ring: KeyRing, keyring: Keyring, tmp_path: Path) -> None:
    file = copy(keyring.key("client"), tmp_path / "a key")
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        with pytest.raises(CredentialError, match=f"{mode:04o}") as caught:
            await ring.key_pairs(identity_files=[str(file)])
        assert caught.value.hint == f"chmod 600 '{file}'"
    file.chmod(0o400)
    assert await ring.key_pairs(identity_files=[str(file)])


@pytest.mark.parametrize(
    "content", [None, b"", b"rubbish", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", b"x" * 2**21]
)
async def test_a_named_key_that_cannot_be_read_is_named(ring: KeyRing, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    for passphrase in (None, SECRET):
        with pytest.raises(CredentialError, match="cannot be read") as caught:
            await ring.key_pairs(identity_files=[str(file)], passphrase=passphrase)
        assert str(file) in caught.value.message
    file.unlink(missing_ok=True)
    file.mkdir()
    with pytest.raises(CredentialError, match="directory"):
        await ring.key_pairs(identity_files=[str(file)])


async def test_a_public_key_needs_an_agent(ring: KeyRing, keyring: Keyring, agent: Agent, tmp_path: Path) -> None:
    key = keyring.key("client")
    public = Path(shutil.copy(key.with_suffix(".pub"), tmp_path / "id.pub"))
    public.chmod(0o600)
    with pytest.raises(CredentialError, match="agent does not hold"):
        await ring.key_pairs(identity_files=[str(public)], agent=str(agent.socket))
    agent.add(key)
    pairs = await ring.key_pairs(identity_files=[str(public)], agent=str(agent.socket), identities_only=True)
    assert kinds(pairs) == [("agent", "ssh-ed25519")]


async def test_defaults_are_tried_and_passed_over_where_they_cannot_be_used(
    ring: KeyRing, keyring: Keyring, home: Path
) -> None:
    assert await ring.key_pairs(defaults=True) == []
    copy(keyring.key("locked", passphrase=SECRET), home / ".ssh" / "id_ed25519")
    copy(keyring.key("client_ecdsa", "ecdsa"), home / ".ssh" / "id_ecdsa")
    copy(keyring.key("client_rsa", "rsa"), home / ".ssh" / "id_rsa").chmod(0o644)
    assert kinds(await ring.key_pairs(defaults=True)) == [("local", "ecdsa-sha2-nistp256")]
    assert await ring.key_pairs() == []
    (home / ".ssh" / "id_rsa").chmod(0o600)
    found = kinds(await ring.key_pairs(defaults=True, passphrase=SECRET))
    assert found == [("local", "ssh-ed25519"), ("local", "ecdsa-sha2-nistp256"), ("local", "ssh-rsa")]


async def test_home_is_expanded_and_a_key_named_twice_is_offered_once(
    ring: KeyRing, keyring: Keyring, home: Path
) -> None:
    copy(keyring.key("client"), home / ".ssh" / "id_ed25519")
    assert len(await ring.key_pairs(identity_files=["~/.ssh/id_ed25519"], defaults=True)) == 1


async def test_certificates_come_first_and_log_in(
    ring: KeyRing, start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    server = start_sshd(TrustedUserCAKeys=keyring.key("user_ca").with_suffix(".pub"))
    beside, apart = keyring.key("certified"), copy(keyring.key("certified_apart"), tmp_path / "apart")
    keyring.ca("user").sign(beside, server.user)
    certificate = keyring.ca("user").sign(apart, server.user).rename(tmp_path / "elsewhere.pub")
    pairs = await ring.key_pairs(
        identity_files=[str(beside), str(apart)], certificate_files=[str(certificate)], agent="none"
    )
    name = "ssh-ed25519"
    assert [pair.get_algorithm() for pair in pairs] == [f"{name}-cert-v01@openssh.com"] * 2 + [name] * 2
    for pair in pairs[:2]:
        await whoami(server, [pair])
    with pytest.raises(asyncssh.PermissionDenied):
        await whoami(server, pairs[2:])


async def test_a_certificate_that_cannot_be_read_is_named(ring: KeyRing, keyring: Keyring, tmp_path: Path) -> None:
    key = copy(keyring.key("client"), tmp_path / "key")
    with pytest.raises(CredentialError, match="no-such"):
        await ring.key_pairs(identity_files=[str(key)], certificate_files=[str(tmp_path / "no-such")])
    (tmp_path / "key-cert.pub").write_text("rubbish")
    with pytest.raises(CredentialError, match=r"key-cert\.pub"):
        await ring.key_pairs(identity_files=[str(key)])


async def test_the_order_of_ssh(ring: KeyRing, keyring: Keyring, agent: Agent) -> None:
    held, other, alone = keyring.key("client"), keyring.key("client_ecdsa", "ecdsa"), keyring.key("client_rsa", "rsa")
    agent.add(other)
    agent.add(held)
    files = [str(alone), str(held)]
    pairs = await ring.key_pairs(identity_files=files, agent=str(agent.socket))
    assert [pair.public_data for pair in pairs] == [blob(held), blob(other), blob(alone)]
    assert [kind for kind, _ in kinds(pairs)] == ["agent", "agent", "local"]
    pairs = await ring.key_pairs(identity_files=files, agent=str(agent.socket), files_first=True)
    assert [kind for kind, _ in kinds(pairs)] == ["agent", "local", "agent"]
    pairs = await ring.key_pairs(identity_files=files, agent=str(agent.socket), identities_only=True)
    assert [pair.public_data for pair in pairs] == [blob(held), blob(alone)]


async def test_a_key_that_the_agent_holds_needs_no_file_that_can_be_opened(
    ring: KeyRing, keyring: Keyring, agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_key, locked = keyring.key("held"), copy(keyring.key("locked", passphrase=SECRET), tmp_path / "key")
    agent.add(open_key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
    with pytest.raises(CredentialError):
        await ring.key_pairs(identity_files=[str(locked)])
    gone = tmp_path / "gone"
    shutil.copy(open_key.with_suffix(".pub"), tmp_path / "gone.pub")
    assert kinds(await ring.key_pairs(identity_files=[str(gone)])) == [("agent", "ssh-ed25519")]


async def test_the_public_half_of_a_locked_file_is_found_within_it(
    ring: KeyRing, keyring: Keyring, agent: Agent, tmp_path: Path
) -> None:
    key = copy(keyring.key("held"), tmp_path / "key")
    agent.add(key)
    (tmp_path / "key.pub").unlink()
    locked = asyncssh.read_private_key(key)
    locked.write_private_key(key, passphrase=SECRET)
    key.chmod(0o600)
    assert kinds(await ring.key_pairs(identity_files=[str(key)], agent=str(agent.socket))) == [("agent", "ssh-ed25519")]


async def test_an_agent_that_is_not_there_holds_nothing_and_is_named_when_it_matters(
    ring: KeyRing, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "no agent"))
    assert await ring.key_pairs() == []
    assert len(await ring.key_pairs(identity_files=[str(keyring.key("client"))])) == 1
    with pytest.raises(CredentialError, match="no agent"):
        await ring.key_pairs(identity_files=[str(tmp_path / "gone")])


async def test_the_agent_signs_for_a_certificate(
    ring: KeyRing, start_sshd: StartSshd, keyring: Keyring, agent: Agent, tmp_path: Path
) -> None:
    server = start_sshd(TrustedUserCAKeys=keyring.key("user_ca").with_suffix(".pub"))
    key = keyring.key("certified_held", "rsa")
    agent.add(key)
    certificate = keyring.ca("user").sign(key, server.user).rename(tmp_path / "held-cert.pub")
    pairs = await ring.key_pairs(
        identity_files=[str(key)], certificate_files=[str(certificate)], agent=str(agent.socket)
    )
    assert kinds(pairs) == [("agent", "ssh-rsa-cert-v01@openssh.com"), ("agent", "ssh-rsa")]
    await whoami(server, pairs)
    with pytest.raises(asyncssh.PermissionDenied):
        await whoami(server, (await ring.key_pairs(agent=str(agent.socket))))


async def test_a_password_in_the_target_wins(ring: KeyRing) -> None:
    assert await ring.password(Target.parse("h")) is None
    found = await ring.password(Target.parse("h", password=SECRET, password_from="env:NO"))
    assert found == Secret(SECRET)


async def test_a_password_from_the_environment(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target.parse("h", password_from="env:MOORING_TEST_PASSWORD")
    monkeypatch.setenv("MOORING_TEST_PASSWORD", SECRET)
    assert await ring.password(target) == Secret(SECRET)
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("MOORING_TEST_PASSWORD")
        else:
            monkeypatch.setenv("MOORING_TEST_PASSWORD", value)
        with pytest.raises(CredentialError, match="env:MOORING_TEST_PASSWORD"):
            await ring.password(target)


async def test_a_password_from_a_file(ring: KeyRing, tmp_path: Path) -> None:
    file = tmp_path / "password"
    target = Target.parse("h", password_from=f"file:{file}")
    with pytest.raises(CredentialError, match=f"file:{file}"):
        await ring.password(target)
    file.write_text(f"{SECRET}\r\nnot this\n")
    file.chmod(0o640)
    with pytest.raises(CredentialError, match="0640") as caught:
        await ring.password(target)
    assert caught.value.hint == f"chmod 600 {file}"
    file.chmod(0o600)
    assert await ring.password(target) == Secret(SECRET)
    for content in (b"\nsecond line", b"\xff\n"):
        file.write_bytes(content)
        with pytest.raises(CredentialError, match=f"file:{file}"):
            await ring.password(target)


async def test_a_password_from_a_keyring(ring: KeyRing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keyring.py").write_text(
        "def get_password(service, name):\n"
        "    if service == 'broken':\n"
        "        raise RuntimeError('the backend says " + SECRET + "')\n"
        "    return {('fleet', 'admin'): '" + SECRET + "'}.get((service, name))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "keyring", raising=False)
    assert await ring.password(Target.parse("admin@h", password_from="keyring:fleet")) == Secret(SECRET)
    for host, service in (("other@h", "fleet"), ("h", "fleet"), ("admin@h", "broken")):
        with pytest.raises(CredentialError, match=f"keyring:{service}") as caught:
            await ring.password(Target.parse(host, password_from=f"keyring:{service}"))
        assert SECRET not in "".join(traceback.format_exception(caught.value))
