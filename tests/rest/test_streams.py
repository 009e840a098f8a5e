"""Streams: events, and what becomes of a reader that is slow or leaves."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from mooring.model.event import Event, EventKind
from mooring.rest import events
from mooring.simulate import SimulatedHosts

from .door import BOUND, READER, Client, Running, running
from .talking import connected

pytestmark = pytest.mark.anyio

POURED = {"selector": "all", "command": "bytes 16000000", "max_output": 16_000_000, "encoding": "base64"}
"""A fan-out whose outcomes fit into no socket's buffers."""


@pytest.fixture
async def hasty(anyio_backend: str, tmp_path: Path, hosts: SimulatedHosts) -> AsyncIterator[Running]:
    """A door that waits for no slow reader."""
    del anyio_backend
    async with running(tmp_path, write_timeout=0.3) as door:
        await door.hold(hosts, "web1", "web2", "db1")
        yield door


async def follow(client: Client, query: str = "") -> AsyncIterator[tuple[str, Any]]:
    """Events as they come: name and data; a comment has the name ``:``."""
    await client.send("GET", f"/v1/events{query}")
    head = await client.head()
    assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
    assert head.headers["cache-control"] == "no-store"
    buffer = b""
    async for part in client.parts():
        *whole, buffer = (buffer + part).split(b"\n\n")
        for block in whole:
            yield _block(block)


def _block(text: bytes) -> tuple[str, Any]:
    fields = dict(line.partition(b": ")[::2] for line in text.split(b"\n"))
    return (fields[b"event"].decode(), json.loads(fields[b"data"])) if b"event" in fields else (":", None)


async def test_a_snapshot_then_changes(held: Running) -> None:
    async with held.client() as client, asyncio.timeout(BOUND):
        stream = follow(client)
        name, data = await anext(stream)
        assert name == "snapshot"
        assert [session["alias"] for session in data["sessions"]] == ["web1", "web2", "db1"]
        await held.ask("DELETE", "/v1/sessions/web1")
        async for name, event in stream:
            assert (name, event["alias"]) == ("state", "web1")
            if event["state"] == "closed":
                break


async def test_only_what_was_asked_for_and_may_be_read(held: Running) -> None:
    async with held.client(token=READER) as client, asyncio.timeout(BOUND):
        stream = follow(client, "?selector=all,!web2")
        _, data = await anext(stream)
        assert [session["alias"] for session in data["sessions"]] == ["web1"]
        for alias in ("db1", "web2", "web1"):
            await held.ask("DELETE", f"/v1/sessions/{alias}")
        _, event = await anext(stream)
        assert event["alias"] == "web1"


async def test_the_same_over_a_websocket(held: Running) -> None:
    async with connected(held, "/v1/events?selector=all,!web2", token=READER) as socket:
        snapshot = await socket.recv()
        assert isinstance(snapshot, str)
        assert [one["alias"] for one in _block(snapshot.encode())[1]["sessions"]] == ["web1"]
        await socket.send("it is not looked at")
        for alias in ("db1", "web2", "web1"):
            await held.ask("DELETE", f"/v1/sessions/{alias}")
        name, event = _block(str(await socket.recv()).encode())
        assert (name, event["alias"]) == ("state", "web1")
    await held.idle()


@pytest.mark.parametrize(
    ("query", "status"), [("selector=nobody", 404), ("selector=,", 400), ("measures=0", 400), ("selector=db1", 404)]
)
async def test_a_websocket_to_nothing(held: Running, query: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connected(held, f"/v1/events?{query}", token=READER):
            pass
    assert refused.value.response.status_code == status


async def test_silence_is_broken(held: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    async with held.client() as client, asyncio.timeout(BOUND):
        names = [name async for name, _ in _first(follow(client), 3)]
    assert names == ["snapshot", ":", ":"]


async def test_the_end_of_the_pool_ends_it(held: Running) -> None:
    async with held.client() as client, asyncio.timeout(BOUND):
        stream = follow(client)
        await anext(stream)
        await held.pool.aclose()
        told = [event["state"] async for _, event in stream]
    assert told == ["closed"] * 3


async def test_streams_of_one_who_may_not_do_everything_are_bounded(
    held: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST", 2)
    async with held.client(token=READER) as one, held.client(token=READER) as two, held.client() as root:
        for client in (one, two, root):
            assert (await anext(follow(client)))[0] == "snapshot"
        async with held.client(token=READER) as three:
            refused = (await three.ask("GET", "/v1/events")).problem(503, "stream-limit")
            assert (refused["retryable"], refused["hint"]) == (True, "end some, then ask again")
            with pytest.raises(InvalidStatus) as not_opened:
                async with connected(held, "/v1/events", token=READER):
                    pass
            assert not_opened.value.response.status_code == 503
            one.abort()
            async with asyncio.timeout(BOUND):
                while (again := await _asked(held)) != 200:
                    assert again == 503
        async with held.client() as four:
            assert (await anext(follow(four)))[0] == "snapshot"


async def _asked(door: Running) -> int:
    """The status of a reader's stream, which ends then."""
    async with door.client(token=READER) as client:
        await client.send("GET", "/v1/events")
        return (await client.head()).status


async def test_a_follower_that_leaves(held: Running) -> None:
    client = await Client.connect(held.port)
    await anext(follow(client))
    client.abort()
    await held.idle()


async def test_events_that_were_lost_are_counted(held: Running) -> None:
    async with held.client() as client, asyncio.timeout(BOUND):
        stream = follow(client)
        await anext(stream)
        for _ in range(10_050):  # at once, so that none of them can be taken meanwhile
            emit(held, "of no matter")
        name, event = await anext(stream)
        assert (name, event["kind"], event["lost"]) == ("lost", "lost", 50)
        assert (await anext(stream))[0] == "host-key"


@pytest.mark.parametrize("selector", ["nobody", ",", "@x"])
async def test_followers_of_nothing(held: Running, selector: str) -> None:
    status, code = (404, "unknown-alias") if selector == "nobody" else (400, "invalid-selector")
    (await held.ask("GET", f"/v1/events?selector={selector}")).problem(status, code)


async def test_a_slow_reader_is_told_where_there_is_room(hasty: Running) -> None:
    async with SimulatedHosts(latency=60.0) as slow, hasty.client() as client, asyncio.timeout(BOUND):
        await hasty.hold(slow, "slow")  # under way until the stream is ended
        await client.send("POST", "/v1/run", POURED)
        await client.head()
        transport = client.writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]  # asyncio says so of transports that only write
        await idle_again(hasty)
        transport.resume_reading()  # type: ignore[attr-defined]  # likewise
        data = b"".join([part async for part in client.parts()])
        last = json.loads(data.splitlines()[-1])
        assert last["error"]["code"] == "slow-reader"
        assert "summary" not in last
        # Its connection goes on.
        assert (await client.ask("GET", "/v1/version")).status == 200


async def test_a_reader_that_stands_still_is_cut_off(hasty: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.rest.answers._LAST_TIMEOUT", 0.1)
    client = await Client.connect(hasty.port)
    await client.send("POST", "/v1/run", POURED)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as above
    await hasty.idle()
    await client.close()


async def test_a_slow_reader_does_not_slow_others(held: Running) -> None:
    slow = await Client.connect(held.port)
    await slow.send("POST", "/v1/run", POURED)
    await slow.head()
    slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as above
    async with held.client() as client:
        for _ in range(20):
            answer = await client.ask("POST", "/v1/run", {"selector": "all", "command": "hostname"})
            assert answer.body.count(b"\n") == 4
        assert held.server.connections == 2
    slow.abort()
    await held.idle()


async def test_measures_are_what_changed(held: Running) -> None:
    async with held.client() as client, asyncio.timeout(BOUND):
        stream = follow(client, "?selector=web*&measures=1")
        assert (await anext(stream))[0] == "snapshot"
        first = await _measures(stream)
        assert [one["alias"] for one in first["sessions"]] == ["web1", "web2"]
        seconds = await held.pool["web2"].ping()
        forward = await held.pool["web1"].forward_local(0, "127.0.0.1:1", name="one")
        found = await _measures(stream)
        while not found["forwards"] or ("web2", seconds) not in _pings(found):  # each may be in a measure of its own
            found = {name: found[name] + more for name, more in (await _measures(stream)).items()}
        assert [(one["name"], one["listen"]) for one in found["forwards"]] == [("one", str(forward.listens_at))]


def _pings(measures: dict[str, Any]) -> list[tuple[str, float]]:
    return [(one["alias"], one["ping"]) for one in measures["sessions"]]


async def _measures(stream: AsyncIterator[tuple[str, Any]]) -> dict[str, Any]:
    async for name, data in stream:
        if name == "measures":
            assert isinstance(data, dict)
            return data
    raise AssertionError("the stream ended")


async def test_a_forward_is_told_of_as_it_comes_and_goes(held: Running) -> None:
    async with held.client() as client, asyncio.timeout(BOUND):
        stream = follow(client)
        await anext(stream)
        async with await held.pool["web1"].forward_local(0, "127.0.0.1:1", name="one"):
            name, event = await anext(stream)
            assert (name, event["alias"]) == ("forward", "web1")
            assert event["reason"].startswith("forward one was made: local 127.0.0.1:")
        name, event = await anext(stream)
        assert (name, event["reason"]) == ("forward", "forward one is no more")


@pytest.mark.parametrize("pause", ["0", "61", "-1", "1.5", "x", ""])
async def test_measures_at_another_pace(held: Running, pause: str) -> None:
    (await held.ask("GET", f"/v1/events?measures={pause}")).problem(400, "invalid-input")


async def test_a_slow_follower_is_cut_off(hasty: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.rest.answers._LAST_TIMEOUT", 0.1)
    client = await Client.connect(hasty.port)
    await client.send("GET", "/v1/events")
    await client.head()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as above
    for _ in range(5_000):
        emit(hasty, "x" * 10_000)
    await hasty.idle()
    await client.close()


async def test_a_slow_follower_over_a_websocket_is_cut_off(hasty: Running) -> None:
    async with connected(hasty, "/v1/events") as socket:
        await socket.recv()
        socket.transport.pause_reading()
        for _ in range(5_000):
            emit(hasty, "x" * 10_000)
        await hasty.idle()


def emit(door: Running, reason: str) -> None:
    """An event of web1."""
    event = Event(kind=EventKind.HOST_KEY, alias="web1", at=time.time(), reason=reason)
    door.pool._hub.emit(event)  # noqa: SLF001 - as its sessions do


async def idle_again(door: Running) -> None:
    """Wait until commands were under way, and none is any more."""
    for under_way in (True, False):
        while any(session.status().channels.open for session in door.pool.sessions) is not under_way:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.001)


async def _first(stream: AsyncIterator[tuple[str, Any]], count: int) -> AsyncIterator[tuple[str, Any]]:
    for _ in range(count):
        yield await anext(stream)
