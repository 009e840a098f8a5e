"""What only a person can mend is tried once, parked, and tried again when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring import Pool, Session
from mooring.model.errors import (
    AuthenticationFailed,
    CredentialError,
    HostKeyChanged,
    MooringError,
    SessionClosed,
    SessionParked,
    UnknownHostKey,
)
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring, public_line
from tests.peers.sshd import Sshd

from .fleet import hold, quick, reach, soon, true, until

pytestmark = pytest.mark.anyio

PARKED = SessionState.PARKED


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool(config=None, dice=quick) as pool:
        yield pool


async def parked(session: Session, kind: type[MooringError]) -> None:
    """It is parked for this reason, says so, and is left alone although its host is fine and others come up."""
    await until(session, PARKED, timeout=30)
    assert isinstance(session.error, kind)
    status = session.status()
    assert (status.state, status.error, status.retry_in) == (PARKED, kind.code, None)
    assert status.reason == session.error.message
    with pytest.raises(SessionParked) as refused:
        await session.run("true")
    assert session.error.message in refused.value.message
    assert refused.value.hint
    with pytest.raises(SessionParked) as late:
        await session.wait_up()
    assert late.value.__cause__ is session.error


async def test_a_wrong_password_is_tried_once_and_again_when_told(
    start_sshd: StartSshd, account: Account, pool: Pool, tmp_path: Path
) -> None:
    server = start_sshd(account=account, PubkeyAuthentication="no")
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("wrong\n")
    keywords = reach(server, identity="none", password_from=f"file:{secret}")
    session = await pool.start("a://127.0.0.1", **keywords)
    await parked(session, AuthenticationFailed)
    await hold(pool, "b", server, identity="none", password=account.password)
    await asyncio.sleep(1.2)  # beyond the time in which a sibling's success wakes who waits
    assert server.log().count("Failed password for") == 1
    session.retry()
    await until(session, SessionState.CONNECTING)
    await parked(session, AuthenticationFailed)
    await true(lambda: server.log().count("Failed password for") == 2)
    secret.write_text(account.password + "\n")
    session.retry()
    await session.wait_up(timeout=30)
    assert (await session.run("id -un")).stdout == f"{account.name}\n"
    assert session.error is None


async def test_a_sibling_that_came_up_just_before_does_not_wake_who_was_parked_since(start_sshd: StartSshd) -> None:
    def dice() -> float:
        return throws.pop(0) if throws else 0.9

    throws: list[float] = []
    server = start_sshd()
    async with FaultyLink(server.host, server.port) as link, Pool(config=None, dice=dice) as pool:
        link.refuse()
        options = reach(server, link)
        first = await pool.start("first://127.0.0.1", **options)
        await until(first, SessionState.BACKOFF)
        second = await pool.start("second://127.0.0.1", **{**options, "username": "nobody-of-that-name"})
        await until(second, SessionState.BACKOFF)
        link.heal()
        first.retry()
        await first.wait_up(timeout=30)
        second.retry()
        await until(second, PARKED)
        await asyncio.sleep(1.2)
        assert second.status().attempts == 2
        assert server.log().count("Invalid user") == 1


async def test_a_changed_host_key_is_parked_until_it_is_trusted(
    start_sshd: StartSshd, keyring: Keyring, pool: Pool, tmp_path: Path
) -> None:
    server = start_sshd()
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(server.known_hosts.read_text())
    session = await hold(pool, "a", server, host_key="verify", known_hosts=str(known_hosts))
    server.kill()
    server.change_host_keys(keyring.key("impostor")).start()
    since = len(server.log().splitlines())
    await parked(session, HostKeyChanged)
    await asyncio.sleep(0.5)
    attempts = "\n".join(server.log().splitlines()[since:]).count("Connection from")
    assert attempts == 1
    assert "Accepted" not in "\n".join(server.log().splitlines()[since:])
    session.retry()
    await until(session, SessionState.CONNECTING)
    await parked(session, HostKeyChanged)
    known_hosts.write_text("\n".join(server.known_hosts_lines) + "\n")
    session.retry()
    await session.wait_up(timeout=30)


async def test_an_unknown_host_key_is_parked_until_it_is_trusted(
    start_sshd: StartSshd, pool: Pool, tmp_path: Path
) -> None:
    server = start_sshd()
    known_hosts = tmp_path / "known_hosts"
    session = await pool.start("a://127.0.0.1", **reach(server, host_key="verify", known_hosts=str(known_hosts)))
    await parked(session, UnknownHostKey)
    assert session.error is not None
    assert str(known_hosts) in (session.error.hint or "")
    known_hosts.write_text("\n".join(server.known_hosts_lines) + "\n")
    await asyncio.sleep(0.2)
    assert session.state is PARKED
    session.retry()
    await session.wait_up(timeout=30)


async def test_a_credential_that_cannot_be_used_is_parked(start_sshd: StartSshd, pool: Pool, tmp_path: Path) -> None:
    server = start_sshd()
    missing = tmp_path / "key"
    session = await pool.start("a://127.0.0.1", **reach(server, identity=[str(missing)]))
    await parked(session, CredentialError)
    assert "Connection from" not in server.log()
    missing.write_bytes(server.client_key.read_bytes())
    missing.chmod(0o600)
    session.retry()
    await session.wait_up(timeout=30)


async def test_an_unset_variable_is_parked(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOORING_TEST_PASSWORD", raising=False)
    async with SimulatedHosts(password="right") as hosts:
        session = await pool.start(
            f"a://admin@127.0.0.1:{hosts[0].port}",
            password_from="env:MOORING_TEST_PASSWORD",
            host_key=hosts.public_key,
            identity="none",
            agent_path=None,
        )
        await parked(session, CredentialError)
        assert hosts[0].connections == 0
        monkeypatch.setenv("MOORING_TEST_PASSWORD", "right")
        session.retry()
        await session.wait_up(timeout=30)
        assert "right" not in repr(session) + repr(session.status())


async def test_a_key_that_the_server_does_not_know_is_parked_and_told_by_the_server_s_log(
    start_sshd: StartSshd, pool: Pool, keyring: Keyring
) -> None:
    server = start_sshd(PasswordAuthentication="no")
    other = keyring.key("stranger")
    session = await pool.start("a://127.0.0.1", **reach(server, identity=[str(other)]))
    await parked(session, AuthenticationFailed)
    assert server.log().count("Connection from") == 1
    with server.authorized_keys.open("a") as file:
        file.write(public_line(other) + "\n")
    session.retry()
    await session.wait_up(timeout=30)


async def test_retry_cuts_a_back_off_short_and_means_nothing_while_up(start_sshd: StartSshd) -> None:
    server = start_sshd()
    throws = [0.0]
    async with Pool(config=None, dice=lambda: throws[0]) as pool:
        session = await hold(pool, "a", server)
        session.retry()
        await asyncio.sleep(0.1)
        assert session.status().connects == 1
        server.kill()
        await true(lambda: session.status().attempts >= 12)
        throws[0] = 1.0
        await true(lambda: (session.status().retry_in or 0) > 50)
        server.start()
        session.retry()
        await session.wait_up(timeout=30)
        await session.close()
        with pytest.raises(SessionClosed):
            session.retry()


async def test_a_parked_session_can_be_closed(pool: Pool, sshd: Sshd) -> None:
    session = await pool.start("a://127.0.0.1", **reach(sshd, identity=["/no/such/key"]))
    await until(session, PARKED)
    await soon(session.close(), 30)
    assert session.state is SessionState.CLOSED
    assert "a" not in pool
