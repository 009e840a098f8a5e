"""Commands over the API: on one session, on many, and what becomes of them when their client leaves."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from mooring.rest.bodies import FanOutBody, RunBody
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.peers.sshd import Sshd

from .door import BOUND, Answer, Client, Running, until_process

pytestmark = pytest.mark.anyio

RUN = "/v1/sessions/web1/run"


def lines(answer: Answer) -> list[dict[str, Any]]:
    """The lines of a fan-out."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


async def test_a_result(door: Running, sshd: Sshd) -> None:
    await door.hold_sshd("web1", sshd)
    answer = await door.ask("POST", RUN, {"command": "echo out; echo err >&2; exit 3"})
    assert answer.status == 200
    result = answer.value
    assert result.pop("duration") > 0
    assert result == {
        "alias": "web1",
        "command": "echo out; echo err >&2; exit 3",
        "stdout": "out\n",
        "stderr": "err\n",
        "exit_status": 3,
        "exit_signal": None,
        "dropped": 0,
    }


async def test_input_and_environment(door: Running, sshd: Sshd) -> None:
    await door.hold_sshd("web1", sshd)
    asked = {"command": "cat; echo $MOORING_X", "input": "höß\n", "env": {"MOORING_X": "y"}}
    assert (await door.ask("POST", RUN, asked)).value["stdout"] == "höß\ny\n"


async def test_bytes_both_ways(door: Running, sshd: Sshd) -> None:
    await door.hold_sshd("web1", sshd)
    raw = bytes(range(256))
    asked = {"command": "cat", "input": {"base64": base64.b64encode(raw).decode()}, "encoding": "base64"}
    told = (await door.ask("POST", RUN, asked)).value
    assert base64.b64decode(told["stdout"]["base64"]) == raw
    assert told["stderr"] == {"base64": ""}


async def test_output_is_bounded_and_counted(held: Running) -> None:
    for asked, kept in (({"max_output": 1000}, 1000), ({}, 16 << 20)):
        told = (await held.ask("POST", RUN, {"command": "bytes 20000000", "encoding": "base64", **asked})).value
        assert len(base64.b64decode(told["stdout"]["base64"])) == kept
        assert told["dropped"] == 20_000_000 - kept


async def test_a_timeout_tells_what_came(door: Running, sshd: Sshd) -> None:
    await door.hold_sshd("web1", sshd)
    answer = await door.ask("POST", RUN, {"command": "echo some; sleep 60", "timeout": 2.0})
    found = answer.problem(504, "command-timeout")
    assert found["result"]["stdout"] == "some\n"
    assert found["remote_may_still_run"] is False


async def test_a_link_that_is_cut(door: Running, sshd: Sshd) -> None:
    async with FaultyLink("127.0.0.1", sshd.port) as link, door.client() as client:
        await door.hold_sshd("web1", sshd, link.port)
        await client.send("POST", RUN, {"command": "echo some; sleep 60"})
        while door.pool["web1"].status().channels.open == 0:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
        link.cut()
        async with asyncio.timeout(BOUND):
            answer = await client.head()
            answer.body = await client.reader.readexactly(int(answer.headers["content-length"]))
        answer.problem(502, "session-lost")


async def test_a_session_that_is_not_up(door: Running) -> None:
    await door.ask("POST", "/v1/sessions", {"target": "web1://127.0.0.1:1"})
    found = (await door.ask("POST", RUN, {"command": "true"})).problem(503, "session-not-up")
    assert found["retryable"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "missing required field `command`"),
        ({"command": ""}, "`$.command`"),
        ({"command": "  "}, "a command is a text that is not empty"),
        ({"command": "a\0b"}, "holds no NUL"),
        ({"command": "true", "timeout": 0}, "`$.timeout`"),
        ({"command": "true", "timeout": "hunter2"}, "`$.timeout`"),
        ({"command": "true", "max_output": -1}, "`$.max_output`"),
        ({"command": "true", "max_output": 1 << 40}, "`$.max_output`"),
        ({"command": "true", "encoding": "hunter2"}, "not one of the values that may stand here"),
        ({"command": "true", "kill": "hunter2"}, "not one of the values that may stand here"),
        ({"command": "true", "env": {"X": ["hunter2"]}}, "`$.env[...]`"),
        ({"command": "true", "env": {"X=": "hunter2"}}, "env has 'X='"),
        ({"command": "true", "input": ["hunter2"]}, "`$.input`"),
        ({"command": "true", "input": {"base64": "hunter2!"}}, "input.base64 is no Base64"),
        ({"command": "true", "stdin": "/etc/passwd"}, "unknown field `stdin`"),
    ],
)
async def test_commands_that_are_refused(held: Running, asked: object, words: str) -> None:
    answer = await held.ask("POST", RUN, asked)
    assert words in answer.problem(400, "invalid-input")["detail"]
    assert b"hunter2" not in answer.body
    assert held.pool["web1"].status().commands == 0


@pytest.mark.parametrize("form", [RunBody(command="x", input="hunter2"), FanOutBody(command="hunter2", selector="x")])
def test_a_body_does_not_show_itself(form: RunBody) -> None:
    assert "hunter2" not in repr(form)


async def test_one_connection_serves_many_requests(held: Running) -> None:
    async with held.client() as client:
        for number in range(50):
            answer = await client.ask("POST", RUN, {"command": f"echo {number}"})
            assert answer.value["stdout"] == f"{number}\n"


async def test_every_outcome_has_its_line(held: Running) -> None:
    await held.ask("POST", "/v1/sessions", {"target": "down://127.0.0.1:1"})
    *outcomes, last = lines(await held.ask("POST", "/v1/run", {"selector": "all", "command": "hostname"}))
    assert last == {"summary": {"ok": 3, "failed": 1}}
    by_alias = {outcome["alias"]: outcome for outcome in outcomes}
    assert by_alias.keys() == {"web1", "web2", "db1", "down"}
    assert by_alias["web2"]["result"]["stdout"] == "host-2\n"
    assert by_alias["down"]["error"]["code"] == "session-not-up"
    assert "result" not in by_alias["down"]


async def test_progress_says_who_is_meant_and_who_has_begun(held: Running) -> None:
    asked = {"selector": "all", "command": "true", "concurrency": 1, "batch": "34%", "progress": True}
    first, *steps, last = lines(await held.ask("POST", "/v1/run", asked))
    assert sorted(first["selected"]) == ["db1", "web1", "web2"]
    told = [("begun", step["begun"]) if "begun" in step else ("ended", step["alias"]) for step in steps]
    assert told == [(what, alias) for alias in first["selected"] for what in ("begun", "ended")]
    assert last == {"summary": {"ok": 3, "failed": 0}}


@pytest.mark.parametrize("limit", [{"batch": 0}, {"batch": "0%"}, {"max_failures": "10"}, {"max_failures": 1.5}])
async def test_limits_that_are_none_are_refused(held: Running, limit: dict[str, object]) -> None:
    answer = await held.ask("POST", "/v1/run", {"selector": "all", "command": "true", **limit})
    assert next(iter(limit)) in answer.problem(400, "invalid-input")["detail"]


async def test_a_budget_is_kept(held: Running) -> None:
    asked = {"selector": "all", "command": "false", "concurrency": 1, "max_failures": 1}
    *outcomes, last = lines(await held.ask("POST", "/v1/run", asked))
    assert [outcome.get("error", {}).get("code") for outcome in outcomes] == [None, "budget-spent", "budget-spent"]
    assert last == {"summary": {"ok": 0, "failed": 3}}


async def test_outcomes_come_as_they_end(door: Running, hosts: SimulatedHosts) -> None:
    async with SimulatedHosts(latency=30.0) as slow, door.client() as client:
        await door.hold(hosts, "quick")
        await door.hold(slow, "slow")
        await client.send("POST", "/v1/run", {"selector": "all", "command": "hostname"})
        async with asyncio.timeout(BOUND):
            await client.head()
            first = json.loads(await anext(client.parts()))
        assert first["alias"] == "quick"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"selector": "x*", "command": "true"}, 404, "nothing-selected"),
        ({"selector": "nobody", "command": "true"}, 404, "unknown-alias"),
        ({"selector": "!", "command": "true"}, 400, "invalid-selector"),
        ({"selector": "@x", "command": "true"}, 400, "invalid-selector"),
        ({"selector": "all"}, 400, "invalid-input"),
        ({"selector": "all", "command": "true", "concurrency": 0}, 400, "invalid-input"),
        ({"selector": "all", "command": "true", "max_failures": 0}, 400, "invalid-input"),
    ],
)
async def test_fan_outs_that_are_refused(held: Running, asked: object, status: int, code: str) -> None:
    (await held.ask("POST", "/v1/run", asked)).problem(status, code)
    assert held.pool.statistics().commands == 0


@pytest.mark.parametrize("how", ["hangs up", "resets", "half closes"])
@pytest.mark.parametrize("path", [RUN, "/v1/run"])
async def test_a_client_that_leaves_ends_its_command(
    door: Running, sshd: Sshd, how: str, path: str, unused_number: str
) -> None:
    await door.hold_sshd("web1", sshd)
    client = await Client.connect(door.port)
    await client.send(
        "POST", path, {"command": f"exec sleep {unused_number}", **({} if path == RUN else {"selector": "all"})}
    )
    await until_process(unused_number, there=True)
    if how == "resets":
        client.abort()
    elif how == "half closes":
        client.writer.write_eof()
    else:
        await client.close()
    await until_process(unused_number, there=False)
    await door.idle()
    await client.close()


async def test_a_client_that_leaves_with_a_request_ahead(door: Running, sshd: Sshd, unused_number: str) -> None:
    await door.hold_sshd("web1", sshd)
    client = await Client.connect(door.port)
    await client.send("POST", RUN, {"command": f"exec sleep {unused_number}"})
    await until_process(unused_number, there=True)
    await client.send("POST", RUN, {"command": "true"})
    client.abort()
    await until_process(unused_number, there=False)
    await door.idle()
    assert door.pool["web1"].status().commands == 1


async def test_a_client_that_leaves_in_its_body(held: Running) -> None:
    client = await Client.connect(held.port)
    await client.send("POST", RUN, b'{"command":', {"Content-Length": "1000"})
    client.abort()
    await held.idle()
    assert held.pool["web1"].status().commands == 0
