"""Forwards over a real sshd: both directions, SOCKS, Unix sockets, policies, ends, counts."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mooring import (
    ForwardError,
    ForwardInUse,
    ForwardRefused,
    ForwardState,
    InvalidInput,
    Origin,
    PortTaken,
    Session,
    UnknownForward,
)
from tests.peers.ending import ending
from tests.peers.sshd import Sshd
from tests.session.forward.ends import ask, connected, digest, refused, serving
from tests.session.held import held

pytestmark = pytest.mark.anyio


async def gone(session: Session, name: str) -> None:
    """Wait until nothing goes through a forward."""
    async with asyncio.timeout(30):
        while session.forwards[name].status().connections:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_a_local_forward_on_a_port_of_its_own(session: Session) -> None:
    async with serving() as port, await session.forward_local(0, f"127.0.0.1:{port}", name="web") as forward:
        assert await ask(forward.get_port()) == b"hello"
        assert await ask(forward.get_port(), b"x" * 300_000) == b"x" * 300_000
        await gone(session, "web")
        status = forward.status()
        assert (status.alias, status.name, status.kind, status.state) == ("edge1", "web", "local", "standing")
        assert (status.accepted, status.refused, status.sent, status.received) == (2, 0, 300_005, 300_005)
        assert status.listen == f"127.0.0.1:{forward.get_port()}"
        assert status.destination == f"127.0.0.1:{port}"
        assert repr(forward) == f"<Forward web of edge1: local {status.listen} to {status.destination}, standing>"
    assert forward.state is ForwardState.CLOSED
    with pytest.raises(ConnectionRefusedError):
        await ask(forward.get_port())
    with pytest.raises(UnknownForward):
        session.forwards["web"]


async def test_a_remote_forward_on_a_port_that_the_server_chooses(session: Session) -> None:
    async with serving() as port, await session.forward_remote(0, ("127.0.0.1", port)) as forward:
        assert forward.name == "remote"
        assert await ask(forward.get_port()) == b"hello"
        await gone(session, "remote")
        status = forward.status()
        assert (status.accepted, status.sent, status.received) == (1, 5, 5)
        taken = forward.get_port()
        with pytest.raises(ForwardRefused, match=f"will not listen on localhost:{taken}"):
            await session.forward_remote(taken, ("127.0.0.1", port))
    async with asyncio.timeout(30):
        with pytest.raises(ConnectionRefusedError):
            await ask(taken)


async def test_where_nobody_listens_the_connection_is_cut_and_the_status_says_why(session: Session) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        free = nobody.getsockname()[1]
        async with (
            await session.forward_local(0, f"127.0.0.1:{free}") as near,
            await session.forward_remote(0, f"127.0.0.1:{free}") as far,
        ):
            assert await refused(near.get_port())
            assert near.status().refused == 1
            assert near.status().error == "Connection refused"
            assert await refused(far.get_port())
            assert str(far.status().error).startswith(f"cannot reach 127.0.0.1:{free}: ")


@pytest.mark.parametrize("version", [5, 4])
async def test_socks_leads_where_each_connection_wants(session: Session, version: int) -> None:
    async with serving() as port, await session.forward_socks(0) as forward:
        async with connected(forward.get_port()) as (reader, writer):
            number = port.to_bytes(2, "big")
            if version == 5:
                writer.write(b"\x05\x01\x00")
                assert await reader.readexactly(2) == b"\x05\x00"
                writer.write(b"\x05\x01\x00\x03\x09127.0.0.1" + number + b"hel")
                assert (await reader.readexactly(10))[:2] == b"\x05\x00"
            else:
                writer.write(b"\x04\x01" + number + b"\x00\x00\x00\x01me\x00127.0.0.1\x00hel")
                assert (await reader.readexactly(8))[:2] == b"\x00\x5a"
            writer.write(b"lo")
            writer.write_eof()
            assert await reader.read() == b"hello"
        await gone(session, "socks")
        assert forward.status().accepted == 1


async def test_socks_tells_of_a_refusal(session: Session) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with await session.forward_socks(0) as forward, connected(forward.get_port()) as (reader, writer):
            writer.write(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + nobody.getsockname()[1].to_bytes(2, "big"))
            assert await reader.read() == b"\x05\x00\x05\x01\x00\x01" + bytes(6)
            assert forward.status().error == "Connection refused"


async def test_what_is_no_socks_is_closed(session: Session) -> None:
    async with await session.forward_socks(0) as forward:
        assert await refused(forward.get_port())
        assert forward.status().error == "the client speaks no SOCKS: its first byte is 104"


async def test_unix_sockets_on_either_side(session: Session, folder: Path) -> None:
    near, far, target = folder / "near", folder / "far", folder / "target"
    async with serving() as port, serving(path=target):
        async with await session.forward_local(near, f"127.0.0.1:{port}") as forward:
            assert forward.name == "local-near"
            assert near.stat().st_mode & 0o777 == 0o600
            assert await ask(near) == b"hello"
        assert not near.exists()
        async with await session.forward_local(0, target) as forward:
            assert await ask(forward.get_port()) == b"hello"
        async with await session.forward_remote(far, target):
            if os.geteuid() == 0:
                assert await ask(far) == b"hello"


async def test_a_socket_that_nobody_listens_on_gives_way_and_another_one_does_not(
    session: Session, folder: Path
) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
        with pytest.raises(PortTaken, match="is taken by this process"):
            await session.forward_local(path, "127.0.0.1:1")
    async with serving() as port, await session.forward_local(path, f"127.0.0.1:{port}"):
        assert await ask(path) == b"hello"
    path.write_text("mine")
    with pytest.raises(PortTaken):
        await session.forward_local(path, "127.0.0.1:1")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("kind", ["local", "remote"])
async def test_a_policy_decides_from_the_origin(session: Session, kind: str) -> None:
    seen: list[Origin] = []
    answers: list[object] = []

    def decide(origin: Origin) -> object:
        seen.append(origin)
        return answers.pop(0)

    async with serving() as port:
        make = session.forward_local if kind == "local" else session.forward_remote

        async def later() -> str:
            await asyncio.sleep(0)
            return f"127.0.0.1:{port}"

        answers += [("127.0.0.1", port), later(), None, "nonsense"]
        async with await make(0, name="asked", policy=decide) as forward:  # type: ignore[arg-type]
            assert await ask(forward.get_port()) == b"hello"
            assert await ask(forward.get_port()) == b"hello"
            assert await refused(forward.get_port())
            assert "the policy refused 127.0.0.1:" in str(forward.status().error)
            assert await refused(forward.get_port())
            assert forward.status().error == "the policy failed: InvalidInput"
            assert (forward.status().accepted, forward.status().refused) == (2, 2)
    assert {(origin.forward, origin.host, origin.wanted) for origin in seen} == {("asked", "127.0.0.1", None)}
    assert all(origin.port for origin in seen)


async def test_a_policy_that_decides_nothing_is_given_up(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.session.forward.near.OPEN_TIMEOUT", 0.1)
    given_up = asyncio.Event()

    async def never(origin: Origin) -> None:
        del origin
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async with await session.forward_local(0, policy=never) as forward:
        _, writer = await asyncio.open_connection("127.0.0.1", forward.get_port())
        async with asyncio.timeout(30):
            await given_up.wait()
        writer.close()
        await writer.wait_closed()


async def test_a_session_has_so_many_forwards_and_no_more(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.session.forward.forwards._MOST", 2)
    async with await session.forward_socks(0, name="one"), await session.forward_socks(0, name="two") as two:
        with pytest.raises(ForwardError, match="edge1 has 2 forwards, and may have no more"):
            await session.forward_socks(0)
        two.close()
        await two.wait_closed()
        async with await session.forward_socks(0, name="three"):
            pass


async def test_either_end_may_be_half_closed(session: Session) -> None:
    async def first_to_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        got.set_result(await reader.read())

    got = asyncio.get_running_loop().create_future()
    async with (
        serving(digest) as port,
        serving(first_to_end) as other,
        await session.forward_local(0, f"127.0.0.1:{port}") as to_digest,
        await session.forward_local(0, f"127.0.0.1:{other}") as to_other,
    ):
        data = os.urandom(3_000_000)
        assert await ask(to_digest.get_port(), data) == hashlib.sha256(data).digest()
        async with asyncio.timeout(30), connected(to_other.get_port()) as (reader, writer):
            assert await reader.read() == b"bye"
            writer.write(data)
            writer.write_eof()
            assert await got == data


@pytest.mark.parametrize("kind", ["local", "remote"])
async def test_a_hundred_connections_at_once(session: Session, kind: str) -> None:
    make = session.forward_local if kind == "local" else session.forward_remote
    async with serving() as port, await make(0, f"127.0.0.1:{port}") as forward:
        texts = [os.urandom(20_000) for _ in range(100)]
        gate = asyncio.Event()

        async def one(text: bytes) -> bytes:
            async with connected(forward.get_port()) as (reader, writer):
                writer.write(text[:1])
                first = await reader.readexactly(1)
                waiting.append(first)
                if len(waiting) == 100:
                    gate.set()
                await gate.wait()
                writer.write(text[1:])
                writer.write_eof()
                return first + await reader.read()

        waiting: list[bytes] = []
        async with asyncio.timeout(50):
            assert await asyncio.gather(*map(one, texts)) == texts
        assert session.status().channels.forwarded <= 100
        await gone(session, forward.name)
        assert forward.status().accepted == 100


async def test_a_stuck_reader_stops_neither_the_others_nor_commands(session: Session) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    async with (
        serving(flood) as flooding,
        serving() as port,
        await session.forward_local(0, f"127.0.0.1:{flooding}", name="flood") as stuck,
        await session.forward_local(0, f"127.0.0.1:{port}") as forward,
        connected(stuck.get_port()),
    ):
        async with asyncio.timeout(30):
            before = 0
            while not before or stuck.status().received != before:  # until nothing moves any more
                before = stuck.status().received
                await asyncio.sleep(0.2)
        assert await ask(forward.get_port(), bytes(1_000_000)) == bytes(1_000_000)
        assert (await session.run("echo here", timeout=30)).stdout == "here\n"
        async with connected(stuck.get_port()) as (reader, _):
            assert len(await reader.readexactly(5_000_000)) == 5_000_000


async def test_who_has_a_port_is_looked_up_off_the_loop(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()
    said = threading.Event()

    def look(port: int = 0, path: str = "") -> str:
        loop.call_soon_threadsafe(looked.set)
        assert said.wait(30)  # on the loop it would wait for itself
        return f"somebody at {port}{path}"

    monkeypatch.setattr("mooring.transport.taken.who_listens", look)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        making = asyncio.ensure_future(session.forward_local(port, "127.0.0.1:1"))
        async with asyncio.timeout(30):
            await looked.wait()
        said.set()
        with pytest.raises(PortTaken, match=f"is taken by somebody at {port}"):
            await making


async def test_a_name_that_nobody_resolves_has_a_deadline(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object, **__: object) -> list[object]:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    monkeypatch.setattr("mooring.session.forward.near._RESOLVED", 0.1)
    with pytest.raises(
        ForwardError, match=r"we cannot listen on nowhere\.example:0: the name was not resolved within 0\.1 s"
    ):
        async with asyncio.timeout(30):
            await session.forward_local("nowhere.example:0", "127.0.0.1:1")


async def test_a_taken_port_is_told_with_who_has_it(session: Session) -> None:
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); "
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with ending(
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ) as other:
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        with pytest.raises(PortTaken, match=rf"127.0.0.1:{taken} is taken by \S+, process {other.pid}"):
            await session.forward_local(taken, "127.0.0.1:1")
        assert other.stdin is not None
        other.stdin.close()
    async with await session.forward_local(0, "127.0.0.1:1") as forward:
        with pytest.raises(PortTaken, match="is taken by this process"):
            await session.forward_local(forward.get_port(), "127.0.0.1:1")
    assert list(session.forwards) == []


async def test_a_name_with_several_addresses_is_listened_on_at_all_of_them(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = ["127.0.0.1", "127.0.0.1", "127.0.0.2", "203.0.113.1"]  # the last is not this machine's
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    async def resolve(*_: object, **__: object) -> object:
        return found

    async with serving() as port:
        with monkeypatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            forward = await session.forward_local("several:0", f"127.0.0.1:{port}")
        for address in addresses[1:3]:
            reader, writer = await asyncio.open_connection(address, forward.get_port())
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            writer.close()
        forward.close()
        await forward.wait_closed()
        for address in addresses[1:3]:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(address, forward.get_port())
        found[:3] = []
        with monkeypatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            with pytest.raises(ForwardError, match="we cannot listen on several:0: Cannot assign requested address"):
                await session.forward_local("several:0", f"127.0.0.1:{port}")


async def test_names_of_hosts_that_are_none(session: Session) -> None:
    with pytest.raises(ForwardError, match=r"cannot listen on a\.\.b:0: that is no name of a host"):
        await session.forward_local("a..b:0", "db:1")
    async with await session.forward_remote(0, "a..b:1") as forward:
        assert await refused(forward.get_port())
        assert forward.status().error == "cannot reach a..b:1: that is no name of a host"


async def test_names(session: Session) -> None:
    async with await session.forward_local(0, "127.0.0.1:1") as first:
        assert first.name == "local"
        async with await session.forward_local(0, "127.0.0.1:1") as second:
            assert second.name == "local-2"
            with pytest.raises(ForwardInUse, match="edge1 has a forward local-2 already"):
                await session.forward_local(0, "127.0.0.1:1", name="local-2")
    for name in ("", "a b", "x" * 65, "-x"):
        with pytest.raises(InvalidInput):
            await session.forward_local(0, "127.0.0.1:1", name=name)
    with pytest.raises(InvalidInput, match="needs a destination"):
        await session.forward_local(0)
    with pytest.raises(InvalidInput, match="needs a host and a port"):
        await session.forward_local(0, "db:0")


async def test_with_the_session_its_forwards_end(sshd: Sshd) -> None:
    async with serving() as port:
        async with held(sshd) as session:
            forward = await session.forward_local(0, f"127.0.0.1:{port}")
            waiter = asyncio.create_task(forward.wait_closed())
            async with connected(forward.get_port()) as (reader, writer):
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                await session.close()
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            await asyncio.wait_for(waiter, 5)
        assert forward.state is ForwardState.CLOSED


@pytest.mark.parametrize("keywords", [{"encryption_algs": ["chacha20-poly1305@openssh.com"]}, {"rekey_bytes": 300_000}])
async def test_bytes_come_through_another_cipher_and_through_key_exchanges(
    sshd: Sshd, keywords: dict[str, Any]
) -> None:
    data = os.urandom(4_000_000)
    async with (
        held(sshd, **keywords) as session,
        serving() as port,
        await session.forward_local(0, f"127.0.0.1:{port}") as forward,
    ):

        async def back_and_forth() -> bytes:
            async with connected(forward.get_port()) as (reader, writer):
                writer.write(data)
                return await reader.readexactly(len(data))

        async with asyncio.timeout(30):
            assert set(await asyncio.gather(*(back_and_forth() for _ in range(2)))) == {data}
        assert session.status().connects == 1
