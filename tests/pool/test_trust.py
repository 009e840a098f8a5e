"""A host key that is not trusted, and somebody who says that it is right."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mooring import Pool, Session, SessionState
from mooring.model.errors import InvalidInput, UnknownAlias
from mooring.simulate import SimulatedHosts
from tests.peers.keys import Keyring, public_line

pytestmark = pytest.mark.anyio


async def parked(pool: Pool, hosts: SimulatedHosts, file: Path, **options: object) -> Session:
    """A session that stands parked for its host's key."""
    host = hosts[0]
    target = f"web1://a@{host.address}:{host.port}"
    session = await pool.start(target, known_hosts=str(file), agent_path=None, **options)
    async with asyncio.timeout(30):
        while session.state is not SessionState.PARKED:
            await session.wait_change()
    return session


def name(hosts: SimulatedHosts) -> str:
    return f"[{hosts[0].address}]:{hosts[0].port}"


async def test_an_unknown_one_is_written_down_and_the_session_comes_up(tmp_path: Path) -> None:
    file = tmp_path / "new" / "known_hosts"
    async with Pool(config=None) as pool, SimulatedHosts() as hosts:
        session = await parked(pool, hosts, file)
        status = session.status()
        assert status.error == "unknown-host-key"
        assert status.offered_key is not None
        await pool.trust("web1", status.offered_key)
        await session.wait_up(timeout=30)
        assert session.status().host_key == status.offered_key
        assert session.status().offered_key is None
        assert file.read_text().startswith(name(hosts))
        with pytest.raises(InvalidInput, match="shows no key"):
            await pool.trust("web1", status.offered_key)


async def test_a_changed_one_takes_the_place_of_the_old(tmp_path: Path, keyring: Keyring) -> None:
    file = tmp_path / "known_hosts"
    async with Pool(config=None) as pool, SimulatedHosts() as hosts:
        old, other = (public_line(keyring.key(one)) for one in ("old", "other"))
        file.write_text(f"{name(hosts)} {old}\nother.example {other}\n")
        session = await parked(pool, hosts, file)
        status = session.status()
        assert (status.error, bool(status.offered_key)) == ("host-key-changed", True)
        with pytest.raises(InvalidInput, match="SHA256:"):
            await pool.trust("web1", "SHA256:of-another")
        assert session.state is SessionState.PARKED
        await pool.trust("web1", str(status.offered_key))
        await session.wait_up(timeout=30)
        text = file.read_text()
        assert old not in text
        assert f"other.example {other}" in text


async def test_what_the_target_or_the_file_forbids_nobody_trusts(tmp_path: Path, keyring: Keyring) -> None:
    file = tmp_path / "known_hosts"
    async with Pool(config=None) as pool, SimulatedHosts() as hosts:
        for options in ({"host_key": public_line(keyring.key("old"))}, {}):
            file.write_text(f"@revoked * {hosts.public_key}\n")
            session = await parked(pool, hosts, file, **options)
            assert session.status().offered_key is None
            with pytest.raises(InvalidInput, match="shows no key"):
                await pool.trust("web1", "SHA256:x")
            await pool.stop("web1")
        with pytest.raises(UnknownAlias):
            await pool.trust("web1", "SHA256:x")
