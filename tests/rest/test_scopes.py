"""Every operation by every action: what is not listed here is allowed to nobody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from litestar.routes import HTTPRoute

from mooring.model.access import Action
from mooring.simulate import SimulatedHosts

from .door import BOUND, TOKEN, Running, running, taping
from .test_openapi import AGENTS, APP, APPROVED, COPIED, FORWARDED, OPERATIONS, ROOT

pytestmark = pytest.mark.anyio

EVERYBODY: Final = frozenset(Action) - {Action.ADMIN}
READ, APPROVE, NETCONF = frozenset({Action.READ}), frozenset({Action.APPROVE}), frozenset({Action.NETCONF})
RUN, FILES, FORWARD = frozenset({Action.RUN}), frozenset({Action.FILES}), frozenset({Action.FORWARD})
OPENS: Final = EVERYBODY - APPROVE
ADMIN: Final[frozenset[Action]] = frozenset()
"""It takes ``admin``, which holds all others."""
ON_SESSION: Final = {
    "GET /v1/sessions": READ,
    "DELETE /v1/sessions": ADMIN,
    "GET /v1/sessions/{alias}": READ,
    "GET /v1/sessions/{alias}/history": READ,
    "DELETE /v1/sessions/{alias}": ADMIN,
    "POST /v1/sessions/{alias}/retry": ADMIN,
    "POST /v1/sessions/{alias}/run": RUN,
    "POST /v1/run": RUN,
    "POST /v1/copy": FILES,
    "GET /v1/sessions/{alias}/files": FILES,
    "PUT /v1/sessions/{alias}/files": FILES,
    "GET /v1/sessions/{alias}/channel": OPENS,  # each kind of channel takes its own: test_websocket.py
    "GET /v1/sessions/{alias}/netconf": NETCONF,
    "POST /v1/sessions/{alias}/netconf/rpc": NETCONF,
    "GET /v1/sessions/{alias}/netconf/channel": NETCONF,
    "GET /v1/sessions/{alias}/netconf/notifications": NETCONF,
    "GET /v1/sessions/{alias}/ssh": OPENS,  # what is asked for then takes its own: tests/gateway
    "GET /v1/forwards": READ,
    "POST /v1/forwards": FORWARD,
    "GET /v1/forwards/{alias}/{name}": READ,
    "DELETE /v1/forwards/{alias}/{name}": FORWARD,
    "GET /v1/terminals": READ,
    "GET /v1/terminals/{alias}/{name}": READ,
    "DELETE /v1/terminals/{alias}/{name}": ADMIN,  # one's own takes ``shell``: test_terminals.py
    "GET /v1/events": READ,
    "GET /v1/pending": APPROVE,  # who may let one in has to see it; and ``read`` on all
    "GET /v1/agent-tokens": EVERYBODY,  # who may approve none of them sees none
    "GET /v1/gateway": EVERYBODY,
    "GET /v1/version": EVERYBODY,
    "GET /signin": EVERYBODY,
    "POST /signin": EVERYBODY,  # whoever has a token
    "POST /signout": EVERYBODY,
    "GET /healthz": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /schema/openapi.json": EVERYBODY,
}
"""Which action suffices, granted on the session or, where it is of none, on any."""
ON_ALL: Final = {
    "POST /v1/sessions": ADMIN,
    "POST /v1/sessions/{alias}/trust": ADMIN,
    "POST /v1/pending/{id}/approve": APPROVE,
    "POST /v1/pending/{id}/trust": APPROVE,
    "POST /v1/pending/{id}/reject": APPROVE,
    "DELETE /v1/pending/{id}": APPROVE,
    "POST /v1/agent-tokens": APPROVE,
    "DELETE /v1/agent-tokens/{agent_id}": APPROVE,
    "GET /metrics": READ,
    "GET /v1/tokens": ADMIN,
    "GET /v1/daemon": ADMIN,
    "GET /v1/audit": ADMIN,
    "GET /v1/audit/verify": ADMIN,
    "GET /v1/recordings": ADMIN,
    "GET /v1/recordings/{id}": ADMIN,
    "DELETE /v1/recordings/{id}": ADMIN,
    "POST /v1/tokens": ADMIN,
    "DELETE /v1/tokens/{name}": ADMIN,
}
"""Which action suffices, if it is granted on all sessions, and those to come."""
ELSEWHERE: Final = {
    "WEBSOCKET /v1/events",  # test_streams.py
    "WEBSOCKET /v1/sessions/{alias}/channel",  # test_websocket.py
    # test_channels.py:
    *(f"{method} /channels" for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")),
    *(f"{method} /channels/{{alias}}" for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")),
}
"""What the description leaves out, with the tests of who may do it."""
UP = {"{alias}": "up", "{name}": "one"}
BODIES: Final[dict[str, object]] = {
    "POST /v1/sessions": {"target": "new://127.0.0.1:1"},
    "POST /v1/sessions/{alias}/run": {"command": "true"},
    "POST /v1/sessions/{alias}/trust": {"fingerprint": "SHA256:x"},
    "POST /v1/run": {"selector": "up", "command": "true"},
    "POST /v1/copy": COPIED,
    "POST /v1/forwards": FORWARDED,
    "POST /v1/tokens": {"name": "new", "actions": ["read"], "selector": "all", "expires_in": 60},
    "POST /v1/agent-tokens": AGENTS,
    "POST /v1/pending/{id}/approve": APPROVED,
    "POST /v1/pending/{id}/trust": {},
    "POST /signin": {"token": TOKEN},
    "POST /v1/sessions/{alias}/netconf/rpc": b"<get/>",
}
QUERIES: Final = {
    "GET /v1/sessions": "?selector=up",
    "DELETE /v1/sessions": "?selector=up",
    "GET /v1/forwards": "?selector=up",
    "GET /v1/terminals": "?selector=up",
    "GET /v1/events": "?selector=up",
    "GET /v1/sessions/{alias}/files": "?path=a",
    "PUT /v1/sessions/{alias}/files": "?path=a",
}
REFUSED: Final = {"unknown-alias", "not-allowed", "unauthenticated"}


@pytest.fixture
async def guarded(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A door with one of everything."""
    del anyio_backend
    async with (
        taping(tmp_path) as recordings,
        running(tmp_path, recordings=recordings) as door,
        SimulatedHosts() as hosts,
    ):
        await door.hold(hosts, "up")
        await door.pool["up"].forward_local(0, "127.0.0.1:1", name="one")
        await door.fleet.terminals.open(ROOT, "up", term="vt100", size=(80, 24), name="one", command="sleep 60")
        await door.fleet.tokens.create(ROOT, "one", READ, "all", expires_in=None)
        door.home.add("core9://admin@device9")
        yield door


def test_every_operation_is_listed() -> None:
    assert ON_SESSION.keys() | ON_ALL.keys() == set(OPERATIONS)
    assert ON_SESSION.keys().isdisjoint(ON_ALL)


def test_every_route_is_described_or_named_here() -> None:
    found = set()
    for route in APP.routes:
        methods = {"WEBSOCKET"}
        if isinstance(route, HTTPRoute):
            methods = {str(method) for handler in route.route_handlers for method in handler.http_methods}
        path = re.sub(r":\w+\}", "}", route.path)
        found |= {f"{method} {path}" for method in methods - {"OPTIONS"}}  # which tells the methods of a path
    assert found == set(OPERATIONS) | ELSEWHERE


async def _may(door: Running, name: str, action: Action, selector: str) -> bool:
    """Whether a token of one grant gets past the policy."""
    method, path = name.split()
    for one, text in UP.items():
        path = path.replace(one, text)
    if "{agent_id}" in path:
        await door.fleet.agents.invite(ROOT, "new", alias="agent1")
        path = path.replace("{agent_id}", "new")
    if "/recordings/{id}" in path:
        path = path.replace("{id}", door.fleet.recordings.list(ROOT)[0].id)
    elif "{id}" in path:
        path = path.replace("{id}", door.waiting("device9" if "trust" in path else "device1"))
    _, secret = await door.fleet.tokens.create(ROOT, "tried", [action], selector, expires_in=None)
    async with door.client(token=secret.reveal()) as client, asyncio.timeout(BOUND):
        await client.send(method, path + QUERIES.get(name, ""), BODIES.get(name))
        answer = await client.head()
        if answer.headers["content-type"] == "application/problem+json":
            answer.body = await client.reader.readexactly(int(answer.headers["content-length"]))
    await door.fleet.tokens.revoke(ROOT, "tried")
    return not answer.body or answer.value["code"] not in REFUSED


@pytest.mark.parametrize("name", ON_SESSION)
async def test_what_is_bound_to_a_session(guarded: Running, name: str) -> None:
    found = {action for action in Action if action is not Action.ADMIN and await _may(guarded, name, action, "up")}
    assert found == ON_SESSION[name]
    if ON_SESSION[name] == EVERYBODY or name == "GET /v1/pending":  # they are of no session
        return
    for action in Action:  # another session is no way to this one, and does not show it
        assert not await _may(guarded, name, action, "other*"), action
    assert await _may(guarded, name, Action.ADMIN, "up")


@pytest.mark.parametrize("name", ON_ALL)
async def test_what_is_bound_to_none(guarded: Running, name: str) -> None:
    for action in Action:
        assert not await _may(guarded, name, action, "up"), action
    found = {action for action in Action if action is not Action.ADMIN and await _may(guarded, name, action, "all")}
    assert found == ON_ALL[name]
    assert await _may(guarded, name, Action.ADMIN, "all")


async def test_whoever_reads_all_sees_the_devices_that_wait(guarded: Running) -> None:
    assert await _may(guarded, "GET /v1/pending", Action.READ, "all")
    for selector in ("up", "*,!up", "up*"):
        assert not await _may(guarded, "GET /v1/pending", Action.READ, selector), selector
