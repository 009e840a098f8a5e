"""``mooring.connect``: one session for the length of a block."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mooring import connect
from mooring.model.errors import AuthenticationFailed, ConnectFailed, InvalidTarget, SessionClosed, UnknownHostKey
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .fleet import logged, reach, until

pytestmark = pytest.mark.anyio


async def test_up_inside_the_block_and_closed_after_it(sshd: Sshd) -> None:
    async with connect("a://127.0.0.1", config=None, **reach(sshd)) as session:
        assert session.alias == "a"
        assert (await session.run("echo here")).stdout == "here\n"
    with pytest.raises(SessionClosed):
        await session.run("true")


async def test_a_host_of_ssh_config_is_its_own_alias(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        f"Host edge1\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n  IdentityAgent none\n"
        f"  IdentityFile {sshd.client_key}\n  UserKnownHostsFile {sshd.known_hosts}\n  UpdateHostKeys no\n"
    )
    for config in (path, str(path), [path], (str(path),)):
        async with connect("edge1", config=config) as session:
            assert session.alias == "edge1"
            assert (await session.run("id -un")).stdout == f"{sshd.user}\n"


async def test_the_first_error_is_raised_as_it_is(start_sshd: StartSshd, account: Account, tmp_path: Path) -> None:
    server = start_sshd(account=account)
    with pytest.raises(AuthenticationFailed):
        async with connect("127.0.0.1", config=None, **reach(server, identity="none", password="wrong")):
            pass
    await logged(server, "Failed password for")
    assert server.log().count("Failed password for") == 1
    options = reach(server, host_key="verify", known_hosts=str(tmp_path / "none"))
    with pytest.raises(UnknownHostKey):
        async with connect("127.0.0.1", config=None, **options):
            pass
    server.stop()
    with pytest.raises(ConnectFailed):
        async with asyncio.timeout(20), connect("127.0.0.1", config=None, **reach(server)):
            pass
    with pytest.raises(InvalidTarget):
        async with connect("a://b://c", config=None):
            pass


async def test_it_comes_back_after_a_loss(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with FaultyLink(server.host, server.port) as link:
        held = connect("127.0.0.1", config=None, **reach(server, link))
        async with held as session:
            link.reset()
            await until(session, SessionState.BACKOFF)
            await session.wait_up(timeout=30)
            assert (await session.run("echo back")).stdout == "back\n"


async def test_what_the_body_raises_passes_unchanged(sshd: Sshd) -> None:
    class OwnError(Exception):
        pass

    with pytest.raises(OwnError):
        async with connect("127.0.0.1", config=None, **reach(sshd)):
            raise OwnError


async def test_cancelled_in_each_step_it_leaves_nothing(start_sshd: StartSshd) -> None:
    async def use() -> None:
        async with connect("127.0.0.1", config=None, **reach(server, link)) as session:
            await session.run("true")

    server = start_sshd()
    async with FaultyLink(server.host, server.port) as link:
        await use()
        for step in range(0, 40, 2):
            task = asyncio.create_task(use())
            await asyncio.sleep(step / 400)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await link.wait_connections(0)


async def test_two_in_one_program(sshd: Sshd) -> None:
    async with connect("a://127.0.0.1", config=None, **reach(sshd)) as one:
        async with connect("a://127.0.0.1", config=None, **reach(sshd)) as two:
            assert (await two.run("echo 2")).stdout == "2\n"
        assert (await one.run("echo 1")).stdout == "1\n"
