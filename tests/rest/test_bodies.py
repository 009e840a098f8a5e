"""Whatever a body holds, it is taken or refused by name, and no value of it is repeated."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import InvalidInput
from mooring.rest.bodies import FanOutBody, RunBody, StartBody
from mooring.rest.reading import Body

from .door import Running

SECRET = "hunter2"
FORMS = [RunBody, FanOutBody, StartBody]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just(SECRET)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner), max_leaves=5
)


class Sent:
    """As much of a request as a body is read from."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)
        self.headers: dict[str, str] = {}

    async def receive(self) -> dict[str, Any]:
        """The next part."""
        part = self._parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self._parts)}


def read(form: type[msgspec.Struct], *parts: bytes) -> msgspec.Struct | str:
    """The body, or why it is none."""
    try:
        return asyncio.run(Body(form).read(Sent(*parts)))  # type: ignore[arg-type]  # as much as it looks at
    except InvalidInput as error:
        return str(error)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_no_value_is_repeated(form: type[msgspec.Struct], data: st.DataObject) -> None:
    members = st.dictionaries(st.sampled_from(form.__struct_fields__), VALUES, max_size=6)
    outcome = read(form, json.dumps(data.draw(members)).encode())
    if isinstance(outcome, str):
        assert outcome.startswith("the body: ")
    assert SECRET not in repr(outcome)


@pytest.mark.parametrize("form", FORMS)
@given(body=st.binary(max_size=50) | st.text().map(str.encode))
def test_any_bytes_are_taken_or_refused(form: type[msgspec.Struct], body: bytes) -> None:
    outcome = read(form, body)
    assert isinstance(outcome, (form, str))


@given(cuts=st.lists(st.integers(0, 60), max_size=4))
def test_a_body_may_come_in_parts(cuts: list[int]) -> None:
    body = b'{"command":"true","env":{"LANG":"C"},"timeout":1.5}'
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    parts = [body[start:end] for start, end in itertools.pairwise(places)]
    assert read(RunBody, *parts) == RunBody(command="true", env={"LANG": "C"}, timeout=1.5)


@pytest.mark.parametrize("where", ["listen", "destination"])
async def test_a_port_of_thousands_of_digits(held: Running, where: str) -> None:
    body = {"alias": "web1", "kind": "local", "listen": 0, "destination": "x:1"}
    (await held.ask("POST", "/v1/forwards", body | {where: "x:" + "1" * 5000})).problem(400, "invalid-input")


async def test_who_signs_in_may_not_send_much(door: Running) -> None:
    async with door.client(token=None) as client:
        await client.send("POST", "/signin", b"{", {"Content-Length": "65537"})
        answer = await client.head()
    assert answer.status == 413
    async with door.client(token=None) as client:
        parts = b"1000\r\n" + b" " * 4096 + b"\r\n"
        await client.send("POST", "/signin", parts * 17, {"Content-Length": None, "Transfer-Encoding": "chunked"})
        assert (await client.head()).status == 413


async def test_who_lets_a_device_in_cannot_swell_what_all_read(door: Running) -> None:
    labels = [f"a:{number}" for number in range(5_000)]
    path = f"/v1/pending/{door.waiting('device1')}/approve"
    approved = {"alias": "web1", "username": "x", "password": "x", "label": labels}
    (await door.ask("POST", path, approved)).problem(413, "body-too-large")
    expected = {"agent_id": "web2", "labels": labels}
    (await door.ask("POST", "/v1/agent-tokens", expected)).problem(413, "body-too-large")
