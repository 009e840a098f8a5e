"""Visits and what is asked for at the gateway are recorded, refusals too; what cannot be seen is said to be unseen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN, MSG_CHANNEL_REQUEST, MSG_DISCONNECT
from asyncssh.packet import Boolean, String, UInt32

from mooring import Pool
from mooring.gateway import forwards
from mooring.model.access import ADMIN, Action, Actor
from mooring.model.audit import AuditQuery, AuditRecord
from mooring.model.errors import StateError
from mooring.service import Audit
from mooring.simulate import FaultyLink
from mooring.simulate.ports import ReservedPort
from mooring.store.audit.trail import Trail
from tests.peers.agent import Agent
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold

from .deaf import Device, connect, deaf
from .door import PATIENCE, Door, make_key, opened, run, user

pytestmark = pytest.mark.anyio

ROOT = Actor(name="root", door="unix", grants=(ADMIN,))
Recorded = tuple[Door, Trail]


@pytest.fixture
async def recorded(pool: Pool, sshd: Sshd, tmp_path: Path) -> AsyncIterator[Recorded]:
    await hold(pool, "core1", sshd)
    trail = await Trail.open(tmp_path)
    async with opened(pool, tmp_path, Audit(trail)) as door:
        yield door, trail
    await trail.aclose()


async def records(trail: Trail, ends: int) -> list[AuditRecord]:
    """What there is once so many things have ended: the visitor has left a moment before us."""
    async with asyncio.timeout(PATIENCE):
        while True:
            page = await trail.page(AuditQuery(), ascending=True)
            found = [record for record in page.records if record.door != "mooringd"]
            if sum(record.outcome not in {"begun", "refused"} for record in found) >= ends:
                return found
            await asyncio.sleep(0.02)


def told(found: list[AuditRecord]) -> set[tuple[str, str, str]]:
    return {(record.who, record.what, record.outcome) for record in found}


async def test_a_command(recorded: Recorded) -> None:
    door, trail = recorded
    done = await door.ssh("core1", "--", "echo in; exit 3")
    assert (done.out, done.status) == (b"in\n", 3)
    found = await records(trail, 2)
    assert told(found) == {
        ("ann", "login", "begun"),
        ("ann", "login", "done"),
        ("ann", "run.exec", "begun"),
        ("ann", "run.exec", "done"),
    }
    assert {record.alias for record in found} == {"core1"}
    assert found[0].detail["address"] == "127.0.0.1"
    assert found[1].detail["command"] == "echo in; exit 3"
    [end] = [record for record in found if (record.what, record.outcome) == ("run.exec", "done")]
    assert end.detail["exit_status"] == 3


async def test_what_the_device_does_not_start(recorded: Recorded) -> None:
    door, trail = recorded
    await door.ssh("core1", "-s", "--", "no-such")
    [end] = [one for one in await records(trail, 2) if (one.what, one.outcome) == ("run.subsystem", "failed")]
    assert end.detail["error"] == "channel-refused"


async def test_a_connection_too_many(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.gateway.visitor._CONNECTIONS", 0)
    door, trail = recorded
    assert b"too many connections" in (await door.ssh("core1", "--", "echo in")).err
    [record] = await records(trail, 0)
    assert (record.who, record.door, record.what, record.alias) == ("ann", "gateway", "login", "core1")
    assert record.detail == {"address": "127.0.0.1", "error": "too-many-connections"}


async def test_files_over_sftp(recorded: Recorded, shared: Path) -> None:
    door, trail = recorded
    here = shared / "from"
    here.write_bytes(b"0123456789" * 100_000)
    batch = (
        f"mkdir {shared}/d\nput {here} {shared}/d/a\nget {shared}/d/a {shared}/again\n"
        f"rename {shared}/d/a {shared}/d/b\nrm {shared}/d/b\n-rm {shared}/none\n"
    )
    sftp = ["sftp", "-b", "-", *door.options(), "-P", str(door.port), "core1@127.0.0.1"]
    done = await run(*sftp, stdin=batch.encode())
    assert done.status == 0, done
    found = await records(trail, 2)
    [begun] = [one for one in found if one.what == "files.subsystem" and one.outcome == "begun"]
    assert begun.detail == {"subsystem": "sftp"}
    [end] = [one for one in found if one.what == "files.subsystem" and one.outcome == "done"]
    assert "files" not in end.detail
    seen = [one for one in found if one.detail.get("within") == begun.seq]
    assert {(one.who, one.door, one.alias) for one in seen} == {("ann", "gateway", "core1")}
    told = [(one.what, one.outcome, one.detail["path"], one.detail.get("bytes")) for one in seen]
    size = here.stat().st_size
    for expected in [
        ("files.mkdir", "done", f"{shared}/d", None),
        ("files.write", "done", f"{shared}/d/a", size),
        ("files.read", "done", f"{shared}/d/a", size),
        ("files.rename", "done", f"{shared}/d/a", None),
        ("files.remove", "done", f"{shared}/d/b", None),
    ]:
        assert expected in told
    assert (shared / "again").read_bytes() == here.read_bytes()


async def test_files_that_are_not_recorded_any_more_end_the_channel(
    recorded: Recorded, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, trail = recorded
    (shared / "a").write_bytes(b"content")
    async with (
        asyncio.timeout(PATIENCE),
        connect(door, "core1") as connection,
        connection.start_sftp_client() as sftp,
    ):
        assert await (await sftp.open(f"{shared}/a", "rb")).read() == b"content"
        with monkeypatch.context() as full:
            full.setattr(trail, "_moved", lambda _: None)  # it does not find out that all is well
            full.setattr(trail, "_fault", StateError("the disk is full"))  # as a failed commit leaves it
            with pytest.raises((asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)):
                await sftp.remove(f"{shared}/a")
    assert (shared / "a").exists()
    found = await records(trail, 3)
    assert "files.remove" not in {one.what for one in found}
    [end] = [one for one in found if one.what == "files.subsystem" and one.outcome != "begun"]
    assert (end.outcome, end.detail["error"]) == ("failed", "state-error")


async def test_what_is_no_sftp_is_said_to_be_unseen(recorded: Recorded) -> None:
    door, trail = recorded
    await door.ssh("core1", "-s", "--", "sftp", stdin=b"GET / HTTP/1.1\r\n\r\n")
    [end] = [one for one in await records(trail, 2) if one.what == "files.subsystem" and one.outcome != "begun"]
    assert end.detail["files"] == "unseen"


async def test_files_by_another_protocol_are_unseen(recorded: Recorded) -> None:
    door, trail = recorded
    await door.ssh("core1", "--", "scp -f /none/such")
    [begun] = [one for one in await records(trail, 2) if one.what == "run.exec" and one.outcome == "begun"]
    assert begun.detail == {"command": "scp -f /none/such", "files": "unseen"}


async def test_a_connection(recorded: Recorded, sshd: Sshd) -> None:
    door, trail = recorded
    done = await door.ssh("core1", "-W", f"127.0.0.1:{sshd.port}")
    assert done.out.startswith(b"SSH-2.0-")
    found = await records(trail, 2)
    assert ("ann", "forward.connection", "done") in told(found)
    [begun] = [one for one in found if one.what == "forward.connection" and one.outcome == "begun"]
    assert begun.detail["place"] == f"127.0.0.1:{sshd.port}"


async def forward(trail: Trail) -> list[AuditRecord]:
    """The begin and the end of the one connection that was asked for."""
    async with asyncio.timeout(PATIENCE):
        while True:
            page = await trail.page(AuditQuery(what="forward.connection"), ascending=True)
            if len(page.records) >= 2:
                begun, ended = page.records
                assert (begun.outcome, ended.of) == ("begun", begun.seq)
                return [begun, ended]
            await asyncio.sleep(0.02)


def ask(connection: asyncssh.SSHClientConnection, port: int) -> None:
    """Ask for a connection, and do not wait for the answer."""
    place = String("127.0.0.1") + UInt32(port)
    numbers = UInt32(0) + UInt32(1000) + UInt32(1000)
    connection.send_packet(MSG_CHANNEL_OPEN, String("direct-tcpip"), numbers, place, String("x"), UInt32(1))


@pytest.mark.parametrize("leave", ["disconnect", "close"])
async def test_a_connection_of_who_leaves_in_the_same_breath_ends(recorded: Recorded, sshd: Sshd, leave: str) -> None:
    door, trail = recorded
    async with asyncio.timeout(PATIENCE), connect(door, "core1") as connection:
        ask(connection, sshd.port)
        if leave == "disconnect":
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, "bye")
        else:
            connection._transport.close()  # noqa: SLF001 - no other way to leave without a word
        await connection.wait_closed()
    _, ended = await forward(trail)
    assert ended.outcome in {"cancelled", "done"}  # the second where it was open by then


async def test_a_connection_that_no_device_answers_ends_with_the_visitor(pool: Pool, tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    async with deaf(pool, tmp_path, Audit(trail)) as (door, device), asyncio.timeout(PATIENCE):
        asked, never = asyncio.Event(), asyncio.Event()

        async def wait() -> bool:
            asked.set()
            await never.wait()
            return False

        device.connection_requested = lambda *_: wait()  # type: ignore[method-assign, assignment]
        async with connect(door) as connection:
            ask(connection, 9)
            await asked.wait()
            connection.abort()
        _, ended = await forward(trail)
        assert ended.outcome == "cancelled"
        never.set()
    await trail.aclose()


async def test_a_connection_that_no_device_answers_in_time_has_failed(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwards, "_ANSWER", 0.1)
    trail = await Trail.open(tmp_path)
    async with deaf(pool, tmp_path, Audit(trail)) as (door, device), asyncio.timeout(PATIENCE):
        never = asyncio.Event()

        async def wait() -> bool:
            await never.wait()
            return False

        device.connection_requested = lambda *_: wait()  # type: ignore[method-assign, assignment]
        async with connect(door) as connection:
            with pytest.raises(asyncssh.ChannelOpenError, match="no answer"):
                await connection.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 9)
            _, ended = await forward(trail)
            assert (ended.outcome, ended.detail["error"]) == ("failed", "forward-refused")
            never.set()
    await trail.aclose()


@contextlib.asynccontextmanager
async def busy(
    door: Door, device: Device, **who: Any
) -> AsyncIterator[tuple[asyncssh.SSHClientConnection, asyncssh.SSHClientProcess[bytes]]]:
    """A visitor with a command and a connection that go on."""

    async def hold(reader: asyncssh.SSHReader[bytes], _: asyncssh.SSHWriter[bytes]) -> None:
        await reader.read()

    device.connection_requested = lambda *_: hold  # type: ignore[method-assign]
    async with connect(door, **who) as connection:
        process = await connection.create_process("go on", encoding=None)
        await connection.open_connection("127.0.0.1", 9, encoding=None)
        yield connection, process


def ends(found: list[AuditRecord]) -> dict[str, tuple[str, object]]:
    """How each thing ended, and why."""
    return {
        one.what: (one.outcome, one.detail.get("reason", one.detail.get("error")))
        for one in found
        if one.of is not None
    }


async def revoke(door: Door) -> None:
    await door.gateway.fleet.tokens.revoke(ROOT, "short")


async def remove(door: Door) -> None:
    door.allow()


async def close(door: Door) -> None:
    await door.gateway.aclose(PATIENCE)


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        (revoke, "the token has ended"),
        (remove, "no user of this gateway any more"),
        (close, "the daemon ends"),
    ],
)
async def test_a_visitor_who_is_cut_off(
    pool: Pool, tmp_path: Path, cut: Callable[[Door], Awaitable[None]], reason: str
) -> None:
    trail = await Trail.open(tmp_path)
    async with deaf(pool, tmp_path, Audit(trail)) as (door, device), asyncio.timeout(PATIENCE):
        who: dict[str, Any] = {}
        if cut is revoke:
            door.allow()  # where nobody is named, tokens will do
            _, secret = await door.gateway.fleet.tokens.create(ROOT, "short", list(Action), "all", expires_in=None)
            who = {"password": secret.reveal(), "client_keys": None}
        async with busy(door, device, **who) as (connection, _):
            await cut(door)
            await connection.wait_closed()
        how = ("cancelled", reason)
        found = [one for one in await records(trail, 3) if not one.what.startswith("admin")]
        assert ends(found) == {"login": how, "run.exec": how, "forward.connection": how}
    await trail.aclose()


async def test_a_visitor_who_answers_no_more(pool: Pool, tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    async with (
        deaf(pool, tmp_path, Audit(trail), keepalive=0.05) as (door, device),
        FaultyLink("127.0.0.1", door.port) as link,
        asyncio.timeout(PATIENCE),
        busy(door, device, port=link.port) as (connection, _),
    ):
        link.blackhole()
        how = ("cancelled", "Client not responding to keepalive")
        assert ends(await records(trail, 3)) == {"login": how, "run.exec": how, "forward.connection": how}
        connection.abort()
    await trail.aclose()


@pytest.mark.parametrize("leave", ["disconnect", "with words of ours", "close"])
async def test_a_visitor_who_leaves_ends_the_visit_and_cuts_off_the_command(
    pool: Pool, tmp_path: Path, leave: str
) -> None:
    trail = await Trail.open(tmp_path)
    async with deaf(pool, tmp_path, Audit(trail)) as (door, device), asyncio.timeout(PATIENCE):
        async with busy(door, device) as (connection, _):
            if leave == "disconnect":
                connection.disconnect(asyncssh.DISC_BY_APPLICATION, "bye")
            elif leave == "with words of ours":
                connection.disconnect(asyncssh.DISC_PROTOCOL_ERROR, "the token has ended")
            else:
                connection._transport.close()  # type: ignore[union-attr] # noqa: SLF001 - no other way to leave without a word
        assert ends(await records(trail, 3)) == {
            "login": ("done", None),
            "run.exec": ("cancelled", None),
            "forward.connection": ("done", None),
        }
    await trail.aclose()


async def test_a_visitor_who_breaks_the_protocol(pool: Pool, tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    async with deaf(pool, tmp_path, Audit(trail)) as (door, device), asyncio.timeout(PATIENCE):
        async with busy(door, device) as (connection, _):
            connection.send_packet(MSG_DISCONNECT, UInt32(2), b"half a message")
            await connection.wait_closed()
        how = ("cancelled", "Incomplete packet")
        assert ends(await records(trail, 3)) == {"login": how, "run.exec": how, "forward.connection": how}
    await trail.aclose()


async def test_a_channel_on_which_something_cannot_be_read(pool: Pool, tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    async with deaf(pool, tmp_path, Audit(trail)) as (door, device), asyncio.timeout(PATIENCE):
        async with busy(door, device) as (_, process):
            process.channel.send_packet(MSG_CHANNEL_REQUEST, String("window-change"), Boolean(value=False), UInt32(80))
            await process.wait_closed()
            found = await records(trail, 1)
        assert ends(found) == {"run.exec": ("cancelled", "too much was asked on its channel, or what cannot be read")}
        await records(trail, 3)
    await trail.aclose()


@pytest.mark.parametrize("listens", [False, True])
async def test_a_session_that_is_lost_meanwhile(pool: Pool, tmp_path: Path, *, listens: bool) -> None:
    trail = await Trail.open(tmp_path)
    async with deaf(pool, tmp_path, Audit(trail)) as (door, device), asyncio.timeout(PATIENCE):
        async with busy(door, device) as (connection, process):
            if listens:
                await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
            device.connections[-1].abort()
            await (connection if listens else process).wait_closed()
        lost = ("failed", "session-lost")
        expected = {"run.exec": lost, "forward.connection": lost, "login": lost if listens else ("done", None)}
        assert ends(await records(trail, 3 + listens)) == expected | ({"forward.listen": lost} if listens else {})
    await trail.aclose()


async def refused(trail: Trail) -> list[tuple[str, dict[str, object]]]:
    """What was refused, and how that is told."""
    page = await trail.page(AuditQuery(outcome="refused"), ascending=True)
    return [(record.what, dict(record.detail)) for record in page.records]


async def test_forwards_that_a_key_does_not_allow(recorded: Recorded) -> None:
    door, trail = recorded
    public = door.key.with_suffix(".pub")
    public.write_text(f"restrict {public.read_text()}")
    door.allow(user("ann", door.key))
    async with asyncio.timeout(PATIENCE), connect(door, "core1") as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 9)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
    await records(trail, 1)
    assert await refused(trail) == [
        ("forward.connection", {"place": "127.0.0.1:9", "error": "not-allowed"}),
        ("forward.listen", {"place": "127.0.0.1:0", "error": "not-allowed"}),
    ]


async def test_listeners_that_nobody_can_be_told_the_want_of(
    recorded: Recorded, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protocol has no place for a reason, so it is on record."""
    door, trail = recorded
    with contextlib.closing(ReservedPort()) as nobody:
        await pool.start(f"down1://x@127.0.0.1:{nobody.port}", host_key="off")
        async with asyncio.timeout(PATIENCE), connect(door, "down1") as connection:
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
    monkeypatch.setattr(forwards, "_LISTENERS", 1)
    async with asyncio.timeout(PATIENCE), connect(door, "core1") as connection:
        await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
    found = await records(trail, 4)
    [end] = [one for one in found if (one.what, one.outcome) == ("forward.listen", "failed")]
    assert (end.alias, end.detail["error"]) == ("down1", "session-not-up")
    assert await refused(trail) == [("forward.listen", {"place": "127.0.0.1:0", "error": "forward-error"})]


async def test_an_agent(recorded: Recorded, agent: Agent) -> None:
    door, trail = recorded
    command = door.ssh_command("core1", "-A", "--", 'test -S "$SSH_AUTH_SOCK" && echo lent || echo none')
    assert (await run(*command, env=agent.environment)).out == b"none\n"
    found = await records(trail, 2)
    assert await refused(trail) == [("forward.agent", {"error": "not-allowed"})]
    assert ("ann", "forward.agent", "begun") not in told(found)
    door.allow(replace(door.gateway.users.configured[0], agent=True))
    assert (await run(*command, env=agent.environment)).out == b"lent\n"
    found = await records(trail, 5)
    assert {("ann", "forward.agent", "begun"), ("ann", "forward.agent", "done")} <= told(found)


async def test_programs_of_who_may_only_forward(recorded: Recorded, agent: Agent) -> None:
    door, trail = recorded
    door.allow(user("ann", door.key, [Action.FORWARD], agent=True))
    for words, action in [(("-T",), "shell"), (("--", "id"), "run"), (("-s", "--", "netconf"), "netconf")]:
        assert (await door.ssh("core1", *words)).err == f"mooring: ann may not {action} on core1\n".encode()
    await run(*door.ssh_command("core1", "-A", "--", "id"), env=agent.environment)
    await records(trail, 4)
    assert [what for what, _ in await refused(trail)] == ["shell", "run", "netconf", "forward.agent", "run"]


async def test_what_is_refused(recorded: Recorded, tmp_path: Path) -> None:
    door, trail = recorded
    key = make_key(tmp_path, "bob")
    door.allow(user("bob", key, [Action.SHELL]))
    refused = await door.ssh("core1", "--", "echo in", key=key)
    assert refused.status == 255
    stranger = await door.ssh("core1", "--", "echo in", key=make_key(tmp_path, "eve"))
    assert stranger.status == 255
    found = await records(trail, 1)
    async with asyncio.timeout(PATIENCE):
        while ("", "login", "refused") not in told(found):
            await asyncio.sleep(0.02)
            found = await records(trail, 1)
    assert ("bob", "run", "refused") in told(found)
    assert "run.exec" not in {record.what for record in found}
