"""NETCONF over the doors of a real daemon, against a real server and against one that sends much."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from mooring.simulate import FaultyLink
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.netconfd import Netconfd
from tests.peers.sshd import Sshd

from .door import BOUND, Answer, Client

pytestmark = pytest.mark.anyio
URL = "/v1/sessions/edge1/netconf"
MEGABYTE = 1 << 20
LOCK = b"<lock><target><candidate/></target></lock>"
SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"
LARGE = 80 * MEGABYTE
SENDER = """\
import os, re
def write(data):
    view = memoryview(data)
    while view: view = view[os.write(1, view):]
base = "urn:ietf:params:netconf:base:1.0"
write(f"<hello><capabilities><capability>{base}</capability></capabilities><session-id>1</session-id></hello>]]>]]>"
      .encode())
data = b""
while part := os.read(0, 65536):
    data += part
    while b"]]>]]>" in data:
        message, _, data = data.partition(b"]]>]]>")
        found = re.search(rb'message-id="(\\w+)"', message)
        if found:
            inside = b"<i>0123456789abcdef</i>" * (SIZE // 23) if b"<large" in message else b"<ok/>"
            write(b'<rpc-reply message-id="%b">%b</rpc-reply>]]>]]>' % (found[1], inside))
"""


@pytest.fixture
def server(start_netconfd: Callable[..., tuple[Netconfd, Sshd]]) -> Sshd:
    _, sshd = start_netconfd()
    return sshd


@pytest.fixture
async def daemon(anyio_backend: str, start_daemon: Callable[..., RunningDaemon], server: Sshd) -> RunningDaemon:
    """A daemon that holds edge1, which is up."""
    del anyio_backend
    return await held(start_daemon, server)


async def held(start_daemon: Callable[..., RunningDaemon], server: Sshd, **options: str) -> RunningDaemon:
    daemon = await asyncio.to_thread(start_daemon, config=table("edge1", server, **options))
    await asyncio.to_thread(daemon.wait_state, "edge1")
    return daemon


async def ask(daemon: RunningDaemon, method: str, path: str, body: object = None) -> Answer:
    client = await Client.connect(daemon.socket)
    try:
        return await client.ask(method, path, body)
    finally:
        await client.close()


async def rpc(daemon: RunningDaemon, body: str | bytes, channel: str = "") -> Answer:
    text = body if isinstance(body, bytes) else body.encode()
    return await ask(daemon, "POST", f"{URL}/rpc{f'?channel={channel}' if channel else ''}", text)


@asynccontextmanager
async def following(daemon: RunningDaemon, path: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """Server-sent events, without comments."""

    async def follow() -> AsyncIterator[tuple[str, Any]]:
        buffer = b""
        async for part in client.parts():
            *whole, buffer = (buffer + part).split(b"\n\n")
            for block in whole:
                fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
                if b"event" in fields:
                    yield fields[b"event"].decode(), json.loads(fields[b"data"])

    client = await Client.connect(daemon.socket)
    try:
        async with asyncio.timeout(3 * BOUND):
            await client.send("GET", path)
            assert (await client.head()).status == 200
            yield follow()
    finally:
        await client.close()


def contact(text: str) -> str:
    config = f'<config><system xmlns="{SYSTEM}"><contact>{text}</contact></system></config>'
    return f"<edit-config><target><candidate/></target>{config}</edit-config>"


async def test_a_lock_of_one_caller_keeps_another_out(daemon: RunningDaemon) -> None:
    async with following(daemon, f"{URL}/channel") as first, following(daemon, f"{URL}/channel") as second:
        (_, ours), (_, theirs) = await anext(first), await anext(second)
        assert (await rpc(daemon, LOCK, ours["channel"])).status == 200
        problem = (await rpc(daemon, LOCK, theirs["channel"])).problem(422, "rpc-error")
        assert problem["errors"][0]["tag"] == "lock-denied"
        assert f">{ours['session_id']}<" in problem["errors"][0]["info"]
        problem = (await rpc(daemon, contact("theirs"))).problem(422, "rpc-error")
        assert problem["errors"][0]["tag"] == "in-use"
        assert (await rpc(daemon, contact("ours"), ours["channel"])).status == 200
        assert (await rpc(daemon, "<commit/>", ours["channel"])).status == 200
    async with following(daemon, f"{URL}/channel") as third:  # the lock went with who held it
        _, own = await anext(third)
        assert (await rpc(daemon, LOCK, own["channel"])).status == 200
    answer = await rpc(daemon, "<get-config><source><running/></source></get-config>")
    assert b"<contact>ours</contact>" in answer.body


async def test_a_lock_goes_with_the_link_and_is_taken_again(
    start_daemon: Callable[..., RunningDaemon], server: Sshd
) -> None:
    async with FaultyLink("127.0.0.1", server.port) as link:
        daemon = await asyncio.to_thread(
            start_daemon,
            config=table("edge1", server).replace(f"port = {server.port}", f"port = {link.port}")
            + 'host_key = "off"\nkeepalive = 1\n',
        )
        await asyncio.to_thread(daemon.wait_state, "edge1")
        async with following(daemon, f"{URL}/channel") as stream:
            _, own = await anext(stream)
            assert (await rpc(daemon, LOCK, own["channel"])).status == 200
            link.half_open()
            name, problem = await anext(stream)
            assert (name, problem["code"]) == ("error", "session-lost")
        link.heal()
        await asyncio.to_thread(daemon.wait_state, "edge1")
        (await rpc(daemon, contact("x"), own["channel"])).problem(409, "lock-lost")
        async with following(daemon, f"{URL}/channel") as stream:  # the server still has the one that broke
            _, own = await anext(stream)
            assert (await rpc(daemon, LOCK, own["channel"])).status == 200


async def test_notifications_of_a_real_server(daemon: RunningDaemon) -> None:
    async with following(daemon, f"{URL}/notifications") as stream:
        assert await anext(stream) == ("subscribed", {"alias": "edge1"})
        for number in range(20):
            assert (await rpc(daemon, contact(f"contact {number}"))).status == 200
            assert (await rpc(daemon, "<commit/>")).status == 200
        changes = 0
        async for name, told in stream:
            assert (name, told["lost"], told["gap"]) == ("notification", 0, False)
            changes += "<netconf-config-change" in told["xml"]
            if changes == 20:
                break


async def test_a_large_reply_in_bounded_memory(
    start_daemon: Callable[..., RunningDaemon], start_sshd: StartSshd, current_account: Account, peers_folder: Path
) -> None:
    script = peers_folder / "sender.py"
    script.write_text(SENDER.replace("SIZE", str(LARGE)))
    sshd = start_sshd(account=current_account, Subsystem=f"netconf {sys.executable} {script}")
    daemon = await held(start_daemon, sshd)
    assert (await rpc(daemon, "<small/>")).status == 200
    process = psutil.Process(daemon.pid)
    before = most = process.memory_info().rss
    client = await Client.connect(daemon.socket)
    came, size = hashlib.sha256(), 0
    async with asyncio.timeout(4 * BOUND):
        await client.send("POST", f"{URL}/rpc", b"<large/>")
        assert (await client.head()).status == 200
        async for part in client.parts():
            came.update(part)
            size += len(part)
            most = max(most, process.memory_info().rss)
    await client.close()
    inside = b"<i>0123456789abcdef</i>" * (LARGE // 23)
    number = size - len(inside) - len(b'<rpc-reply message-id=""></rpc-reply>')
    expected = {
        hashlib.sha256(b'<rpc-reply message-id="%d">%b</rpc-reply>' % (one, inside)).digest() for one in (1, 2, 3)
    }
    assert number == 1
    assert came.digest() in expected
    assert most - before < 24 * MEGABYTE
    assert (await rpc(daemon, "<small/>")).status == 200
