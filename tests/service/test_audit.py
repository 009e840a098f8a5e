"""Each verb is recorded, with each way that it may end; nothing secret is in it, whatever the verb was given."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mooring import Pool
from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.audit import AuditQuery, AuditRecord
from mooring.model.errors import AccessError, InvalidInput, MooringError, StateError
from mooring.model.forward import ForwardKind, Place
from mooring.model.secret import Secret
from mooring.model.status import SessionState
from mooring.pool.callhome import CallHomeServer
from mooring.rest import Access, channels
from mooring.service import Agents, Audit, Fleet
from mooring.service.audit import Deed
from mooring.service.files import Named
from mooring.simulate import SimulatedHosts
from mooring.store.audit.trail import Trail
from mooring.wire.channel import Kind, Opening, Terminal
from mooring.wire.netconf.operation import custom
from tests.peers.sshd import Sshd
from tests.rest.door import BOUND, TOKEN, Running, running, tokens
from tests.rest.talking import channel as channel_of

pytestmark = pytest.mark.anyio

MARKER = "Zq7xKv9wJh3fYp5k"
ROOT = Actor(name="root", door="unix", grants=(ADMIN,))
READER = Actor(name="reader", door="tcp", grants=(Grant(selector="all", actions=frozenset({Action.READ})),))
ALL = AuditQuery()
_TERM = Terminal("vt100", 80, 24)
Do = Callable[[Running, Actor], Awaitable[object]]


@contextlib.asynccontextmanager
async def audited(folder: Path, **settings: Any) -> AsyncIterator[tuple[Running, Trail]]:
    """A door whose fleet is recorded, with a session ``up`` and one ``down``."""
    trail = await Trail.open(folder)
    try:
        async with running(folder, audit=Audit(trail, **settings)) as door, SimulatedHosts() as hosts:
            await door.hold(hosts, "up")
            await door.pool.start("down://127.0.0.1:1", agent_path=None, username="x")
            yield door, trail
    finally:
        await trail.aclose()


async def recorded(trail: Trail) -> list[AuditRecord]:
    page = await trail.page(ALL, ascending=True, limit=1000)
    return [record for record in page.records if record.door != "mooringd"]


async def _read(door: Running, actor: Actor, alias: str) -> None:
    async with contextlib.aclosing(door.fleet.files.read(actor, alias, "a", lambda info: (0, info.size))) as parts:
        async for _ in parts:
            pass


async def _bytes() -> AsyncIterator[bytes]:
    yield b"content"


async def _rpc(door: Running, actor: Actor, alias: str) -> None:
    async with contextlib.aclosing(door.fleet.netconf.rpc(actor, alias, custom("<get/>"))) as parts:
        async for _ in parts:
            pass


async def _copy(door: Running, actor: Actor) -> None:
    async for step in door.fleet.files.copy(actor, [Named("up", "a")], Named("up", "b")):
        if step.failed is not None:
            raise step.failed


async def _many(door: Running, actor: Actor) -> None:
    async for outcome in door.fleet.run_many(actor, "up", "true"):
        if outcome.error is not None:
            raise outcome.error


async def _open(door: Running, actor: Actor, opening: Opening) -> None:
    channel = await door.fleet.open(actor, "up", opening)
    channel.close()


async def _terminal(door: Running, actor: Actor) -> None:
    viewer = await door.fleet.terminals.open(actor, "up", term="vt100", size=(80, 24), name="t", command="sleep 60")
    viewer.leave()
    viewer = await door.fleet.terminals.attach(actor, "up", "t", size=(80, 24), drive=False)
    await viewer.take()
    viewer.leave()
    await door.fleet.terminals.end(actor, "up", "t")


async def _forward(door: Running, actor: Actor) -> None:
    listen, to = Place("127.0.0.1", 0), Place("127.0.0.1", 1)
    await door.fleet.forwards.add(actor, "up", ForwardKind.LOCAL, listen, to, name="f")
    await door.fleet.forwards.remove(actor, "up", "f")


async def _token(door: Running, actor: Actor) -> None:
    await door.fleet.tokens.create(actor, "ci", [Action.READ], "all", 60.0)
    await door.fleet.tokens.revoke(actor, "ci")


async def _agent(door: Running, actor: Actor) -> None:
    await door.fleet.agents.invite(actor, "web1")
    await door.fleet.agents.revoke(actor, "web1")


async def _start(door: Running, actor: Actor) -> None:
    await door.fleet.start(actor, f"new://user:{MARKER}@127.0.0.1:1")
    await door.fleet.retry(actor, "new")
    await door.fleet.stop(actor, "new")


async def _decide(door: Running, actor: Actor) -> None:
    await door.fleet.reject(actor, door.waiting("device1"))
    await door.fleet.approve(actor, door.waiting("device2"), "core2", username="admin", password=MARKER)


VERBS: dict[str, tuple[Do, list[str], str]] = {
    "run": (lambda door, who: door.fleet.run(who, "up", "true", input=MARKER), ["run"], "run"),
    "run many": (_many, ["run"], "run"),
    "exec": (lambda door, who: _open(door, who, Opening("exec", command="true")), ["run.exec"], "run"),
    "pipe": (lambda door, who: _open(door, who, Opening("pipe", command="true")), ["pipe"], "pipe"),
    "terminal": (_terminal, ["shell.terminal", "shell.attach", "shell.take", "shell.end"], "shell"),
    "forward": (_forward, ["forward.add", "forward.remove"], "forward"),
    "token": (_token, ["admin.token.create", "admin.token.revoke"], "admin"),
    "agent": (_agent, ["approve.agent.expect", "approve.agent.revoke"], "approve"),
    "session": (_start, ["admin.start", "admin.retry", "admin.stop"], "admin"),
    "decide": (_decide, ["approve.reject", "approve"], "approve"),
}
"""What is done, what is recorded of it where it is allowed, and the action that is refused where it is not."""
FAILING: dict[str, tuple[Do, str, str]] = {
    "run": (lambda door, who: door.fleet.run(who, "down", "true"), "run", "down"),
    "exec": (lambda door, who: door.fleet.open(who, "down", Opening("exec", command="true")), "run.exec", "down"),
    "shell": (lambda door, who: door.fleet.open(who, "up", Opening("shell", term=_TERM)), "shell", "up"),
    "read": (lambda door, who: _read(door, who, "up"), "files.read", "up"),
    "write": (lambda door, who: door.fleet.files.write(who, "up", "a", _bytes()), "files.write", "up"),
    "copy": (_copy, "files.copy", "up"),
    "rpc": (lambda door, who: _rpc(door, who, "down"), "netconf.rpc", "down"),
}


@pytest.mark.parametrize("name", VERBS)
async def test_what_was_done(tmp_path: Path, name: str) -> None:
    do, expected, _ = VERBS[name]
    async with audited(tmp_path) as (door, trail):
        async with asyncio.timeout(BOUND):
            await do(door, ROOT)
        begun = {record.what: record for record in await recorded(trail) if record.outcome == "begun"}
        assert expected == list(begun)
        assert {(record.who, record.door) for record in begun.values()} == {("root", "unix")}
    trail = await Trail.open(tmp_path)
    ends = [record for record in await recorded(trail) if record.outcome != "begun"]
    await trail.aclose()
    assert {record.what for record in ends} == set(expected)
    assert {record.outcome for record in ends} == {"done"}
    assert {record.of for record in ends if record.of} == {record.seq for record in begun.values()}


@pytest.mark.parametrize("name", VERBS)
async def test_what_was_refused(tmp_path: Path, name: str) -> None:
    do, _, action = VERBS[name]
    async with audited(tmp_path) as (door, trail):
        with pytest.raises(AccessError):
            await do(door, READER)
        records = await recorded(trail)
        assert [(record.who, record.what, record.outcome) for record in records] == [("reader", action, "refused")]
        assert records[0].detail["error"] == "not-allowed"


@pytest.mark.parametrize("name", FAILING)
async def test_what_failed(tmp_path: Path, name: str) -> None:
    do, what, alias = FAILING[name]
    async with audited(tmp_path) as (door, trail):
        with pytest.raises(MooringError) as failed:
            await do(door, ROOT)
        begun, end = await recorded(trail)
        assert [(one.what, one.alias) for one in (begun, end)] == [(what, alias)] * 2
        assert (begun.outcome, end.outcome, end.of) == ("begun", "failed", begun.seq)
        assert end.detail["error"] == failed.value.code


async def test_what_was_cancelled(tmp_path: Path) -> None:
    async with audited(tmp_path) as (door, trail):
        running = asyncio.create_task(door.fleet.run(ROOT, "up", "sleep 60"))
        async with asyncio.timeout(BOUND):
            while not await recorded(trail):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [record.outcome for record in await recorded(trail)] == ["begun", "cancelled"]


async def test_a_signal_is_told_by_its_name_and_who_was_cut_off_did_not_come_to_an_end(
    tmp_path: Path, sshd: Sshd
) -> None:
    async with audited(tmp_path) as (door, trail), asyncio.timeout(BOUND):
        await door.hold_sshd("web1", sshd)
        await door.fleet.run(ROOT, "web1", "kill -9 $$")
        await (await door.fleet.open(ROOT, "web1", Opening("exec", command="kill -9 $$"))).wait_closed()
        _, secret = await door.fleet.tokens.create(ROOT, "ci", [Action.READ, Action.RUN], "*", 600.0)
        async with channel_of(door, token=secret.reveal()) as client:
            await client.open("exec", command="echo on; exec sleep 600")
            while (await client.receive()).kind is not Kind.STDOUT:  # before it runs, sshd has nobody for a signal
                pass
            await door.fleet.tokens.revoke(ROOT, "ci")
            while len(ends := [one for one in await recorded(trail) if one.what.startswith("run") and one.of]) < 3:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
    assert [one.outcome for one in ends] == ["done", "done", "cancelled"]
    assert [one.detail["exit_signal"] for one in ends[:2]] == ["KILL", "KILL"]
    assert ends[2].detail.get("exit_status") != -1


async def test_a_command_whose_session_is_lost_has_failed_whichever_way_it_was_begun(
    tmp_path: Path, sshd: Sshd
) -> None:
    async with audited(tmp_path) as (door, trail), asyncio.timeout(BOUND):
        await door.hold_sshd("web1", sshd)
        channel = await door.fleet.open(ROOT, "web1", Opening("exec", command="exec sleep 600"))
        door.pool["web1"].connection.abort()
        await channel.wait_closed()
        while len(told := await recorded(trail)) < 2:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    assert [(one.outcome, one.detail.get("error")) for one in told] == [("begun", None), ("failed", "session-lost")]


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("what", ["forward.connection", "shell.terminal"])
async def test_so_have_a_connection_and_a_terminal(tmp_path: Path, sshd: Sshd, what: str) -> None:
    async with audited(tmp_path) as (door, trail), asyncio.timeout(BOUND):
        await door.hold_sshd("web1", sshd)
        if what == "forward.connection":
            async with await asyncio.start_server(_say_nothing, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                channel = await door.fleet.open(ROOT, "web1", Opening("direct-tcpip", host="127.0.0.1", port=port))
                door.pool["web1"].connection.abort()
                await channel.wait_closed()
                channel.close()
        else:
            await door.fleet.terminals.open(ROOT, "web1", term="vt100", size=(80, 24), command="exec sleep 600")
            door.pool["web1"].connection.abort()
        while len(told := await recorded(trail)) < 2:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    assert [(one.what, one.outcome) for one in told] == [(what, "begun"), (what, "failed")]
    assert told[1].detail["error"] == "session-lost"


async def test_a_connection_that_either_side_ends_is_done(tmp_path: Path, sshd: Sshd) -> None:
    async with audited(tmp_path) as (door, trail), asyncio.timeout(BOUND):
        await door.hold_sshd("web1", sshd)
        opening = Opening("direct-tcpip", host="127.0.0.1", port=sshd.port)
        theirs = await door.fleet.open(ROOT, "web1", opening)
        theirs.stdin.write(b"no SSH\r\n")
        assert (await theirs.stdout.read()).startswith(b"SSH-2.0-")
        await theirs.wait_closed()
        ours = await door.fleet.open(ROOT, "web1", opening)
        ours.close()
        await ours.wait_closed()
        while len(told := await recorded(trail)) < 4:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    assert [one.outcome for one in told if one.of] == ["done", "done"]


async def test_who_leaves_while_the_disk_is_waited_for_leaves_no_command_behind(
    tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, keeps = asyncio.Event(), asyncio.Event()

    async def kept(_: Deed) -> None:
        waits.set()
        await keeps.wait()

    async with audited(tmp_path) as (door, trail), asyncio.timeout(BOUND):
        await door.hold_sshd("web1", sshd)
        monkeypatch.setattr(Deed, "kept", kept)
        opening = asyncio.create_task(door.fleet.open(ROOT, "web1", Opening("exec", command="exec sleep 600")))
        await waits.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        while len(told := await recorded(trail)) < 2:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    assert [one.outcome for one in told] == ["begun", "cancelled"]


async def test_what_is_asked_for_is_heeded_or_refused(tmp_path: Path) -> None:
    async with audited(tmp_path) as (door, _):
        for query in ("?foo=1", "?alias=%00", "?who=a%00", "?what=%00", "/verify?alias=up"):
            assert ((await door.ask("GET", f"/v1/audit{query}")).value["code"], query) == ("invalid-input", query)
        every = "?who=*&what=login&alias=*&outcome=done&since=1&until=9e9&order=oldest&start=1&limit=9"
        assert (await door.ask("GET", f"/v1/audit{every}")).status == 200


async def test_nothing_is_done_that_cannot_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with audited(tmp_path) as (door, trail):
        monkeypatch.setattr(trail, "_moved", lambda _: None)  # it does not find out that all is well
        trail._fault = StateError("the disk is full")  # noqa: SLF001 - as a failed commit leaves it
        for do, _, _ in VERBS.values():
            with pytest.raises(StateError, match="it cannot be recorded"):
                await do(door, ROOT)
        assert {session.alias for session in door.pool.sessions} == {"up", "down"}
        trail._fault = None  # noqa: SLF001 - likewise
        assert {record.outcome for record in await recorded(trail)} == {"refused"}


async def test_nobody_looks_at_a_terminal_unrecorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with audited(tmp_path) as (door, trail):
        terminals = door.fleet.terminals
        owner = await terminals.open(ROOT, "up", term="vt100", size=(80, 24), name="t", command="sleep 60")
        other = await terminals.attach(ROOT, "up", "t", size=(80, 24), drive=False)
        monkeypatch.setattr(trail, "_moved", lambda _: None)  # it does not find out that all is well
        trail._fault = StateError("the disk is full")  # noqa: SLF001 - as a failed commit leaves it
        with pytest.raises(StateError, match="it cannot be recorded"):
            await terminals.attach(ROOT, "up", "t", size=(80, 24))
        with pytest.raises(StateError, match="it cannot be recorded"):
            await other.take()
        assert [viewer.drives for viewer in terminals.show(ROOT, "up", "t").viewers] == [True, False]
        other.leave()
        owner.leave()
        trail._fault = None  # noqa: SLF001 - likewise
        found = [(record.what, record.outcome) for record in await recorded(trail) if record.what != "shell.terminal"]
        assert sorted(found) == [
            ("shell.attach", "begun"),
            ("shell.attach", "done"),
            ("shell.attach", "refused"),
            ("shell.take", "refused"),
        ]


async def test_logins_at_the_door(tmp_path: Path) -> None:
    async with audited(tmp_path) as (door, trail):
        async with door.client() as client:
            for _ in range(2):
                await client.ask("GET", "/v1/sessions")
        async with door.client(token=MARKER) as client:
            (await client.ask("GET", "/v1/sessions")).problem(401, "unauthenticated")
        async with door.client(unix=True) as client:
            await client.ask("GET", "/v1/sessions")
        found = [(record.who, record.what, record.outcome) for record in await recorded(trail)]
        assert found == [("tests", "login", "done"), ("", "login", "refused")]


async def test_a_login_that_cannot_be_recorded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with audited(tmp_path) as (door, trail), door.client() as client:
        with monkeypatch.context() as full:
            full.setattr(trail, "_moved", lambda _: None)  # it does not find out that all is well
            full.setattr(trail, "_fault", StateError("the disk is full"))  # as a failed commit leaves it
            for _ in range(2):  # the second on the same connection is no more in than the first
                (await client.ask("GET", "/v1/sessions")).problem(503, "state-error")
            (await client.ask("POST", "/signin", {"token": TOKEN}, {"Authorization": None})).problem(503, "state-error")
            async with door.client(unix=True) as root:
                assert (await root.ask("GET", "/v1/sessions")).status == 200
        assert (await client.ask("GET", "/v1/sessions")).status == 200
        found = [(record.who, record.what, record.outcome) for record in await recorded(trail)]
        logins = [("tests", "login", "refused")] * 2 + [("tests", "login.page", "refused"), ("tests", "login", "done")]
        assert found == logins


async def test_what_channels_does_by_itself_is_no_attempt_of_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "WAIT", 0.2)
    async with audited(tmp_path) as (door, trail):
        _, secret = await door.fleet.tokens.create(ROOT, "ci", [Action.READ, Action.RUN], "all", 60.0)
        async with asyncio.timeout(BOUND), door.fleet.watch(ROOT, "down") as watch:
            while door.pool["down"].state is not SessionState.BACKOFF:
                await anext(watch)
        async with door.client(token=secret.reveal()) as client:
            assert "exception" in (await client.ask("POST", "/channels/down", b"true")).value
        found = [record.what for record in await recorded(trail) if record.outcome == "refused"]
        assert found == []


async def test_each_login_of_a_connection(tmp_path: Path) -> None:
    async with audited(tmp_path) as (door, trail):
        _, secret = await door.fleet.tokens.create(ROOT, "ci", [Action.READ], "all", 60.0)
        other = {"Authorization": f"Bearer {secret.reveal()}"}
        async with door.client() as client:
            for headers in (None, None, other, other, None):
                assert (await client.ask("GET", "/v1/sessions", headers=headers)).status == 200
        found = [record.who for record in await recorded(trail) if record.what == "login"]
        assert found == ["tests", "ci", "tests"]


async def test_who_shows_nothing_is_no_login_and_who_shows_what_is_not_known_is(tmp_path: Path) -> None:
    page = {"Host": "localhost:8877", "Sec-Fetch-Site": "same-origin"}
    shown = [{"Cookie": "mooring-8877=x"}, {"Cookie": "mooring-8877=x; mooring-8877=y"}, {"Authorization": "Basic x"}]
    async with audited(tmp_path) as (door, trail):
        async with door.client(token=None) as client:
            for headers in ({}, page, {**page, "Cookie": "other=x; mooring-8878=x"}):
                (await client.ask("GET", "/signin", headers=headers)).problem(401, "unauthenticated")
            (await client.ask("POST", "/v1/run", {})).problem(401, "unauthenticated")
            assert await recorded(trail) == []
            for headers in shown:
                (await client.ask("GET", "/signin", headers=page | headers)).problem(401, "unauthenticated")
            (await client.ask("POST", "/signin", {"token": MARKER}, page)).problem(401, "unauthenticated")
        found = [(record.who, record.what, record.outcome) for record in await recorded(trail)]
        assert found == [("", "login", "refused")] * 4


@pytest.mark.parametrize(("name", "value"), [("Host", "evil.example"), ("Origin", "http://evil.example")])
async def test_a_foreign_page_is_recorded(tmp_path: Path, name: str, value: str) -> None:
    async with audited(tmp_path) as (door, trail):
        async with door.client() as client:
            (await client.ask("GET", "/v1/sessions", headers={name: value})).problem(403, "not-allowed")
        [found] = await recorded(trail)
        assert (found.who, found.what, found.outcome) == ("", "login", "refused")
        assert (found.detail["error"], found.detail["by"]) == ("not-allowed", "tcp")


async def test_strangers_neither_fill_the_disk_nor_have_others_passed_over(tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    audit = Audit(trail)
    access = Access(tokens(), audit=audit)
    scope: Any = {"state": {}, "headers": [(b"authorization", b"Bearer wrong")], "client": ("127.0.0.1", 1)}
    for _ in range(2000):
        with pytest.raises(AccessError):
            access.actor(scope)
    with pytest.raises(AccessError):
        audit.check_everything(READER, "read the audit trail")
    audit.close()
    records = await recorded(trail)
    await trail.aclose()
    whose = [(record.what, record.who, record.door) for record in records]
    assert whose == [("login", "", "")] * 500 + [("admin", "reader", "tcp"), ("audit.uncounted", "", "tcp")]
    assert records[-1].detail == {"refused": 1500}


async def test_what_strangers_choose_is_cut(tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    told: dict[str, Any] = {"by": "gateway", "address": "1", "attempts": 3, "reason": "b" * 5000}
    Audit(trail).refuse(None, "login", "a" * 5000, "not-allowed", **told)
    [record] = await recorded(trail)
    await trail.aclose()
    assert (len(record.alias), len(record.detail["reason"])) == (256, 256)
    assert record.detail["attempts"] == 3


@pytest.mark.parametrize(("how", "there"), [("full", {"command"}), ("hash", {"command_sha256"}), ("off", set())])
async def test_how_commands_are_recorded(tmp_path: Path, how: str, there: set[str]) -> None:
    async with audited(tmp_path, commands=how) as (door, trail):
        await door.fleet.run(ROOT, "up", "true")
        begun = (await recorded(trail))[0]
        assert begun.detail.keys() == there
        if how == "hash":
            assert begun.detail["command_sha256"] == hashlib.sha256(b"true").hexdigest()


async def test_nothing_secret_is_in_it(tmp_path: Path) -> None:
    async with audited(tmp_path) as (door, _):
        _, secret = await door.fleet.tokens.create(ROOT, "ci", [Action.RUN], "all", 60.0)
        invitation = await door.fleet.agents.invite(ROOT, "web1")
        await door.fleet.start(ROOT, f"new://user:{MARKER}@127.0.0.1:1")
        await door.fleet.run(ROOT, "up", "cat", input=MARKER, env={"SECRET": MARKER})
        await door.fleet.approve(ROOT, door.waiting("device2"), "core2", username="a", password=MARKER)
        with pytest.raises(InvalidInput):
            await door.fleet.start(ROOT, f"://x:{MARKER}@h")
        with pytest.raises(MooringError):
            await _rpc_with_secret(door)
        async with door.client(token=secret.reveal()) as client:
            await client.ask("POST", "/v1/sessions/up/run", {"command": "true"})
            await client.ask("GET", f"/v1/sessions/up:{MARKER}@x")
        async with door.client(token=MARKER) as client:
            (await client.ask("GET", "/v1/sessions")).problem(401, "unauthenticated")
        secrets: list[Secret | str] = [secret, invitation.token, MARKER, TOKEN]
        kept = (tmp_path / "audit.journal").read_bytes()
        assert b"admin.token.create" in kept
    kept += b"".join(path.read_bytes() for path in tmp_path.glob("audit*"))
    assert b"admin.token.create" in kept
    for each in secrets:
        assert (each.reveal() if isinstance(each, Secret) else each).encode() not in kept


async def _rpc_with_secret(door: Running) -> None:
    config = custom(
        f"<edit-config><target><running/></target><config><password>{MARKER}</password></config></edit-config>"
    )
    async for _ in door.fleet.netconf.rpc(ROOT, "up", config):
        pass


async def test_a_file_has_its_size_and_hash(tmp_path: Path, sshd: Sshd) -> None:
    content = b"0123456789" * 100_000
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        async with audited(tmp_path) as (door, trail):
            await door.hold_sshd("real", sshd)

            async def parts() -> AsyncIterator[bytes]:
                yield content[:333]
                yield content[333:]

            path = f"{folder}/there"
            await door.fleet.files.write(ROOT, "real", path, parts())
            reading = door.fleet.files.read(ROOT, "real", path, lambda info: (0, info.size))
            async with contextlib.aclosing(reading) as found:
                async for _ in found:
                    pass
            ends = [record for record in await recorded(trail) if record.outcome == "done"]
            assert [record.what for record in ends] == ["files.write", "files.read"]
            for record in ends:
                assert (record.detail["bytes"], record.detail["sha256"]) == (
                    len(content),
                    hashlib.sha256(content).hexdigest(),
                )


async def test_each_file_of_a_copy_has_its_size_and_hash(tmp_path: Path, sshd: Sshd) -> None:
    contents = {"large": os.urandom(3_000_000), "small": b"small", "empty": b""}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
            (Path(folder) / name).chmod(0o644)
        async with audited(tmp_path) as (door, trail):
            await door.hold_sshd("real", sshd)
            sources = [Named("real", f"{folder}/{name}") for name in contents]
            async for step in door.fleet.files.copy(ROOT, sources, Named("real", f"{folder}/there/")):
                assert step.failed is None
            records = await recorded(trail)
            [begun] = [record for record in records if record.outcome == "begun"]
            found = {record.detail["path"]: record.detail for record in records if record.what == "files.copied"}
            for name, content in contents.items():
                assert (Path(folder) / "there" / name).read_bytes() == content
                assert found[f"real:{folder}/{name}"] == {
                    "path": f"real:{folder}/{name}",
                    "to": f"{folder}/there/{name}",
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "within": begun.seq,
                }


async def test_the_fleet_and_its_parts_are_recorded_in_one_place(tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    async with Pool(config=None) as pool, CallHomeServer("127.0.0.1", 0, pool=pool) as home:
        audit = Audit(trail)
        fleet = Fleet(pool, None, None, agents=Agents(home, None), audit=audit)
        assert fleet.audit is fleet.agents.audit is fleet.tokens.audit is audit
    await trail.aclose()
