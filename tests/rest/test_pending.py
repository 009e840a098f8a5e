"""``/v1/pending``: who may see, approve and reject devices; their way in is in the tests of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.model.access import Action, Actor, Grant
from mooring.model.secret import Secret
from mooring.rest import Access

from .door import TOKEN, Running, running, tokens

pytestmark = pytest.mark.anyio

APPROVED = {"alias": "core1", "username": "admin", "password": "hunter2"}


def _granted(name: str, selector: str, action: Action) -> tuple[Secret, Actor]:
    return Secret(name), Actor(name=name, door="tcp", grants=(Grant(selector=selector, actions=frozenset({action})),))


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Running]:
    del anyio_backend
    some = [
        _granted("reads-web", "web*", Action.READ),
        _granted("reads-all", "all", Action.READ),
        _granted("runs", "all", Action.RUN),
        _granted("approves-core", "core*", Action.APPROVE),
        _granted("approves-site", "site:ams", Action.APPROVE),
        _granted("approves-all", "all", Action.APPROVE),
    ]
    async with running(tmp_path, Access([*tokens(), *some])) as door:
        yield door


@pytest.mark.parametrize(
    ("token", "may"),
    [("reads-web", False), ("reads-all", True), ("approves-core", True), (TOKEN, True), ("runs", False)],
)
async def test_who_may_see_them(door: Running, token: str, *, may: bool) -> None:
    waiting = door.waiting("device1")
    answer = await door.ask("GET", "/v1/pending", headers={"Authorization": f"Bearer {token}"})
    if may:
        assert [each["id"] for each in answer.value["pending"]] == [waiting]
        assert answer.value["pending"][0]["device_id"] == "device1"
    else:
        answer.problem(403, "not-allowed")


@pytest.mark.parametrize(
    ("token", "more", "status"),
    [
        (TOKEN, {"identity": "/k"}, 200),
        ("reads-web", {}, 403),
        ("approves-core", {}, 200),
        ("approves-core", {"alias": "web9"}, 403),
        ("approves-core", {"identity": "/k"}, 403),
        ("approves-core", {"password_from": "file:/etc/shadow"}, 403),
        ("approves-site", {"label": "site:ams"}, 200),
        ("approves-site", {"label": ["site:fra"]}, 403),
    ],
)
async def test_who_may_approve_and_as_what(door: Running, token: str, more: dict[str, object], status: int) -> None:
    path = f"/v1/pending/{door.waiting('device1')}/approve"
    answer = await door.ask("POST", path, APPROVED | more, {"Authorization": f"Bearer {token}"})
    assert answer.status == status, answer
    assert b"hunter2" not in answer.body
    assert ("core1" in door.pool) is (status == 200)


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), ("approves-all", 200), ("approves-core", 403)])
async def test_who_may_reject(door: Running, token: str, status: int) -> None:
    path = f"/v1/pending/{door.waiting('device1')}/reject"
    answer = await door.ask("POST", path, None, {"Authorization": f"Bearer {token}"})
    assert answer.status == status
    assert door.home.pending[0].rejected is (status == 200)


async def test_two_approvals_at_once_are_one(door: Running) -> None:
    path = f"/v1/pending/{door.waiting('device1')}/approve"
    answers = await asyncio.gather(*(door.ask("POST", path, APPROVED) for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [200, 409]


async def test_what_is_told_of_them(door: Running) -> None:
    waiting = door.waiting("device1")
    async with door.client() as client:
        await client.send("GET", "/v1/events")
        await client.head()
        parts = client.parts()
        await anext(parts)
        await door.ask("POST", f"/v1/pending/{waiting}/approve", APPROVED)
        told = [await anext(parts) for _ in range(3)]
    assert any(part.startswith(b"event: approved\n") and waiting.encode() in part for part in told), told


async def test_who_approves_some_does_not_learn_what_a_device_is(door: Running) -> None:
    waiting = door.waiting("device1")
    door.home.add("db9://admin@device1", host_key=f"SHA256:{'A' * 43}")
    path = f"/v1/pending/{waiting}/approve"
    refused = await door.ask("POST", path, APPROVED, {"Authorization": "Bearer approves-core"})
    assert "db9" not in str(refused.problem(409, "alias-in-use"))
    assert "db9" in str((await door.ask("POST", path, APPROVED)).problem(409, "alias-in-use"))
