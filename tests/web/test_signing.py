"""Signing in: a token becomes a cookie that our own page alone can use, and that ends with the token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from mooring.model.access import Actor
from mooring.rest import Access
from mooring.rest.signins import SignIns
from tests.rest.door import BOUND, READER, TOKEN, Answer, Client, Running, running, tokens

pytestmark = pytest.mark.anyio

PAGE = {"Host": "localhost:8877", "Origin": "http://localhost:8877"}
READING = {"Host": "localhost:8877", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A door over an empty fleet."""
    del anyio_backend
    async with running(tmp_path) as door:
        yield door


async def sign_in(door: Running, token: str = TOKEN, **headers: str) -> Answer:
    async with door.client(token=None) as client:
        return await client.ask("POST", "/signin", {"token": token}, {**PAGE, **headers})


async def signed_in(door: Running, token: str = TOKEN) -> dict[str, str]:
    """The header that a browser sends from then on."""
    answer = await sign_in(door, token)
    assert answer.status == 200, answer
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


async def ask(door: Running, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Answer:
    async with door.client(token=None) as client:
        return await client.ask(method, path, body, headers)


async def test_the_cookie_and_its_flags(door: Running) -> None:
    answer = await sign_in(door)
    name, *flags = answer.headers["set-cookie"].split("; ")
    assert name.startswith("mooring-8877=")
    assert TOKEN not in name
    assert flags == ["Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Strict"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.value == {
        "name": "tests",
        "grants": [{"selector": "all", "actions": ["admin"]}],
        "signed_in": True,
    }


async def test_it_opens_what_the_token_opens_and_no_more(door: Running) -> None:
    cookie = await signed_in(door, READER)
    assert (await ask(door, "GET", "/v1/sessions", READING | cookie)).status == 200
    assert (await ask(door, "GET", "/signin", READING | cookie)).value["name"] == "reader"
    (await ask(door, "GET", "/v1/tokens", READING | cookie)).problem(403, "not-allowed")
    (await ask(door, "POST", "/v1/sessions", PAGE | cookie, {"target": "a://b"})).problem(403, "not-allowed")


@pytest.mark.parametrize("token", ["wrong", TOKEN[:-1], TOKEN + "x", "é"])
async def test_a_wrong_token(door: Running, token: str) -> None:
    answer = await sign_in(door, token)
    found = answer.problem(401, "unauthenticated")
    assert "set-cookie" not in answer.headers
    assert token not in str(found)


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"Origin": "http://localhost:9999"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_it_is_for_our_page_alone(door: Running, method: str, foreign: dict[str, str]) -> None:
    cookie = await signed_in(door)
    headers = {"Host": "localhost:8877", "Content-Type": "text/plain", **cookie, **foreign}
    body = None if method == "GET" else {"target": "new://127.0.0.1:1"}
    (await ask(door, method, "/v1/sessions", headers, body)).problem(403, "not-allowed")
    assert not door.pool.sessions


async def test_a_form_of_another_page_changes_nothing(door: Running) -> None:
    """A browser without SameSite would send the cookie with it; ``Sec-Fetch-Site`` alone lets nothing change."""
    cookie = await signed_in(door)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Host": "localhost:8877", **cookie}
    for foreign in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {}, {"Sec-Fetch-Site": "same-origin"}):
        (await ask(door, "POST", "/signout", form | foreign, b"a=b")).problem(403, "not-allowed")
        (await ask(door, "DELETE", "/v1/sessions?selector=all", form | foreign)).problem(403, "not-allowed")
    assert (await ask(door, "GET", "/v1/sessions", READING | cookie)).status == 200


async def test_a_foreign_page_cannot_sign_in(door: Running) -> None:
    answer = await sign_in(door, Origin="http://evil.example")
    answer.problem(403, "not-allowed")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "cookie", ["", "mooring-8877=", "mooring-8877=x", "mooring=x", "mooring-8877=x; mooring-8877=y", "é=ü", ";;="]
)
async def test_no_sign_in(door: Running, cookie: str) -> None:
    (await ask(door, "GET", "/v1/sessions", {**READING, "Cookie": cookie})).problem(401, "unauthenticated")


async def test_two_are_none_and_another_name_is_another_daemon(door: Running) -> None:
    cookie = await signed_in(door)
    for wrong in (cookie["Cookie"] + "; " + cookie["Cookie"], cookie["Cookie"].replace("8877", "8878")):
        (await ask(door, "GET", "/v1/sessions", {**READING, "Cookie": wrong})).problem(401, "unauthenticated")


async def test_a_wrong_host_comes_first(door: Running) -> None:
    cookie = await signed_in(door)
    for host in ("evil.example", "evil.example:8877"):
        (await ask(door, "GET", "/v1/sessions", READING | cookie | {"Host": host})).problem(403, "not-allowed")
    async with door.client(token=None) as client:
        (await client.ask("POST", "/signin", {"token": TOKEN}, {"Host": "evil.example"})).problem(403, "not-allowed")


async def test_a_bearer_token_comes_before_the_cookie(door: Running) -> None:
    cookie = await signed_in(door)
    found = await ask(door, "GET", "/signin", {**cookie, "Authorization": f"Bearer {READER}"})
    assert (found.value["name"], found.value["signed_in"]) == ("reader", False)


async def test_signing_out_cuts_what_goes_on(door: Running) -> None:
    cookie = await signed_in(door)
    other = await signed_in(door)
    async with door.client(token=None) as events, door.client(token=None) as kept:
        for client, whose in ((events, cookie), (kept, other)):
            await client.send("GET", "/v1/events", None, READING | whose)
            assert (await client.head()).status == 200
        answer = await ask(door, "POST", "/signout", PAGE | cookie)
        assert answer.value["signed_in"] is False
        assert "Max-Age=0" in answer.headers["set-cookie"]
        await _ended(events)
        (await ask(door, "GET", "/v1/sessions", READING | cookie)).problem(401, "unauthenticated")
        assert (await ask(door, "GET", "/v1/sessions", READING | other)).status == 200
        assert not kept.reader.at_eof()


async def _ended(client: Client) -> None:
    async with asyncio.timeout(BOUND):
        with contextlib.suppress(ConnectionError):
            while await client.reader.read(65_536):
                pass


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_it_ends_with_its_token(door: Running, how: str) -> None:
    seconds = None if how == "revoked" else 2.0
    new = {"name": "ci", "actions": ["read"], "selector": "all", "expires_in": seconds}
    secret = (await door.ask("POST", "/v1/tokens", new)).value["secret"]
    cookie = await signed_in(door, secret)
    async with door.client(token=None) as events:
        await events.send("GET", "/v1/events", None, READING | cookie)
        assert (await events.head()).status == 200
        if how == "revoked":
            await door.ask("DELETE", "/v1/tokens/ci")
        await _ended(events)
    if how == "revoked":  # another token of the same name does not bring it back
        await door.ask("POST", "/v1/tokens", new)
    (await ask(door, "GET", "/v1/sessions", READING | cookie)).problem(401, "unauthenticated")


@pytest.mark.parametrize("path", ["/v1/sessions/nobody/channel", "/v1/events?selector=nobody"])
async def test_a_websocket_takes_our_origin(door: Running, path: str) -> None:
    cookie = await signed_in(door)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    }
    for ours, status in ((PAGE, 404), (READING, 403), ({**PAGE, "Origin": "http://evil.example"}, 403)):
        assert (await ask(door, "GET", path, {**upgrade, **ours, **cookie})).status == status


async def test_a_browser_too_many_ends_the_oldest(door: Running) -> None:
    sign_ins = SignIns(None)
    me, another = (Actor(name=name, door="tcp", grants=()) for name in ("me", "another"))
    theirs = sign_ins.begin(another).reveal().encode()
    mine = [sign_ins.begin(me).reveal().encode() for _ in range(65)]
    assert [sign_ins.actor(one) for one in (mine[0], mine[1], mine[-1], theirs)] == [None, me, me, another]


async def test_no_file_is_taken_for_a_page(door: Running) -> None:
    assert (await door.ask("GET", "/v1/sessions")).headers["x-content-type-options"] == "nosniff"


async def test_with_tls_it_is_secure() -> None:
    headers = [(b"host", b"gate.example")]
    scope = {"type": "http", "method": "GET", "scheme": "https", "headers": headers, "state": {}}
    access = Access(tokens())
    actor, cookie = access.sign_in(scope, TOKEN)  # type: ignore[arg-type]  # as much of a scope as is looked at
    assert cookie.startswith(b"__Host-mooring=")
    assert cookie.endswith(b"; HttpOnly; SameSite=Strict; Secure")
    sent = [(b"cookie", cookie.partition(b";")[0]), (b"sec-fetch-site", b"same-origin")]
    assert access.actor({**scope, "headers": [*headers, *sent], "state": {}}) == actor  # type: ignore[arg-type]  # likewise


async def test_no_id_or_token_is_kept() -> None:
    sign_ins = SignIns(None)
    shown = sign_ins.begin(Actor(name="me", door="tcp", grants=())).reveal()
    assert shown not in repr(vars(sign_ins))
