"""PyEZ, unchanged, over a device that called home and cannot be dialed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from jnpr.junos.utils.scp import SCP
from jnpr.junos.utils.start_shell import StartShell

from mooring import Session
from mooring.compat.ncclient import pyez, uninstall
from tests.pool.homes import calling, known, listening

pytestmark = pytest.mark.anyio


async def test_facts_files_and_a_shell_on_the_connection_that_it_made(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("content\n")

    def work(session: Session, loop: asyncio.AbstractEventLoop) -> None:
        dev = pyez.device(session, loop=loop)
        assert dev.facts["hostname"] == "device1"
        with SCP(dev) as client:
            client.put(str(tmp_path / "here"), "/var/tmp/there")
        with StartShell(dev) as shell:
            assert "content" in shell.run("cat /var/tmp/there")[1]
        dev.close()
        uninstall()

    async with listening() as server, calling(server) as devices:
        server.add(known(devices[0]))
        session = server.pool["core1"]
        await session.wait_up(30)
        await asyncio.to_thread(work, session, asyncio.get_running_loop())
        assert len(devices[0].connections) == 1
        assert devices[0].files == {"/var/tmp/there": b"content\n"}
        assert (await session.run("show version")).ok
