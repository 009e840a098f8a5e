"""``/v1/sessions`` and the probes, over real sessions."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

import mooring
from mooring.model.options import OPTIONS, PLACES
from mooring.model.status import SessionState, SessionStatus
from mooring.model.target import Target
from mooring.rest.bodies import StartBody
from mooring.rest.reading import MAX_BODY
from mooring.simulate import SimulatedHosts
from mooring.store import Remembered

from .door import BOUND, Running, running

pytestmark = pytest.mark.anyio


async def test_a_session_from_start_to_stop(door: Running, hosts: SimulatedHosts) -> None:
    target = f"new://me@127.0.0.1:{hosts[0].port}"
    asked = {"target": target, "host_key": hosts.public_key, "label": ["site:ams", "kind:test"]}
    started = await door.ask("POST", "/v1/sessions", asked)
    assert started.status == 201
    assert started.headers["location"] == "/v1/sessions/new"
    assert started.value["labels"] == ["site:ams", "kind:test"]
    await door.pool["new"].wait_up(timeout=BOUND)
    shown = (await door.ask("GET", started.headers["location"])).value
    assert (shown["alias"], shown["state"]) == ("new", "up")
    assert shown.keys() == {field.name for field in dataclasses.fields(SessionStatus)}
    assert (await door.ask("DELETE", "/v1/sessions/new")).value == {"stopped": ["new"]}
    (await door.ask("GET", "/v1/sessions/new")).problem(404, "unknown-alias")


async def test_a_password_is_shown_nowhere(door: Running) -> None:
    started = await door.ask("POST", "/v1/sessions", {"target": "p://me:hunter2@127.0.0.1:1", "password": "hunter3"})
    listed = await door.ask("GET", "/v1/sessions")
    for answer in (started, listed):
        assert b"hunter" not in answer.body
        assert b"********" in answer.body


async def test_an_alias_in_use_is_replaced_when_asked(held: Running, hosts: SimulatedHosts) -> None:
    asked = {"target": f"web1://me@127.0.0.1:{hosts[2].port}", "host_key": hosts.public_key}
    (await held.ask("POST", "/v1/sessions", asked)).problem(409, "alias-in-use")
    assert (await held.ask("POST", "/v1/sessions", {**asked, "replace": True})).status == 201
    await held.pool["web1"].wait_up(timeout=BOUND)
    ran = await held.ask("POST", "/v1/sessions/web1/run", {"command": "hostname"})
    assert ran.value["stdout"] == f"{hosts[2].name}\n"


@pytest.mark.parametrize(
    ("selector", "aliases"),
    [("", ["web1", "web2", "db1"]), ("?selector=web*", ["web1", "web2"]), ("?selector=all,!web1", ["web2", "db1"])],
)
async def test_a_list_by_selector(held: Running, selector: str, aliases: list[str]) -> None:
    listed = await held.ask("GET", f"/v1/sessions{selector}")
    assert [session["alias"] for session in listed.value["sessions"]] == aliases


async def test_many_are_stopped_by_selector(held: Running) -> None:
    assert (await held.ask("DELETE", "/v1/sessions?selector=web*")).value == {"stopped": ["web1", "web2"]}
    assert [session.alias for session in held.pool.sessions] == ["db1"]


async def test_nothing_is_stopped_without_a_selector(held: Running) -> None:
    (await held.ask("DELETE", "/v1/sessions")).problem(400, "invalid-selector")
    assert len(held.pool.sessions) == 3


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_selectors_that_mean_nothing(held: Running, method: str) -> None:
    (await held.ask(method, "/v1/sessions?selector=x*")).problem(404, "nothing-selected")
    (await held.ask(method, "/v1/sessions?selector=nobody")).problem(404, "unknown-alias")
    (await held.ask(method, "/v1/sessions?selector=,,")).problem(400, "invalid-selector")
    (await held.ask(method, "/v1/sessions?selector=@/etc/hostname")).problem(400, "invalid-selector")
    assert len(held.pool.sessions) == 3


async def test_retry_leaves_parked(door: Running) -> None:
    async with SimulatedHosts(password="right") as hosts:
        wrong = {"target": f"p://me:wrong@127.0.0.1:{hosts[0].port}", "host_key": hosts.public_key}
        await door.ask("POST", "/v1/sessions", wrong)
        session = door.pool["p"]
        async with asyncio.timeout(BOUND):
            while session.state is not SessionState.PARKED:
                await session.wait_change()
        assert (await door.ask("POST", "/v1/sessions/p/retry")).status == 200
        async with asyncio.timeout(BOUND):
            while hosts[0].auth_attempts < 2:
                await session.wait_change()
        (await door.ask("POST", "/v1/sessions/p/run", {"command": "true"})).problem(409, "session-parked")


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"target": "new://"}, "invalid-target", "host"),
        ({"target": "new://h", "port": 0}, "invalid-target", "port"),
        ({"target": "new://h", "keepalive": -1}, "invalid-target", "keepalive"),
        ({"target": "new://h?color=red"}, "invalid-target", "unknown option at character 9"),
        ({"target": "new://h", "color": "red"}, "invalid-input", "unknown field `color`"),
        ({"target": "new://h", "replace": "yes"}, "invalid-input", "`$.replace`"),
        ({"target": 7}, "invalid-input", "`$.target`"),
        ({}, "invalid-input", "missing required field `target`"),
        ([], "invalid-input", "Expected `object`"),
        (b"", "invalid-input", "the body: "),
        (b"{", "invalid-input", "the body: "),
        (b'{"target": hunter2}', "invalid-input", "JSON is malformed"),
        (b'{"target": "new://me:hunter2@h"', "invalid-input", "truncated"),
        (b'{"target": "new://me:hunter2@h\xff"}', "invalid-input", "not UTF-8"),
        ({"target": "new://me:hunter2@h", "password": ["hunter2"]}, "invalid-input", "`$.password`"),
        ({"target": "new://me:hunter2@h:99999"}, "invalid-target", "port"),
    ],
)
async def test_starts_that_are_refused(door: Running, asked: object, code: str, words: str) -> None:
    answer = await door.ask("POST", "/v1/sessions", asked)
    assert words in answer.problem(400, code)["detail"]
    assert b"hunter2" not in answer.body
    assert not door.pool.sessions


def test_a_body_does_not_show_itself() -> None:
    assert "hunter2" not in repr(StartBody(target="a://me:hunter2@h", password="hunter2"))


def test_every_option_of_a_target_can_be_given() -> None:
    assert set(StartBody.__struct_fields__) == {"target", "replace", *PLACES, *OPTIONS}


async def test_a_body_that_is_too_large(door: Running) -> None:
    async with door.client() as client:
        told = {"Content-Length": str(MAX_BODY + 1)}
        (await client.ask("POST", "/v1/sessions", b"{", told)).problem(413, "body-too-large")
    async with door.client() as client:
        await client.send("POST", "/v1/sessions", None, {"Content-Length": None, "Transfer-Encoding": "chunked"})
        part = b"%x\r\n%s\r\n" % (1 << 20, bytes(1 << 20))
        for _ in range(MAX_BODY // (1 << 20) + 1):
            client.writer.write(part)
        await client.writer.drain()
        head = await client.head()
        head.body = await client.reader.readexactly(int(head.headers["content-length"]))
        head.problem(413, "body-too-large")


async def test_paths_and_methods_that_are_not_there(door: Running) -> None:
    (await door.ask("GET", "/v2/sessions")).problem(404, "not-found")
    answer = await door.ask("PUT", "/v1/sessions", {"target": "x://y:hunter2@z"})
    answer.problem(405, "method-not-allowed")
    assert {"GET", "POST", "DELETE"} <= set(answer.headers["allow"].split(", "))
    assert b"hunter2" not in answer.body


async def test_version_and_health(door: Running) -> None:
    assert (await door.ask("GET", "/v1/version")).value == {"version": mooring.__version__, "api": 1}
    assert (await door.ask("GET", "/healthz")).value == {"status": "ok"}
    assert (await door.ask("GET", "/readyz")).value == {"status": "ready"}


async def test_whoever_comes_early_waits_for_what_is_brought_back(tmp_path: Path) -> None:
    async with running(tmp_path, restored=False) as door:
        assert (await door.ask("GET", "/healthz")).value == {"status": "ok"}
        assert (await door.ask("GET", "/readyz")).problem(503, "session-not-up")["retryable"]
        (await door.ask("GET", "/v1/sessions", headers={"Authorization": "Bearer x"})).problem(401, "unauthenticated")
        early = asyncio.create_task(door.ask("DELETE", "/v1/sessions?selector=all"))
        assert (await door.ask("GET", "/healthz")).status == 200  # on a connection that came after it
        assert not early.done()
        await door.fleet.restore([Remembered(alias="web1", target=Target.parse("web1://127.0.0.1:1"), error=None)])
        assert (await early).value == {"stopped": ["web1"]}
