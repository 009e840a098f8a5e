"""NETCONF over REST against a server that does what a test says."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mooring.rest import events
from mooring.service import netconf as service
from mooring.wire.netconf.framing import chunked
from tests.session.netconf.scripted import Channel, ScriptedServer, hello, obey, reply

from .door import BOUND, READER, TOKEN, Client, Running, running

pytestmark = pytest.mark.anyio
URL = "/v1/sessions/nc/netconf"
NOTIFICATION = "urn:ietf:params:netconf:capability:notification:1.0"


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[ScriptedServer]:
    del anyio_backend
    async with ScriptedServer(obey) as server:
        yield server


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path, server: ScriptedServer) -> AsyncIterator[Running]:
    del anyio_backend
    async with running(tmp_path, write_timeout=0.5) as door:
        await hold(door, server)
        yield door


async def hold(door: Running, server: ScriptedServer) -> None:
    await door.pool.start(f"nc://127.0.0.1:{server.port}", **server.login)
    await door.pool["nc"].wait_up(timeout=BOUND)


def number(message: str) -> str:
    found = re.search(r'message-id="(\w+)"', message)
    assert found
    return found[1]


@asynccontextmanager
async def following(door: Running, path: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """Server-sent events: name and data; a comment is ``:``."""

    async def follow(client: Client) -> AsyncIterator[tuple[str, Any]]:
        buffer = b""
        async for part in client.parts():
            *whole, buffer = (buffer + part).split(b"\n\n")
            for block in whole:
                fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
                yield (fields[b"event"].decode(), json.loads(fields[b"data"])) if b"event" in fields else (":", None)

    async with door.client() as client, asyncio.timeout(BOUND):
        await client.send("GET", path)
        head = await client.head()
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream"), head
        yield follow(client)


async def until_closed(server: ScriptedServer, channel: int) -> None:
    async with asyncio.timeout(BOUND):
        while not server.channels[channel]._channel.is_closing():  # noqa: SLF001, ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_callers_share_a_channel(door: Running, server: ScriptedServer) -> None:
    shown = (await door.ask("GET", URL)).value
    assert (shown["alias"], shown["session_id"], shown["framing"]) == ("nc", 1, "chunked")
    assert shown["server_capabilities"][0].endswith("base:1.0")
    answers = await asyncio.gather(*(door.ask("POST", f"{URL}/rpc", b"<get/>") for _ in range(20)))
    assert {answer.headers["content-type"] for answer in answers} == {"application/xml"}
    assert all(b"<ok/>" in answer.body for answer in answers)
    assert len(server.channels) == 1


async def test_an_idle_channel_is_closed(
    door: Running, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "IDLE", 0.05)
    await door.ask("POST", f"{URL}/rpc", b"<get/>")
    await until_closed(server, 0)
    assert "<close-session" in server.channels[0].messages[-1]
    await door.ask("POST", f"{URL}/rpc", b"<get/>")
    assert len(server.channels) == 2


async def test_an_error_is_a_problem_with_its_list(door: Running, server: ScriptedServer) -> None:
    faults = "".join(
        f"<rpc-error><error-type>protocol</error-type><error-tag>{tag}</error-tag>"
        "<error-severity>error</error-severity><error-message>no</error-message></rpc-error>"
        for tag in ("in-use", "bad-element")
    )
    server.act = lambda channel, message: obey(channel, message, answer=faults)
    problem = (await door.ask("POST", f"{URL}/rpc", b"<get/>")).problem(422, "rpc-error")
    assert [(fault["tag"], fault["severity"], fault["message"]) for fault in problem["errors"]] == [
        ("in-use", "error", "no"),
        ("bad-element", "error", "no"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hunter2",
        b"<hunter2>",
        b"<a/><b/>",
        b"\xff<get/>",
        b'<!DOCTYPE a [<!ENTITY b "hunter2">]><a>&b;</a>',
        b"<a>&hunter2;</a>",
        b"<rpc/>",
    ],
    ids=["empty", "text", "open", "two", "bytes", "bomb", "entity", "nothing"],
)
async def test_what_is_no_request(door: Running, server: ScriptedServer, body: bytes) -> None:
    answer = await door.ask("POST", f"{URL}/rpc", body)
    answer.problem(400, "invalid-input")
    assert b"hunter2" not in answer.body
    assert not server.channels


@pytest.mark.parametrize("query", ["timeout=x", "timeout=0", "timeout=nan", "timeout=1e9"])
async def test_a_timeout_that_is_none(door: Running, query: str) -> None:
    (await door.ask("POST", f"{URL}/rpc?{query}", b"<get/>")).problem(400, "invalid-input")


async def test_who_may_only_read_may_not(door: Running, hosts: Any) -> None:  # noqa: ANN401 - simulated hosts
    await door.hold(hosts, "web1")
    for method, path, body in (("GET", "", None), ("POST", "/rpc", b"<get/>"), ("GET", "/channel", None)):
        async with door.client(token=READER) as client:
            answer = await client.ask(method, f"/v1/sessions/web1/netconf{path}", body)
            answer.problem(403, "not-allowed")


@pytest.mark.parametrize(
    "body",
    [
        "<lock><target><running/></target></lock>",
        "<rpc><unlock><target><running/></target></unlock></rpc>",
        "<close-session/>",
        "<lock-configuration/>",
        "<commit><confirmed/></commit>",
        '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>',
    ],
)
async def test_what_would_bind_the_shared_channel_is_refused(door: Running, server: ScriptedServer, body: str) -> None:
    problem = (await door.ask("POST", f"{URL}/rpc", body.encode())).problem(400, "invalid-input")
    assert "channel of your own" in problem["hint"]
    assert not server.channels
    kept = b"<commit><confirmed/><persist>mine</persist></commit>"
    assert (await door.ask("POST", f"{URL}/rpc", kept)).status == 200


async def test_a_channel_of_ones_own(door: Running, server: ScriptedServer) -> None:
    await door.ask("POST", f"{URL}/rpc", b"<get/>")
    lock = b"<lock><target><running/></target></lock>"
    async with following(door, f"{URL}/channel") as stream:
        name, own = await anext(stream)
        assert (name, own["session_id"]) == ("channel", 2)
        answer = await door.ask("POST", f"{URL}/rpc?channel={own['channel']}", lock)
        assert answer.status == 200
        await door.ask("POST", f"{URL}/rpc", b"<get/>")
        assert [len(channel.messages) for channel in server.channels] == [3, 2]
    await until_closed(server, 1)
    assert "<close-session" in server.channels[1].messages[-1]
    problem = (await door.ask("POST", f"{URL}/rpc?channel={own['channel']}", b"<get/>")).problem(409, "lock-lost")
    assert own["channel"] not in json.dumps(problem)


async def test_a_channel_of_ones_own_goes_with_its_link(door: Running, server: ScriptedServer) -> None:
    lock = b"<lock><target><running/></target></lock>"
    async with following(door, f"{URL}/channel") as stream:
        _, own = await anext(stream)
        await door.ask("POST", f"{URL}/rpc?channel={own['channel']}", lock)
        server.connections[0].abort()
        name, problem = await anext(stream)
        assert (name, problem["code"]) == ("error", "session-lost")
    await door.pool["nc"].wait_up(timeout=BOUND)
    (await door.ask("POST", f"{URL}/rpc?channel={own['channel']}", b"<get/>")).problem(409, "lock-lost")


async def test_a_stale_holder_of_ours_is_killed(door: Running, server: ScriptedServer) -> None:
    holders = [1]

    def act(channel: Channel, message: str) -> None:
        if "<session-id>1<" in message:
            holders.clear()
        if "<lock>" in message and holders and channel.number > 1:
            info = "<error-info><session-id>1</session-id></error-info>"
            channel.write(reply(number(message), f"<rpc-error><error-tag>lock-denied</error-tag>{info}</rpc-error>"))
        else:
            obey(channel, message)

    server.act = act
    lock = b"<lock><target><running/></target></lock>"
    async with following(door, f"{URL}/channel") as stream:
        _, own = await anext(stream)
        await door.ask("POST", f"{URL}/rpc?channel={own['channel']}", lock)
        server.connections[0].abort()
        await anext(stream)
    await door.pool["nc"].wait_up(timeout=BOUND)
    async with following(door, f"{URL}/channel") as stream:
        _, own = await anext(stream)
        assert (await door.ask("POST", f"{URL}/rpc?channel={own['channel']}", lock)).status == 200
    assert not holders


async def test_a_client_that_leaves_gives_up(door: Running, server: ScriptedServer) -> None:
    asked = asyncio.Event()
    waiting: list[str] = []

    def act(channel: Channel, message: str) -> None:
        if "<slow/>" in message:
            waiting.append(message)
            asked.set()
        else:
            obey(channel, message)

    server.act = act
    client = await Client.connect(door.port)
    await client.send("POST", f"{URL}/rpc", b"<slow/>")
    async with asyncio.timeout(BOUND):
        await asked.wait()
    client.abort()
    async with asyncio.timeout(BOUND):
        while door.server.connections:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    server.channels[0].write(reply(number(waiting[0])))
    assert (await door.ask("POST", f"{URL}/rpc", b"<get/>")).status == 200
    assert len(server.channels) == 1


async def test_a_slow_reader_holds_back_nobody(door: Running, server: ScriptedServer) -> None:
    large = b"<data>" + b"<i/>" * 2_000_000 + b"</data>"

    def act(channel: Channel, message: str) -> None:
        if "<large/>" in message:
            head = f'<rpc-reply message-id="{number(message)}">'.encode()
            channel.write(chunked(head + large + b"</rpc-reply>"))
        else:
            obey(channel, message)

    server.act = act
    async with trickling(door) as client, asyncio.timeout(BOUND):
        await client.send("POST", f"{URL}/rpc", b"<large/>")
        assert (await client.head()).status == 200
        assert (await door.ask("POST", f"{URL}/rpc", b"<get/>")).status == 200
        assert len(server.channels) == 2
        await until_closed(server, 0)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ValueError)):
            await whole(client)


async def test_a_reader_that_trickles_lets_those_behind_it_go(
    door: Running, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE", 0.2)
    door.state["write_timeout"] = BOUND  # it does take something now and then
    asked = asyncio.Event()
    owed: list[bytes] = []

    def act(channel: Channel, message: str) -> None:
        if "<large/>" in message:
            head = f'<rpc-reply message-id="{number(message)}">'.encode()
            owed.append(chunked(head + b"<i/>" * 2_000_000 + b"</rpc-reply>"))
            asked.set()
            return
        if owed and message:
            channel.write(owed.pop())
        obey(channel, message)

    server.act = act
    async with trickling(door) as client, asyncio.timeout(BOUND):
        await client.send("POST", f"{URL}/rpc", b"<large/>")
        await asked.wait()
        assert b"<ok/>" in (await door.ask("POST", f"{URL}/rpc", b"<get/>")).body
        assert len(server.channels) == 1
        assert (await client.head()).status == 200
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ValueError)):
            await whole(client)


@asynccontextmanager
async def trickling(door: Running) -> AsyncIterator[Client]:
    """A client that takes next to nothing before it is asked to."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    sock.connect(("127.0.0.1", door.port))
    client = Client(*await asyncio.open_connection(sock=sock, limit=4096), {"Authorization": f"Bearer {TOKEN}"})
    try:
        yield client
    finally:
        await client.close()


async def whole(client: Client) -> bytes:
    return b"".join([part async for part in client.parts()])


async def test_a_reply_that_breaks_off_is_not_taken_for_whole(door: Running, server: ScriptedServer) -> None:
    def act(channel: Channel, message: str) -> None:
        if "<large/>" in message:
            head = f'<rpc-reply message-id="{number(message)}">'.encode()
            channel.write(b"\n#1000000\n" + head + b" " * 200_000)
            asyncio.get_running_loop().call_later(0.1, channel.close)
        else:
            obey(channel, message)

    server.act = act
    async with door.client() as client, asyncio.timeout(BOUND):
        await client.send("POST", f"{URL}/rpc", b"<large/>")
        assert (await client.head()).status == 200
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ValueError)):
            await whole(client)


def notifying(*notes: str) -> Any:  # noqa: ANN401 - an act
    """A server that sends these on each subscription."""

    def act(channel: Channel, message: str) -> None:
        if not message:
            channel.write(hello(channel.number, NOTIFICATION))
            return
        obey(channel, message)
        if "<create-subscription" in message:
            for note in notes:
                text = f"<notification><eventTime>2026-01-01T00:00:00Z</eventTime>{note}</notification>"
                channel.write(chunked(text.encode()))

    return act


async def test_notifications(door: Running, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.2)
    server.act = notifying("<a>é\n</a>", "<b/>", "<notificationComplete/>")
    query = "?stream=S&xpath=/x:a&ns=x=urn:x&start=2026-01-01T00:00:00Z&stop=2026-01-02T00:00:00Z"
    server_side = notifying("<a>é\n</a>", "<b/>")
    server.act = server_side
    problem = (await door.ask("GET", f"{URL}/notifications{query}")).problem(422, "missing-capability")
    assert problem["capability"] == ":xpath"
    query = "?stream=S&filter=%3Ca/%3E&start=2026-01-01T00:00:00Z&stop=2026-01-02T00:00:00Z"
    async with following(door, f"{URL}/notifications{query}") as stream:
        assert await anext(stream) == ("subscribed", {"alias": "nc"})
        first = (await anext(stream))[1]
        assert (first["alias"], first["event_time"], first["lost"]) == ("nc", "2026-01-01T00:00:00Z", 0)
        assert "<a>é\n</a>" in first["xml"]
        assert "<b/>" in (await anext(stream))[1]["xml"]
        assert await anext(stream) == (":", None)
        server.channels[-1].write(
            chunked(b"<notification><eventTime>x</eventTime><notificationComplete/></notification>")
        )
        assert [one async for one in stream if one != (":", None)] == []
    sent = server.channels[-1].messages[1]
    assert "<stream>S</stream>" in sent
    assert "<startTime>2026-01-01T00:00:00Z</startTime><stopTime>" in sent
    await until_closed(server, len(server.channels) - 1)


async def test_a_follower_that_leaves_ends_its_subscription(door: Running, server: ScriptedServer) -> None:
    server.act = notifying()
    async with following(door, f"{URL}/notifications") as stream:
        await anext(stream)
    await until_closed(server, 0)
    await door.idle()
