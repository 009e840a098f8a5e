"""Who is let in: by the socket's peer, by a token, and never from a foreign page or under a foreign name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mooring.model.errors import Unauthenticated
from mooring.rest import Access

from .door import READER, RUNNER, TOKEN, Running, running, tokens

pytestmark = pytest.mark.anyio

PATHS = ["/v1/sessions", "/v1/version", "/v1/events", "/metrics", "/schema/openapi.json", "/channels", "/nothing-here"]


async def test_a_token_lets_in(door: Running) -> None:
    assert (await door.ask("GET", "/v1/sessions")).value == {"sessions": []}


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_token(door: Running, path: str) -> None:
    async with door.client(token=None) as client:
        answer = await client.ask("GET", path)
    found = answer.problem(401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in found["hint"]


@pytest.mark.parametrize(
    "given",
    ["Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "é"],
)
async def test_a_wrong_token(door: Running, given: str) -> None:
    answer = await door.ask("GET", "/v1/sessions", headers={"Authorization": given})
    found = answer.problem(401, "unauthenticated")
    assert TOKEN not in str(found)
    assert "wrong" not in str(found)


async def test_two_tokens_are_none(door: Running) -> None:
    doubled = f"Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}"
    (await door.ask("GET", "/v1/sessions", headers={"Authorization": doubled})).problem(401, "unauthenticated")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_need_no_token(door: Running, path: str) -> None:
    async with door.client(token=None) as client:
        assert (await client.ask("GET", path)).status == 200


async def test_the_unix_socket_needs_no_token(door: Running) -> None:
    async with door.client(unix=True, token=None) as client:
        answer = await client.ask("GET", "/v1/sessions", headers={"Host": "whatever", "Origin": "http://evil.example"})
    assert answer.status == 200


async def test_another_user_on_the_unix_socket(tmp_path: Path) -> None:
    async with running(tmp_path, Access(tokens(), uids={os.geteuid() + 1})) as door:
        async with door.client(unix=True) as client:
            found = (await client.ask("GET", "/v1/sessions")).problem(401, "unauthenticated")
        assert f"uid {os.geteuid()}" in found["detail"]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1:8877", "127.9.9.9", "[::1]:8877", "localhost.", "here.localhost"],
)
async def test_our_names(door: Running, host: str) -> None:
    assert (await door.ask("GET", "/v1/version", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8877",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::2]",
        "localhost@evil.example",
        "localhost:x",
        "",
        None,
        "localhost\r\nHost: localhost",
    ],
)
@pytest.mark.parametrize("path", ["/v1/version", "/healthz", "/nothing-here"])
async def test_foreign_names(door: Running, host: str | None, path: str) -> None:
    found = (await door.ask("GET", path, headers={"Host": host})).problem(403, "not-allowed")
    assert "Host" in found["detail"]
    assert "evil" not in str(found)


async def test_a_configured_name(tmp_path: Path) -> None:
    async with running(tmp_path, Access(tokens(), hosts=["Gate.example", "10.0.0.1", "[2001:db8::1]"])) as door:
        for host in ("gate.example:8877", "10.0.0.1", "[2001:db8::1]:1"):
            assert (await door.ask("GET", "/v1/version", headers={"Host": host})).status == 200
        (await door.ask("GET", "/v1/version", headers={"Host": "other.example"})).problem(403, "not-allowed")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8877", 200),
        ("https://localhost:8877", 200),
        ("http://evil.example", 403),
        ("http://localhost", 403),
        ("http://localhost:8878", 403),
        ("http://localhost:8877.evil.example", 403),
        ("http://localhost:8877@evil.example", 403),
        ("http://[", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_origins(door: Running, origin: str, status: int) -> None:
    headers = {"Host": "localhost:8877", "Origin": origin}
    answer = await door.ask("GET", "/v1/version", headers=headers)
    if status == 200:
        assert answer.status == status
    else:
        answer.problem(status, "not-allowed")


async def test_no_auth_drops_the_token_alone(tmp_path: Path) -> None:
    async with running(tmp_path, Access(no_auth=True)) as door, door.client(token=None) as client:
        assert (await client.ask("GET", "/v1/sessions")).status == 200
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            (await client.ask("GET", "/v1/sessions", headers=headers)).problem(403, "not-allowed")


async def test_grants_bound_what_is_seen_and_done(held: Running) -> None:
    async with held.client(token=READER) as reader:
        listed = await reader.ask("GET", "/v1/sessions")
        assert [session["alias"] for session in listed.value["sessions"]] == ["web1", "web2"]
        (await reader.ask("GET", "/v1/sessions/db1")).problem(404, "unknown-alias")
        (await reader.ask("POST", "/v1/sessions/web1/run", {"command": "true"})).problem(403, "not-allowed")
        (await reader.ask("DELETE", "/v1/sessions/web1")).problem(403, "not-allowed")
        (await reader.ask("POST", "/v1/sessions/web1/retry")).problem(403, "not-allowed")
        (await reader.ask("POST", "/v1/sessions", {"target": "new://127.0.0.1"})).problem(403, "not-allowed")
    async with held.client(token=RUNNER) as runner:
        assert (await runner.ask("POST", "/v1/sessions/web1/run", {"command": "true"})).status == 200
        (await runner.ask("POST", "/v1/sessions/web2/run", {"command": "true"})).problem(404, "unknown-alias")
    assert len(held.pool.sessions) == 3


def test_tokens_are_not_kept() -> None:
    assert TOKEN not in repr(vars(Access(tokens())))


def test_no_token_is_known_where_none_is_given() -> None:
    scope = {"type": "http", "headers": [(b"authorization", b"Bearer ")], "state": {}}
    with pytest.raises(Unauthenticated):
        Access().actor(scope)  # type: ignore[arg-type]  # as much of a scope as it looks at
