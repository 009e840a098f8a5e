"""Named tokens at the door: what they open, and that nothing stays open when they end."""

from __future__ import annotations

import asyncio

import pytest

from .door import BOUND, Client, Running
from .talking import channel, connected

pytestmark = pytest.mark.anyio
NEW = {"name": "ci", "actions": ["read", "run"], "selector": "web*", "expires_in": None}


async def test_one_is_made_used_listed_and_revoked(held: Running) -> None:
    made = await held.ask("POST", "/v1/tokens", NEW)
    assert (made.status, made.headers["location"]) == (201, "/v1/tokens/ci")
    secret = made.value["secret"]
    listed = await held.ask("GET", "/v1/tokens")
    assert listed.value == {"tokens": [made.value["token"]]}
    assert secret not in listed.body.decode()
    async with held.client(token=secret) as client:
        status = (await client.ask("GET", "/v1/sessions")).value["sessions"]
        assert [session["alias"] for session in status] == ["web1", "web2"]
        assert (await client.ask("POST", "/v1/sessions/web1/run", {"command": "echo x"})).value["stdout"] == "x\n"
        (await client.ask("POST", "/v1/sessions/db1/run", {"command": "x"})).problem(404, "unknown-alias")
        (await client.ask("GET", "/v1/tokens")).problem(403, "not-allowed")
        (await client.ask("POST", "/v1/tokens", NEW | {"name": "more"})).problem(403, "not-allowed")
        (await client.ask("DELETE", "/v1/tokens/ci")).problem(403, "not-allowed")
    assert (await held.ask("DELETE", "/v1/tokens/ci")).value == made.value["token"]
    async with held.client(token=secret) as client:
        (await client.ask("GET", "/v1/sessions")).problem(401, "unauthenticated")
    assert (await held.ask("GET", "/v1/tokens")).value == {"tokens": []}


async def _ended(client: Client) -> None:
    """Wait until the connection is cut."""
    async with asyncio.timeout(BOUND):
        try:
            while await client.reader.read(65_536):
                pass
        except ConnectionError:
            return


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_streams_end_with_it(held: Running, how: str) -> None:
    """A revoked or expired token leaves nothing open that it had opened, and nothing of others is touched."""
    seconds = None if how == "revoked" else 3.0
    secret = (await held.ask("POST", "/v1/tokens", NEW | {"expires_in": seconds})).value["secret"]
    async with (
        held.client(token=secret) as events,
        held.client(token=secret) as running,
        held.client() as other,
    ):
        for client in (events, other):
            await client.send("GET", "/v1/events")
            assert (await client.head()).status == 200
        await running.send("POST", "/v1/sessions/web1/run", {"command": "sleep 600"})
        async with channel(held, token=secret) as talking, connected(held, "/v1/events", token=secret) as following:
            await talking.open("exec", command="sleep 600")
            await following.recv()
            if how == "revoked":
                await held.ask("DELETE", "/v1/tokens/ci")
            await _ended(events)
            await _ended(running)
            await talking.socket.wait_closed()
            await following.wait_closed()
        async with asyncio.timeout(BOUND):
            while held.pool["web1"].status().channels.open:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        assert not other.reader.at_eof()


@pytest.mark.parametrize("way", ["token", "sign-in"])
async def test_who_revokes_their_own_is_told(held: Running, way: str) -> None:
    made = await held.ask("POST", "/v1/tokens", NEW | {"actions": ["admin"], "selector": "all"})
    secret = made.value["secret"]
    async with held.client(token=secret if way == "token" else None) as client, held.client(token=secret) as events:
        if way == "sign-in":
            cookie = (await client.ask("POST", "/signin", {"token": secret})).headers["set-cookie"].partition(";")[0]
            client.headers |= {"Cookie": cookie, "Origin": "http://localhost"}
        await events.send("GET", "/v1/events")
        assert (await events.head()).status == 200
        answer = await client.ask("DELETE", "/v1/tokens/ci")
        assert (answer.status, answer.value) == (200, made.value["token"])
        await _ended(events)
        await _ended(client)  # it was the last on this connection
