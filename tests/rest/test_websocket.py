"""The channel's WebSocket: a real client, a real sshd, and every way in which it ends."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mooring.model.access import ADMIN, Action, Actor
from mooring.model.audit import AuditQuery
from mooring.model.problem import from_problem
from mooring.rest import websocket
from mooring.service import Audit
from mooring.service.audit import Deed
from mooring.simulate import FaultyLink
from mooring.store.audit.trail import Trail
from mooring.wire.channel import (
    MAX_MESSAGE,
    WINDOW_SIZE,
    Kind,
    Opening,
    Terminal,
    frame,
    read_exit,
    read_problem,
)
from tests.peers.sshd import Sshd
from tests.session.odd import OddServer

from .door import BOUND, READER, RUNNER, TOKEN, Running, running, until_process
from .talking import Channel, channel

pytestmark = pytest.mark.anyio

MEGABYTE = 1 << 20


@pytest.fixture
async def ssh(door: Running, sshd: Sshd) -> Running:
    """A door over web1, a real sshd."""
    await door.hold_sshd("web1", sshd)
    return door


async def test_a_command(ssh: Running) -> None:
    async with channel(ssh) as client:
        assert (await client.open("exec", command="cat; echo err >&2; exit 3")).kind is Kind.OPENED
        await client.send(b"some input")
        await client.socket.send(client.side.stdin_eof())
        out, err, last = await client.rest()
    assert (out, err, read_exit(last.payload)) == (b"some input", b"err\n", (3, None))
    await ssh.idle()


async def test_an_environment(ssh: Running) -> None:
    async with channel(ssh) as client:
        await client.open("exec", command="echo $MOORING_X", env={"MOORING_X": "höß"})
        assert (await client.rest())[0] == "höß\n".encode()


async def test_a_shell_in_a_terminal(ssh: Running) -> None:
    async with channel(ssh) as client:
        await client.open("shell", term=Terminal("xterm", 132, 43))
        await client.receive()  # the window
        await client.send(b"stty size; echo $TERM; read x; stty size; exit 5\n")
        seen = b""
        while b"xterm" not in seen.replace(b"$TERM", b""):
            seen += (await client.receive()).payload
        await client.socket.send(client.side.resize(80, 24))
        await client.send(b"\n")
        out, _, last = await client.rest()
    assert b"43 132" in seen
    assert b"24 80" in out
    assert read_exit(last.payload) == (5, None)


async def test_a_subsystem(ssh: Running) -> None:
    async with channel(ssh) as client:
        await client.open("subsystem", subsystem="sftp")
        await client.send(bytes((0, 0, 0, 5, 1, 0, 0, 0, 3)))  # SSH_FXP_INIT, version 3
        while (came := await client.receive()).kind is not Kind.STDOUT:
            pass
    assert came.payload[4:9] == bytes((2, 0, 0, 0, 3))  # SSH_FXP_VERSION


async def test_a_tcp_connection(ssh: Running) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, channel(ssh) as client:
        port = server.sockets[0].getsockname()[1]
        await client.open("direct-tcpip", host="127.0.0.1", port=port)
        await client.send(b"hello\n")
        out, _, last = await client.rest()
    assert (out, last.kind) == (b"HELLO\n", Kind.EXIT)


async def test_a_hundred_megabytes_each_way(ssh: Running) -> None:
    block = os.urandom(WINDOW_SIZE // 4)
    count = 100 * MEGABYTE // len(block)
    sent, came = hashlib.sha256(), hashlib.sha256()
    ours = psutil.Process()
    room = asyncio.Event()

    async def pour(client: Channel) -> None:
        for _ in range(count):
            while client.side.window < len(block):
                room.clear()
                await room.wait()
            sent.update(block)
            await client.socket.send(client.side.stdin(block))
        await client.socket.send(client.side.stdin_eof())

    async with channel(ssh) as client:
        await client.open("exec", command="cat")
        before = ours.memory_info().rss
        pouring = asyncio.create_task(pour(client))
        most = before
        while (frame := await client.receive()).kind is not Kind.EXIT:
            room.set()
            if frame.kind is Kind.STDOUT:
                came.update(frame.payload)
                most = max(most, ours.memory_info().rss)
        await pouring
    assert came.digest() == sent.digest()
    assert most - before < 32 * MEGABYTE


async def test_a_reader_that_stands_still_stops_the_far_side(ssh: Running) -> None:
    ours = psutil.Process()
    async with channel(ssh, max_queue=2) as client:
        await client.open("exec", command="head -c 100000000 /dev/zero")
        before = ours.memory_info().rss
        async with ssh.client() as other:  # which is not held up
            for _ in range(20):
                assert (await other.ask("POST", "/v1/sessions/web1/run", {"command": "true"})).status == 200
        assert ours.memory_info().rss - before < 32 * MEGABYTE
        size = 0
        while (frame := await client.receive()).kind is not Kind.EXIT:
            size += len(frame.payload) if frame.kind is Kind.STDOUT else 0
    assert size == 100_000_000


async def test_a_signal_passes_input_that_nobody_reads(ssh: Running, unused_number: str) -> None:
    async with channel(ssh) as client:
        await client.open("exec", command=f"exec sleep {unused_number}")
        await client.receive()
        await client.send(bytes(WINDOW_SIZE))
        await until_process(unused_number, there=True)
        await client.socket.send(client.side.signal("TERM"))
        _, _, last = await client.rest()
    assert read_exit(last.payload) == (-1, "TERM")


@pytest.mark.parametrize("how", ["closes", "resets"])
async def test_a_client_that_leaves_ends_what_it_opened(ssh: Running, unused_number: str, how: str) -> None:
    async with channel(ssh) as client:
        await client.open("exec", command=f"exec sleep {unused_number}")
        await until_process(unused_number, there=True)
        if how == "resets":
            client.socket.transport.abort()
    await until_process(unused_number, there=False)
    await ssh.idle()


async def test_a_client_that_leaves_and_had_stood_still(ssh: Running) -> None:
    async with channel(ssh, max_queue=2) as client:
        await client.open("exec", command="cat /dev/zero")
        client.socket.transport.abort()
    await ssh.idle()


async def test_a_client_that_leaves_while_it_opens(ssh: Running) -> None:
    # Every slot is taken, so that the opening waits.
    async with contextlib.AsyncExitStack() as stack:
        while ssh.pool["web1"].status().channels.open < ssh.pool["web1"].status().channels.limit - 1:
            holder = await stack.enter_async_context(channel(ssh))
            await holder.open("exec", command="cat")
        waiting = await stack.enter_async_context(channel(ssh))
        await waiting.socket.send(waiting.side.open(Opening("exec", command="cat")))
        async with asyncio.timeout(BOUND):
            while not ssh.pool["web1"].status().channels.waiting:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
            waiting.socket.transport.abort()
            while ssh.pool["web1"].status().channels.waiting:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
    await ssh.idle()


async def test_a_client_that_leaves_before_the_far_side_has_opened_begins_nothing(door: Running) -> None:
    admitted = asyncio.Event()
    async with OddServer(admit=admitted.wait) as server:
        known = {"host_key": server.pin, "agent_path": None, "identity": "none"}
        await door.pool.start(f"web1://somebody@127.0.0.1:{server.port}", **known)
        await door.pool["web1"].wait_up(timeout=BOUND)
        async with channel(door) as client:
            await client.socket.send(client.side.open(Opening("exec", command="begin")))
            await server.wait(lambda: server.opened == 1)
        await gone(door)
        admitted.set()
        await server.wait(lambda: server.closed == 1)
        assert server.commands == []
        await door.idle()


async def test_a_client_that_leaves_as_its_command_begins_ends_it(
    tmp_path: Path, sshd: Sshd, unused_number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = asyncio.Event()
    monkeypatch.setattr(Deed, "kept", lambda _: kept.wait())  # the disk is waited for before the client is told
    trail = await Trail.open(tmp_path)
    try:
        async with running(tmp_path, audit=Audit(trail)) as door:
            await door.hold_sshd("web1", sshd)
            async with channel(door) as client:
                await client.socket.send(client.side.open(Opening("exec", command=f"exec sleep {unused_number}")))
                await until_process(unused_number, there=True)
            await until_process(unused_number, there=False)
            await door.idle()
        told = (await trail.page(AuditQuery(what="run.exec"), ascending=True, limit=9)).records
    finally:
        await trail.aclose()
    assert [one.outcome for one in told] == ["begun", "cancelled"]


async def gone(door: Running) -> None:
    """Wait until no connection to the daemon is left."""
    async with asyncio.timeout(BOUND):
        while door.server.connections:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_a_link_that_is_cut(door: Running, sshd: Sshd) -> None:
    async with FaultyLink("127.0.0.1", sshd.port) as link:
        await door.hold_sshd("web1", sshd, link.port)
        async with channel(door) as client:
            await client.open("exec", command="sleep 60")
            link.cut()
            _, _, last = await client.rest()
    assert read_problem(last.payload)["code"] == "session-lost"


async def test_openings_that_fail(ssh: Running) -> None:
    for fields, code in (
        ({"kind": "subsystem", "subsystem": "nothing"}, "channel-refused"),
        ({"kind": "direct-tcpip", "host": "127.0.0.1", "port": 1}, "channel-refused"),
        ({"kind": "exec", "command": " "}, "invalid-input"),
        ({"kind": "exec", "command": "true", "env": {"A=": ""}}, "invalid-input"),
    ):
        async with channel(ssh) as client:
            came = await client.open(**fields)
            assert came.kind is Kind.ERROR
            problem = read_problem(came.payload)
            assert (problem["code"], from_problem(problem).code) == (code, code)
            with pytest.raises(ConnectionClosed):
                await client.socket.recv()


async def test_a_session_that_is_not_up(door: Running) -> None:
    await door.ask("POST", "/v1/sessions", {"target": "web1://127.0.0.1:1"})
    async with channel(door) as client:
        assert read_problem((await client.open("shell")).payload)["code"] == "session-not-up"


async def test_what_is_not_granted(held: Running) -> None:
    async with channel(held, token=READER) as client:
        assert read_problem((await client.open("exec", command="true")).payload)["code"] == "not-allowed"
    async with channel(held, token=RUNNER) as client:
        assert read_problem((await client.open("shell")).payload)["code"] == "not-allowed"
    async with channel(held, token=RUNNER) as client:
        assert (await client.open("exec", command="true")).kind is Kind.OPENED


OPENINGS: dict[Action, dict[str, Any]] = {
    Action.RUN: {"kind": "exec", "command": "true"},
    Action.SHELL: {"kind": "shell"},
    Action.FILES: {"kind": "subsystem", "subsystem": "sftp"},
    Action.NETCONF: {"kind": "subsystem", "subsystem": "netconf"},
    Action.PIPE: {"kind": "pipe", "command": "cat"},
    Action.FORWARD: {"kind": "direct-tcpip", "host": "127.0.0.1", "port": 1},
}


@pytest.mark.parametrize("granted", OPENINGS)
async def test_each_opening_takes_its_own_action_and_no_other(ssh: Running, granted: Action) -> None:
    root = Actor(name="root", door="unix", grants=(ADMIN,))
    _, secret = await ssh.fleet.tokens.create(root, "one", [granted], "web1", expires_in=None)
    for action, opening in OPENINGS.items():
        async with channel(ssh, token=secret.reveal()) as client:
            came = await client.open(**opening)
            code = None if came.kind is Kind.OPENED else read_problem(came.payload)["code"]
        if action is granted:
            assert code in {None, "channel-refused"}, "by the far side, which has no such thing"
        else:
            assert code == "unknown-alias", "as of any that it may not read"


@pytest.mark.parametrize("selector", ["web1", "other*"])
async def test_who_may_open_nothing_is_not_told_that_there_is_a_session(held: Running, selector: str) -> None:
    root = Actor(name="root", door="unix", grants=(ADMIN,))
    actions = [Action.APPROVE] if selector == "web1" else frozenset(Action)
    _, secret = await held.fleet.tokens.create(root, "one", actions, selector, expires_in=None)
    told = []
    for alias in ("web1", "nobody"):
        with pytest.raises(InvalidStatus) as caught:
            async with channel(held, alias, token=secret.reveal()):
                pass
        body = caught.value.response.body or b""
        told.append((caught.value.response.status_code, body.replace(alias.encode(), b"")))
    assert told[0] == told[1]
    assert told[0][0] == 404


OPEN = b'\x00{"kind":"exec","command":"cat"}'


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (["text"], "a message must be binary"),
        ([b""], "an empty message is no frame"),
        ([b"\x77"], "0x77 is no kind of frame"),
        ([frame(Kind.STDIN, b"x")], "STDIN may not come now: the channel is new"),
        ([b'\x00{"kind":"exec","command":"hunter2"'], "no JSON"),
        ([b'\x00{"kind":"exec","command":"x","pass":"hunter2"}'], "OPEN has no member 'pass'"),
        ([b"\x00" + bytes(MAX_MESSAGE)], f"a message has {MAX_MESSAGE + 1} bytes"),
        ([OPEN, OPEN], "OPEN may not come now"),
        ([OPEN, None, frame(Kind.STDIN, bytes(WINDOW_SIZE + 1))], "the window has room for"),
        ([OPEN, None, frame(Kind.RESIZE, b"[]")], "no JSON object"),
        ([OPEN, None, frame(Kind.SIGNAL, b"kill")], "a SIGNAL is a name"),
        ([OPEN, None, "text"], "a message must be binary"),
        ([OPEN, None, frame(Kind.STDIN_EOF), frame(Kind.STDIN, b"x")], "STDIN may not come now"),
    ],
)
async def test_what_may_not_be_sent(held: Running, messages: list[bytes | str | None], words: str) -> None:
    async with channel(held) as client:
        for message in messages:
            if message is None:
                assert (await client.socket.recv())[0] == Kind.OPENED
                assert (await client.socket.recv())[0] == Kind.WINDOW
            else:
                await client.socket.send(message)
        while (last := await client.socket.recv())[0] != Kind.ERROR:
            pass
        problem = json.loads(last[1:])
        assert problem["code"] == "invalid-input"
        assert words in problem["detail"]
        assert "hunter2" not in str(problem)
        with pytest.raises(ConnectionClosed):
            await client.socket.recv()
    await held.idle()


async def test_silence_where_an_opening_should_come(held: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "OPEN_TIMEOUT", 0.05)
    async with channel(held) as client:
        assert json.loads((await client.socket.recv())[1:])["code"] == "wait-timeout"


@pytest.mark.parametrize(
    ("alias", "headers", "status", "code"),
    [
        ("nobody", {}, 404, "unknown-alias"),
        ("web1", {"Authorization": "Bearer wrong"}, 401, "unauthenticated"),
        ("web1", {"Origin": "http://evil.example"}, 403, "not-allowed"),
    ],
)
async def test_refused_before_it_is_a_websocket(
    held: Running, alias: str, headers: dict[str, str], status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with channel(held, alias, headers=headers):
            pass
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["content-type"] == "application/problem+json"
    assert json.loads(caught.value.response.body or b"")["code"] == code


async def test_no_websocket_there(held: Running) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(
            f"ws://localhost:{held.port}/v1/nothing",
            additional_headers={"Authorization": f"Bearer {TOKEN}"},
            proxy=None,
        ):
            pass
    assert caught.value.response.status_code in {403, 404}


async def test_without_an_upgrade(held: Running) -> None:
    answer = await held.ask("GET", "/v1/sessions/web1/channel")
    answer.problem(426, "upgrade-required")
    assert answer.headers["upgrade"] == "websocket"
    (await held.ask("GET", "/v1/sessions/nobody/channel")).problem(404, "unknown-alias")
