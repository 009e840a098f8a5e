"""NETCONF against libnetconf2, whose SSH is libssh."""

from __future__ import annotations

import pytest

import mooring
from tests.peers.keys import public_line
from tests.peers.libnetconf2 import Libnetconf2

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("framing", ["chunked", "end-of-message"])
async def test_all_that_it_has(libnetconf2: Libnetconf2, framing: str) -> None:
    login = {"username": "admin", "password": "admin", "host_key": public_line(libnetconf2.host_key)}
    bases = ["urn:ietf:params:netconf:base:1.0", "urn:ietf:params:netconf:base:1.1"]
    ours = bases if framing == "chunked" else bases[:1]
    target = f"edge1://127.0.0.1:{libnetconf2.port}"
    async with (
        mooring.connect(target, config=None, agent_path=None, identity="none", **login) as session,
        session.netconf(capabilities=ours, timeout=30) as nc,
    ):
        assert nc.framing == framing
        assert ":candidate" in nc.server_capabilities
        assert (await nc.get()).data is not None
        assert (await nc.get_config("candidate")).data is not None
        assert (await nc.commit()).ok
        assert (await nc.discard_changes()).ok
        async with nc.locked("running"):
            pass
