"""What is remembered of agents that are expected, and that the end of a token is one with the agent's beginning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mooring.model.enrolment import Enrolment
from mooring.store import Store, schema
from mooring.wire.enrolment import Token

pytestmark = pytest.mark.anyio

TOKEN = Token(bytes(range(32)), "SHA256:" + 43 * "A")
WEB1 = Enrolment(
    device_id="web 1", alias="web1", labels=("site:ams", "x:y"), public_key=TOKEN.public_key, issued=1.5, expires=2.5
)
WEB2 = Enrolment(device_id="web2", alias="web2", labels=(), public_key=bytes(32), issued=2.0, expires=3.0)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2Y8niqWaCm03dsxSeHTPHcZ3QYrMhqRtUai3Ve5k5v"


async def test_they_come_back_and_are_forgotten(store: Store) -> None:
    await store.enrolments.expect(WEB2)
    await store.enrolments.expect(WEB1)
    assert await store.enrolments.all() == [WEB1, WEB2]
    await store.enrolments.expect(replace(WEB1, alias="other"))
    assert [each.alias for each in await store.enrolments.all()] == ["other", "web2"]
    await store.enrolments.forget(["web 1", "nobody"])
    assert await store.enrolments.all() == [WEB2]


async def test_an_agent_that_came_ends_its_token_and_no_other(store: Store) -> None:
    await store.enrolments.expect(WEB1)
    await store.enrolments.expect(WEB2)
    device = WEB1.device("deploy", KEY, "/state/agent_key")
    await store.devices.enrol(device)
    assert await store.devices.approved() == [device]
    assert await store.enrolments.all() == [replace(WEB1, used=True), WEB2]


async def test_the_database_holds_nothing_that_makes_a_token(store: Store, tmp_path: Path) -> None:
    await store.enrolments.expect(WEB1)
    await store.aclose()
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert TOKEN.public_key in data
    assert TOKEN.seed not in data
    assert TOKEN.text().encode() not in data


async def test_a_database_from_before_there_were_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
    before = await Store.open(tmp_path)
    await before.devices.approve(WEB2.device("deploy", KEY, "/key"), "id")
    await before.aclose()
    monkeypatch.undo()
    store = await Store.open(tmp_path)
    await store.enrolments.expect(WEB1)
    await store.devices.enrol(WEB1.device("deploy", KEY, "/key"))
    assert [device.device_id for device in await store.devices.approved()] == ["web2", "web 1"]
    assert [each.used for each in await store.enrolments.all()] == [True]
    await store.aclose()
