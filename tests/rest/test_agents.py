"""``/v1/agent-tokens``: who may expect agents, and what is told of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.model.access import Action, Actor, Grant
from mooring.model.secret import Secret
from mooring.rest import Access
from mooring.wire.enrolment import Token

from .door import TOKEN, Running, running, tokens

pytestmark = pytest.mark.anyio

PATH = "/v1/agent-tokens"


def _granted(name: str, selector: str, action: Action) -> tuple[Secret, Actor]:
    return Secret(name), Actor(name=name, door="tcp", grants=(Grant(selector=selector, actions=frozenset({action})),))


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Running]:
    del anyio_backend
    some = [
        _granted("reads", "all", Action.READ),
        _granted("approves-web", "web*", Action.APPROVE),
        _granted("approves-site", "site:ams", Action.APPROVE),
    ]
    async with running(tmp_path, Access([*tokens(), *some])) as door:
        yield door


def by(token: str) -> dict[str, str | None]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_and_what_is_told_of_it(door: Running) -> None:
    answer = await door.ask(
        "POST", PATH, {"agent_id": "web 1", "alias": "web1", "labels": ["site:ams"], "lifetime": 60}
    )
    assert answer.status == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.value
    assert Token.parse(made["token"]).server == door.home.agents.key()[1]
    assert made["server_key"] == door.home.agents.key()[0]
    assert made["addresses"] == [f"127.0.0.1:{door.home.port}"]
    expected = made["expected"]
    assert (expected["agent_id"], expected["alias"], expected["labels"]) == ("web 1", "web1", ["site:ams"])
    assert expected["expires"] - expected["issued"] == pytest.approx(60)
    assert expected["issued"] <= time.time()
    assert not expected["used"]
    assert (await door.ask("GET", PATH)).value == {"agents": [expected], "server_key": made["server_key"]}
    assert (await door.ask("DELETE", f"{PATH}/web%201")).value == expected
    assert (await door.ask("GET", PATH)).value["agents"] == []


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [
        (TOKEN, {"agent_id": "core1"}, 201),
        ("reads", {"agent_id": "core1"}, 403),
        ("approves-web", {"agent_id": "web1"}, 201),
        ("approves-web", {"agent_id": "core1"}, 403),
        ("approves-web", {"agent_id": "core1", "alias": "web1"}, 201),
        ("approves-web", {"agent_id": "web1", "alias": "core1"}, 403),
        ("approves-site", {"agent_id": "core1", "labels": ["site:ams"]}, 201),
        ("approves-site", {"agent_id": "core1", "labels": ["site:fra"]}, 403),
        (TOKEN, {"agent_id": "core1", "lifetime": 0}, 400),
        (TOKEN, {"agent_id": "core1", "unknown": 1}, 400),
        (TOKEN, {}, 400),
    ],
)
async def test_who_may_expect_an_agent(door: Running, token: str, body: dict[str, object], status: int) -> None:
    answer = await door.ask("POST", PATH, body, by(token))
    assert answer.status == status
    assert len(door.home.agents.expected.all) == (status == 201)


async def test_what_one_may_not_approve_one_does_not_see(door: Running) -> None:
    for name in ("web1", "core1"):
        await door.ask("POST", PATH, {"agent_id": name})
    seen = (await door.ask("GET", PATH, headers=by("approves-web"))).value["agents"]
    assert [each["agent_id"] for each in seen] == ["web1"]
    assert (await door.ask("GET", PATH, headers=by("reads"))).value["agents"] == []
    (await door.ask("DELETE", f"{PATH}/core1", headers=by("approves-web"))).problem(404, "unknown-alias")
    assert (await door.ask("DELETE", f"{PATH}/web1", headers=by("approves-web"))).status == 200
    assert [each.device_id for each in door.home.agents.expected.all] == ["core1"]


async def test_who_approves_some_touches_and_learns_nothing_of_others(door: Running) -> None:
    """An id that is expected as another's alias keeps its token, and what an id is known as is not told."""
    made = (await door.ask("POST", PATH, {"agent_id": "db", "alias": "db1"})).value
    refused = await door.ask("POST", PATH, {"agent_id": "db", "alias": "web1"}, by("approves-web"))
    found = refused.problem(409, "alias-in-use")
    assert (await door.ask("GET", PATH)).value["agents"] == [made["expected"]]
    door.home.add("core9://admin@device9")
    refused = await door.ask("POST", PATH, {"agent_id": "device9", "alias": "web1"}, by("approves-web"))
    for text in (str(found), str(refused.problem(409, "alias-in-use"))):
        assert "db1" not in text
        assert "core9" not in text
    told = await door.ask("POST", PATH, {"agent_id": "device9", "alias": "web1"})
    assert "core9" in told.problem(409, "alias-in-use")["detail"]  # to who may approve all it is
