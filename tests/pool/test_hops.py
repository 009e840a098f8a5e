"""Jump hosts: one connection for all that go through it, up first, lost and parked with what follows from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mooring import Pool, Session, connect
from mooring.model.errors import ConnectFailed, InvalidTarget, SessionParked
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring
from tests.peers.sshd import Sshd

from .fleet import BOUND, quick, soon, until

pytestmark = pytest.mark.anyio

UP, PARKED = SessionState.UP, SessionState.PARKED


def config(folder: Path, *servers: Sshd, extra: str = "") -> Path:
    """An ssh_config that knows the key, the user and the host keys for every server, as a hop's must."""
    known_hosts = folder / "known_hosts"
    known_hosts.write_text("".join(line + "\n" for server in servers for line in server.known_hosts_lines))
    first = servers[0]
    path = folder / "ssh_config"
    path.write_text(
        f"{extra}\nHost *\n  User {first.user}\n  IdentityFile {first.client_key}\n  IdentityAgent none\n"
        f"  UserKnownHostsFile {known_hosts}\n  GlobalKnownHostsFile none\n  UpdateHostKeys no\n"
        f"  ConnectTimeout 3\n  ServerAliveInterval 1\n  HashKnownHosts no\n"
    )
    return path


def accepted(server: Sshd) -> int:
    return server.log().count("Accepted publickey")


def at(server: Sshd) -> str:
    return f"127.0.0.1:{server.port}"


async def start(pool: Pool, alias: str, server: Sshd, *jump: Sshd) -> Session:
    return await pool.start(f"{alias}://{at(server)}", jump=[at(hop) for hop in jump] or None)


async def test_one_hop_is_shared_by_all_behind_it_and_closed_with_the_last(
    start_sshd: StartSshd, tmp_path: Path
) -> None:
    hop, host = start_sshd(), start_sshd()
    async with Pool(config=config(tmp_path, hop, host)) as pool:
        sessions = await asyncio.gather(*(start(pool, f"s{number}", host, hop) for number in range(5)))
        for session in sessions:
            await session.wait_up(timeout=30)
            assert (await session.run("echo through")).stdout == "through\n"
            assert session.status().via == (f"{hop.user}@{at(hop)}",)
        assert (accepted(hop), accepted(host)) == (1, 5)
        assert (pool.statistics().hops, pool.statistics().sessions) == (1, 5)
        assert len(pool.sessions) == 5
        *others, last = sessions
        await asyncio.gather(*(session.close() for session in others))
        assert (await last.run("echo still")).stdout == "still\n"
        assert pool.statistics().hops == 1
        await last.close()
        assert pool.statistics().hops == 0
        await asyncio.to_thread(hop.wait_log, "Disconnected from user|Connection closed by")
        again = await start(pool, "again", host, hop)
        await again.wait_up(timeout=30)
        assert accepted(hop) == 2


async def test_three_hops_each_connected_to_once(start_sshd: StartSshd, tmp_path: Path) -> None:
    *hops, host = [start_sshd() for _ in range(4)]
    async with Pool(config=config(tmp_path, *hops, host)) as pool:
        sessions = [await start(pool, f"s{number}", host, *hops) for number in range(3)]
        for session in sessions:
            await session.wait_up(timeout=30)
        assert [accepted(hop) for hop in hops] == [1, 1, 1]
        assert sessions[0].status().via == tuple(f"{hop.user}@{at(hop)}" for hop in hops)
        assert pool.statistics().hops == 3
        between = await start(pool, "between", hops[1], hops[0])
        await between.wait_up(timeout=30)
        assert accepted(hops[0]) == 1
        hops[0].kill()
        for session in [*sessions, between]:
            await until(session, SessionState.BACKOFF, SessionState.CONNECTING, timeout=30)
        hops[0].start()
        for session in sessions:
            await session.wait_up(timeout=30)
            assert (await session.run("echo back")).stdout == "back\n"


async def test_children_come_back_after_a_lost_hop(start_sshd: StartSshd, tmp_path: Path) -> None:
    hop, host = start_sshd(), start_sshd()
    async with (
        FaultyLink(hop.host, hop.port) as link,
        Pool(config=config(tmp_path, hop, host, extra=_behind(hop)), dice=quick) as pool,
    ):
        sessions = [
            await pool.start(f"s{number}://{at(host)}", jump=f"hop:{link.port}", keepalive=0.3) for number in range(4)
        ]
        for session in sessions:
            await session.wait_up(timeout=30)
        calls = [asyncio.create_task(session.run("sleep 60")) for session in sessions]
        await asyncio.sleep(0.3)
        for strike in (link.cut, link.blackhole, link.half_open):
            strike()
            for session in sessions:
                await until(session, SessionState.BACKOFF, SessionState.CONNECTING)
            await soon(asyncio.gather(*calls, return_exceptions=True))
            await asyncio.sleep(0.5)
            link.heal()
            for session in sessions:
                await session.wait_up(timeout=30)
        assert all(session.status().connects >= 4 for session in sessions)
        assert pool.statistics().hops == 1


def _behind(hop: Sshd) -> str:
    """``hop`` on any port: the host key is looked up under the name of the real one."""
    return f"Host hop\n  HostName 127.0.0.1\n  HostKeyAlias [127.0.0.1]:{hop.port}\n  ServerAliveInterval 1\n"


async def test_a_hop_that_is_down_fails_its_children_at_once(start_sshd: StartSshd, tmp_path: Path) -> None:
    hop, host = start_sshd(), start_sshd()
    settings = config(tmp_path, hop, host)
    hop.stop()
    with pytest.raises(ConnectFailed, match=f"the jump host .*{at(hop)} is not up: cannot reach"):
        async with asyncio.timeout(20), connect(at(host), jump=at(hop), config=settings):
            pass
    async with Pool(config=settings, dice=quick) as pool:
        session = await start(pool, "a", host, hop)
        await until(session, SessionState.BACKOFF)
        hop.start()
        await session.wait_up(timeout=30)


async def test_a_parked_hop_parks_its_children_and_a_child_s_retry_tries_it_again(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    *hops, host = [start_sshd() for _ in range(3)]
    settings = config(tmp_path, *hops, host)
    hops[0].authorized_keys.write_text("")
    hops[0].stop()
    hops[0].config["PasswordAuthentication"] = "no"
    hops[0].start()
    async with Pool(config=settings, dice=quick) as pool:
        sessions = [await start(pool, f"s{number}", host, *hops) for number in range(3)]
        near = await start(pool, "near", hops[1], hops[0])
        for session in [*sessions, near]:
            await until(session, PARKED, timeout=30)
            assert isinstance(session.error, SessionParked)
            assert at(hops[0]) in session.error.message
            assert "refused the login" in session.error.message
        tried = hops[0].log().count("Connection from")
        assert tried == 1
        sessions[0].retry()
        with pytest.raises(SessionParked, match="refused the login"):
            await sessions[0].wait_up(timeout=30)
        assert hops[0].log().count("Connection from") == tried + 1
        hops[0].authorized_keys.write_text(hops[1].authorized_keys.read_text())
        await asyncio.sleep(0.3)
        assert hops[0].log().count("Connection from") == tried + 1
        sessions[0].retry()
        for session in [*sessions, near]:
            if session.state is PARKED:
                await until(session, SessionState.CONNECTING, UP, timeout=30)
            await session.wait_up(timeout=30)
        assert [accepted(hop) for hop in hops] == [1, 1 + 1]


async def test_a_parked_child_of_a_sound_hop_stays_parked(
    start_sshd: StartSshd, tmp_path: Path, keyring: Keyring
) -> None:
    hop, host = start_sshd(), start_sshd(PasswordAuthentication="no")
    host.authorized_keys.write_text("")
    async with Pool(config=config(tmp_path, hop, host), dice=quick) as pool:
        session = await start(pool, "a", host, hop)
        await until(session, PARKED, timeout=30)
        hop.kill()
        hop.start()
        other = await start(pool, "b", hop, hop)
        await other.wait_up(timeout=30)
        await asyncio.sleep(1.2)
        assert session.state is PARKED
        assert host.log().count("Connection from") == 1


async def test_a_started_session_serves_as_hop_and_stopping_it_costs_a_reconnect(
    start_sshd: StartSshd, tmp_path: Path
) -> None:
    hop, host = start_sshd(), start_sshd()
    async with Pool(config=config(tmp_path, hop, host), dice=quick) as pool:
        own = await start(pool, "bastion", hop)
        child = await start(pool, "child", host, hop)
        await child.wait_up(timeout=30)
        assert accepted(hop) == 1
        assert pool.statistics().hops == 0
        assert own.state is UP
        await pool.stop("bastion")
        await until(child, SessionState.BACKOFF, SessionState.CONNECTING)
        await child.wait_up(timeout=30)
        assert accepted(hop) == 2
        assert pool.statistics().hops == 1
        await child.close()
        assert pool.statistics().hops == 0


async def test_stopping_a_child_leaves_a_started_hop_alone(start_sshd: StartSshd, tmp_path: Path) -> None:
    hop, host = start_sshd(), start_sshd()
    async with Pool(config=config(tmp_path, hop, host)) as pool:
        own = await start(pool, "bastion", hop)
        child = await start(pool, "child", host, hop)
        await child.wait_up(timeout=30)
        await child.close()
        assert (await own.run("echo here")).stdout == "here\n"
        assert accepted(hop) == 1


async def test_proxyjump_of_ssh_config(start_sshd: StartSshd, tmp_path: Path) -> None:
    hop, host = start_sshd(), start_sshd()
    extra = f"Host inner\n  HostName 127.0.0.1\n  Port {host.port}\n  ProxyJump outer\n"
    extra += f"Host outer\n  HostName 127.0.0.1\n  Port {hop.port}\n"
    async with connect("inner", config=config(tmp_path, hop, host, extra=extra)) as session:
        assert session.status().via == (f"{hop.user}@{at(hop)}",)
        assert accepted(hop) == 1
    async with connect("inner", jump="none", config=tmp_path / "ssh_config") as session:
        assert session.status().via == ()
    assert accepted(hop) == 1


async def test_jumps_in_a_circle_are_refused_before_anything_is_dialed(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    async with Pool(config=path) as pool:
        with pytest.raises(InvalidTarget, match="circle"):
            await pool.start("a")
        assert pool.sessions == []
        assert "a" not in pool


async def test_more_children_than_handshakes_do_not_wait_for_their_hop_for_ever(
    start_sshd: StartSshd, account: Account, tmp_path: Path
) -> None:
    """Were a turn taken before the hop is up, the hop would never get one."""
    hop = start_sshd()
    async with SimulatedHosts(count=100, one_port=True) as hosts:
        settings = config(tmp_path, hop)
        with (tmp_path / "known_hosts").open("a") as file:
            file.write(hosts.known_hosts)
        async with Pool(config=settings, handshakes=4, handshakes_per_host=4) as pool:
            where = f"127.0.0.1:{hosts[0].port}"
            sessions = [
                await pool.start(
                    f"{host.name}://{host.name}@{where}", jump=at(hop), identity="none", connect_timeout=20
                )
                for host in hosts
            ]
            for session in sessions:
                await session.wait_up(timeout=40)
            assert accepted(hop) == 1
            assert hosts.reached(hosts[0].port).peak_handshakes <= 4
            outcomes = [outcome async for outcome in pool.run("all", "hostname")]
            assert {outcome.result.stdout for outcome in outcomes if outcome.result} == {
                f"{host.name}\n" for host in hosts
            }


async def test_a_child_closed_while_its_hop_is_dialed_closes_the_hop(start_sshd: StartSshd, tmp_path: Path) -> None:
    hop, host = start_sshd(), start_sshd()
    async with FaultyLink(hop.host, hop.port) as link:
        settings = config(tmp_path, hop, host, extra=_behind(hop))
        async with Pool(config=settings) as pool:
            link.blackhole()
            child = await pool.start(f"a://{at(host)}", jump=f"hop:{link.port}")
            await link.wait_connections(1)
            assert pool.statistics().hops == 1
            await soon(child.close(), BOUND)
            assert pool.statistics().hops == 0
            await link.wait_connections(0)
