"""Who called home is recorded, and who was not let in; and what a session was let down to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mooring import Pool
from mooring.model.audit import AuditQuery, AuditRecord
from mooring.service import Audit
from mooring.service.arrivals import Arrivals
from mooring.store.audit.trail import Trail
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring
from tests.pool.homes import PASSWORD, calling, listening
from tests.transport.test_dial import OLD

pytestmark = pytest.mark.anyio

BOUND = 30.0


async def recorded(trail: Trail, what: str, outcome: str) -> AuditRecord:
    """The first record of this, as soon as there is one."""
    async with asyncio.timeout(BOUND):
        while not (found := (await trail.page(AuditQuery(what=what, outcome=outcome), ascending=True)).records):  # noqa: ASYNC110 - none tells
            await asyncio.sleep(0.01)
    return found[0]


async def test_a_device_that_waits_and_is_let_in(tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    async with listening() as server:
        arrivals = Arrivals(server.pool, Audit(trail))
        async with calling(server) as devices:
            refused = await recorded(trail, "login", "refused")
            assert (refused.who, refused.alias, refused.detail["by"]) == ("", "", "call-home")
            assert "a device that is not known" in refused.detail["reason"]
            server.approve(server.pending[0].id, "core1", username="admin", password=PASSWORD)
            login = await recorded(trail, "login", "done")
            assert (login.who, login.door, login.alias) == ("core1", "call-home", "core1")
            assert login.detail["host_key"] == devices[0].host_key.get_fingerprint()
            assert login.detail["address"].startswith("127.0.0.1:")
        del arrivals
    await trail.aclose()


async def test_a_login_at_a_device_that_fails(tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    async with listening() as server:
        arrivals = Arrivals(server.pool, Audit(trail))
        async with calling(server):
            await recorded(trail, "login", "refused")
            server.approve(server.pending[0].id, "core1", username="admin", password="wrong")
            async with asyncio.timeout(BOUND):
                while (await recorded_last(trail)).alias != "core1":  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(0.01)
            assert (await recorded_last(trail)).detail["error"] == "authentication-failed"
        del arrivals
    await trail.aclose()
    assert b"wrong" not in (tmp_path / "audit.db").read_bytes()


async def recorded_last(trail: Trail) -> AuditRecord:
    """The latest login that was refused."""
    return (await trail.page(AuditQuery(what="login", outcome="refused"), limit=1)).records[0]


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # of the library below AsyncSSH
async def test_old_algorithms_in_use(tmp_path: Path, start_sshd: StartSshd, keyring: Keyring) -> None:
    trail = await Trail.open(tmp_path)
    server = start_sshd(host_keys=[keyring.key("host_rsa", "rsa")], **OLD)  # type: ignore[arg-type] # its own keywords
    async with Pool(config=None) as pool:
        arrivals = Arrivals(pool, Audit(trail))
        known = {"identity": [str(server.client_key)], "known_hosts": str(server.known_hosts), "agent_path": None}
        await pool.start(f"old1://{server.user}@127.0.0.1:{server.port}", legacy=True, **known)
        await pool["old1"].wait_up(BOUND)
        record = await recorded(trail, "session", "done")
        del arrivals
    await trail.aclose()
    assert (record.who, record.what, record.alias) == ("mooringd", "session.algorithms", "old1")
    assert record.detail["old"] == ["aes128-cbc", "diffie-hellman-group14-sha1", "hmac-sha1", "ssh-rsa"]
