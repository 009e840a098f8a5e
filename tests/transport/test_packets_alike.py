"""What a peer sends comes to the same whether AsyncSSH opens it or we do: hostile packets, any slicing, new keys."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_GLOBAL_REQUEST,
    MSG_IGNORE,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_SERVICE_REQUEST,
    MSG_USERAUTH_SUCCESS,
)
from asyncssh.packet import Boolean, String, UInt32

from mooring.model.forward import Place
from mooring.transport.outbox import write_together
from mooring.transport.packets import seal_together, take_apart
from mooring.transport.private import spare_ignores
from mooring.transport.tunnel import Tunnel, open_tunnel

pytestmark = pytest.mark.anyio

KEY = asyncssh.generate_private_key("ssh-ed25519")
GCM = "aes128-gcm@openssh.com"
FAULT = b"a fault"
WINDOW = 2 * 1024 * 1024


class Seen:
    """All that a tunnel tells, with data that follow one another as one."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.is_open = asyncio.Event()
        self.has_ended = asyncio.Event()
        self.is_over = asyncio.Event()

    def opened(self) -> None:
        self.is_open.set()

    def refused(self, reason: str) -> None:
        self.told.append(("refused", reason))

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if data == FAULT:
            raise ValueError("a fault of whoever listens")
        if self.told and isinstance(self.told[-1], bytes) and datatype is None:
            self.told[-1] += bytes(data)
        else:
            self.told.append(bytes(data) if datatype is None else (datatype, bytes(data)))

    def eof_received(self) -> bool:
        self.told.append("eof")
        self.has_ended.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(("lost", repr(exc)))
        self.is_over.set()

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class FarEnd(asyncssh.SSHTCPSession[bytes]):
    """The other end of the tunnel."""

    def connection_made(self, chan: Any) -> None:
        self.channel = chan
        self.got = hashlib.sha256()
        self.ended = asyncio.Event()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.got.update(data)

    def eof_received(self) -> bool:
        self.ended.set()
        return True


class Server(asyncssh.SSHServer):
    def connection_made(self, conn: Any) -> None:
        self.connection = conn
        self.end = FarEnd()

    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(self, *_: Any) -> Any:
        return self.end


class Meeting:
    """A client with a tunnel, and a server whose bytes come to it by our hands, sliced as we like."""

    def __init__(self, client: Any, server: Server, seen: Seen, tunnel: Tunnel) -> None:
        self.client, self.server, self.seen, self.tunnel = client, server.connection, seen, tunnel
        self.end = server.end
        self.number: int = self.end.channel._send_chan
        self.bytes = bytearray()
        self.server._send = self.bytes.extend
        self.sent: list[tuple[int, bytes]] = []
        send = client.send_packet

        def watched(kind: int, *args: bytes, handler: Any = None) -> None:
            if kind != MSG_IGNORE:
                self.sent.append((kind, b"".join(map(bytes, args))))
            send(kind, *args, handler=handler)

        client.send_packet = watched

    def say(self, kind: int, *args: bytes, channel: bool = True) -> None:
        """Have the server send a packet that is one."""
        self.server.send_packet(kind, *((UInt32(self.number),) if channel else ()), *args)

    def data(self, data: bytes) -> None:
        self.say(MSG_CHANNEL_DATA, String(data))

    def sealed(self, payload: bytes, padding: int, told: int | None = None) -> None:
        """Have the server send a packet with this much padding, and ``told`` in the place of its length."""
        whole = bytes((padding if told is None else told,)) + payload + os.urandom(padding)
        packet, mac = self.server._send_encryption.encrypt_packet(0, UInt32(len(whole)), whole)
        self.bytes += packet + mac
        self.server._send_seq += 1

    def deliver(self, slices: Iterator[int]) -> None:
        """Hand over what the server sent."""
        while self.bytes:
            size = next(slices)
            part = bytes(self.bytes[:size])
            del self.bytes[:size]
            self.client.data_received(part)


@asynccontextmanager
async def meeting(ours: bool, **options: Any) -> AsyncIterator[Meeting]:  # noqa: FBT001 - one of two
    servers: list[Server] = []

    def made() -> Server:
        servers.append(Server())
        return servers[-1]

    common: dict[str, Any] = {"encryption_algs": [GCM], "kex_algs": ["curve25519-sha256"], "compression_algs": None}
    async with (
        asyncssh.listen(
            "127.0.0.1", 0, server_factory=made, server_host_keys=[KEY], **common, **options.get("server", {})
        ) as listener,
        asyncssh.connect(
            "127.0.0.1", listener.get_port(), username="u", known_hosts=None, config=None, client_keys=None,
            agent_path=None, **common, **options.get("client", {}),
        ) as client,
    ):  # fmt: skip
        if ours:  # as a session's connection has it
            spare_ignores(client, GCM)
            write_together(client)
            seal_together(client)
            take_apart(client)
        seen = Seen()
        tunnel = open_tunnel(client, Place("there", 1), ("here", 2), seen)
        await seen.is_open.wait()
        meeting = Meeting(client, servers[0], seen, tunnel)
        try:
            yield meeting
        finally:
            del meeting.server._send
            client.abort()
            servers[0].connection.abort()
            await client.wait_closed()
            await servers[0].connection.wait_closed()


def flip(meeting: Meeting, place: int) -> None:
    """A packet of data with a bit of it turned over on the way."""
    start = len(meeting.bytes)
    meeting.sealed(bytes((MSG_CHANNEL_DATA,)) + UInt32(meeting.number) + String(b"x" * 100), 5)
    meeting.bytes[range(start, len(meeting.bytes))[place]] ^= 1


def head(kind: int, meeting: Meeting) -> bytes:
    return bytes((kind,)) + UInt32(meeting.number)


def raw(data: bytes) -> Callable[[Meeting], None]:
    return lambda meeting: meeting.bytes.extend(data)


CASES: dict[str, Callable[[Meeting], Any]] = {
    "data": lambda m: m.data(b"abc"),
    "data that fail": lambda m: m.data(FAULT),
    "no data": lambda m: m.data(b""),
    "a whole packet": lambda m: m.data(b"p" * 32_768),
    "more than a packet": lambda m: m.data(b"p" * 33_600),
    "more than any packet": lambda m: m.data(b"p" * 40_000),
    "more data than there are": lambda m: m.say(MSG_CHANNEL_DATA, UInt32(9), b"12345"),
    "less data than there are": lambda m: m.say(MSG_CHANNEL_DATA, UInt32(3), b"12345"),
    "a length of 4 GB of data": lambda m: m.say(MSG_CHANNEL_DATA, UInt32(0xFFFFFFFF), b"12345"),
    "half a length of data": lambda m: m.say(MSG_CHANNEL_DATA, b"\0\0"),
    "no length of data": lambda m: m.say(MSG_CHANNEL_DATA),
    "no channel": lambda m: m.say(MSG_CHANNEL_DATA, channel=False),
    "half a channel": lambda m: m.say(MSG_CHANNEL_DATA, b"\0\0", channel=False),
    "another channel": lambda m: m.say(MSG_CHANNEL_DATA, UInt32(77), String(b"x"), channel=False),
    "extended data": lambda m: m.say(MSG_CHANNEL_EXTENDED_DATA, UInt32(1), String(b"err")),
    "extended data of another kind": lambda m: m.say(MSG_CHANNEL_EXTENDED_DATA, UInt32(9), String(b"err")),
    "half extended data": lambda m: m.say(MSG_CHANNEL_EXTENDED_DATA, UInt32(1)),
    "the end": lambda m: m.say(MSG_CHANNEL_EOF),
    "the end of the channel": lambda m: m.say(MSG_CHANNEL_CLOSE),
    "room": lambda m: m.say(MSG_CHANNEL_WINDOW_ADJUST, UInt32(1)),
    "too much room": lambda m: m.say(MSG_CHANNEL_WINDOW_ADJUST, UInt32(0xFFFFFFFF)),
    "half a number of room": lambda m: m.say(MSG_CHANNEL_WINDOW_ADJUST, b"\0"),
    "a request": lambda m: m.say(MSG_CHANNEL_REQUEST, String(b"nonsense"), Boolean(True)),  # noqa: FBT003
    "an answer to nothing": lambda m: m.say(MSG_CHANNEL_SUCCESS),
    "opened again": lambda m: m.say(MSG_CHANNEL_OPEN_CONFIRMATION, UInt32(0), UInt32(9), UInt32(9)),
    "refused at last": lambda m: m.say(MSG_CHANNEL_OPEN_FAILURE, UInt32(1), String(b"no"), String(b"")),
    "a global request": lambda m: m.say(MSG_GLOBAL_REQUEST, String(b"what"), Boolean(True), channel=False),  # noqa: FBT003
    "ignored": lambda m: m.say(MSG_IGNORE, String(b"xyz"), channel=False),
    "half ignored": lambda m: m.say(MSG_IGNORE, channel=False),
    "debugging": lambda m: m.say(MSG_DEBUG, Boolean(False), String(b"x"), String(b""), channel=False),  # noqa: FBT003
    "an unknown packet": lambda m: m.sealed(b"\xc8abcdef", 9),
    "no kind of packet": lambda m: m.sealed(b"", 31),
    "goodbye": lambda m: m.say(MSG_DISCONNECT, UInt32(2), String(b"go away"), String(b""), channel=False),
    "half goodbye": lambda m: m.sealed(bytes((MSG_DISCONNECT, 0)), 14),
    "a service asked for": lambda m: m.sealed(bytes((MSG_SERVICE_REQUEST,)) + String(b"ssh-userauth"), 14),
    "logged in again": lambda m: m.sealed(bytes((MSG_USERAUTH_SUCCESS,)), 14),
    "new keys without any": lambda m: m.sealed(bytes((MSG_NEWKEYS,)), 14),
    "half a key exchange": lambda m: m.sealed(bytes((MSG_KEXINIT,)) + b"x" * 30, 16),
    "no padding": lambda m: m.sealed(head(MSG_CHANNEL_DATA, m) + String(b"0123456789"), 0),
    "little padding": lambda m: m.sealed(head(MSG_CHANNEL_DATA, m) + String(b"01234567"), 3),
    "much padding": lambda m: m.sealed(head(MSG_CHANNEL_DATA, m) + String(b"0123"), 255),
    "more padding than packet": lambda m: m.sealed(head(MSG_CHANNEL_DATA, m) + String(b"0123"), 18, 200),
    "padding into the data": lambda m: m.sealed(head(MSG_CHANNEL_DATA, m) + String(b"0123"), 18, 20),
    "less padding than told": lambda m: m.sealed(head(MSG_CHANNEL_DATA, m) + String(b"0123"), 18, 16),
    "no multiple of a block": lambda m: m.sealed(head(MSG_CHANNEL_DATA, m) + String(b"01234567"), 4),
    "less than a block": lambda m: m.sealed(head(MSG_CHANNEL_EOF, m), 6),
    "a length that is another's": lambda m: flip(m, 3),
    "a longer length": lambda m: flip(m, 2),
    "a bit turned in the data": lambda m: flip(m, 20),
    "a bit turned in the MAC": lambda m: flip(m, -1),
    "a length of nothing": raw(bytes(100)),
    "a length of 4 GB": raw(b"\xff" * 100),
    "a length above the most": raw(UInt32(100_000) + bytes(100)),
    "what was never sealed": raw(UInt32(32) + os.urandom(100)),
    "half a packet": raw(UInt32(1000) + bytes(100)),
}  # fmt: skip

LAST = "goodbye"
"""After which AsyncSSH takes what has arrived already, and we take nothing."""


def slices(how: int | None) -> Iterator[int]:
    """Sizes of what arrives at once: all of it, byte by byte, or by the dice."""
    if how is None or how == 1:
        return (1_000_000_000 if how is None else 1 for _ in count())
    dice = random.Random(how)
    return (dice.choice((1, 3, 4, 16, 20, 50, 1000, 40_000)) for _ in count())


async def outcome(
    script: list[str], *, ours: bool, how: int | None = None, paused: bool = False
) -> tuple[list[Any], list[tuple[int, bytes]]]:
    """What comes of packets: what the tunnel tells, and what the client answers."""
    async with meeting(ours) as met:
        if paused:
            met.tunnel.pause_reading()
        for case in script:
            CASES[case](met)
        met.deliver(slices(how))
        if met.client._transport is None:
            await met.seen.is_over.wait()
        if paused:
            met.tunnel.resume_reading()
        await asyncio.sleep(0)
        return met.seen.told[:], met.sent[:]


@pytest.mark.parametrize("case", CASES)
async def test_a_packet_of_any_kind_comes_to_what_asyncssh_makes_of_it(case: str) -> None:
    script = ["data", case, *([] if case == LAST else ["data", "data"])]
    expected = await outcome(script, ours=False)
    assert expected[0]
    for how in (None, 1):
        assert await outcome(script, ours=True, how=how) == expected, how


@pytest.mark.parametrize("how", [None, 1])
async def test_nothing_is_taken_after_goodbye(how: int | None) -> None:
    told, _ = await outcome(["data", LAST, "data"], ours=True, how=how)
    assert told == [b"abc", ("lost", "ProtocolError('go away')")]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("paused", [False, True])
async def test_packets_one_after_another_too(seed: int, paused: bool) -> None:  # noqa: FBT001 - one of two
    dice = random.Random(seed)
    usual = ["data", "no data", "a whole packet", "room", "extended data", "ignored", "a request", "much padding"]
    script = dice.choices(usual, k=20) + dice.choices([case for case in CASES if case != LAST], k=3)
    expected = await outcome(script, ours=False, paused=paused)
    assert await outcome(script, ours=True, how=seed + 2, paused=paused) == expected


async def test_more_than_the_window_ends_the_connection() -> None:
    script = ["a whole packet"] * (WINDOW // 32_768) + ["data"]
    expected = await outcome(script, ours=False, paused=True)
    assert "Window exceeded" in str(expected[0][-1])
    for how in (None, 3):
        assert await outcome(script, ours=True, how=how, paused=True) == expected
        fitting, _ = await outcome(script[:-1], ours=True, how=how, paused=True)
        assert fitting == [b"p" * WINDOW]


@pytest.mark.parametrize("who", [["client"], ["server"], ["client", "server"]])
@pytest.mark.parametrize("how", [None, 3])
async def test_new_keys_amid_bytes_in_both_directions(who: list[str], how: int | None) -> None:
    data = os.urandom(1_500_000)
    async with meeting(ours=True, **{one: {"rekey_bytes": 100_000} for one in who}) as met:
        sizes, loop = slices(how), asyncio.get_running_loop()

        def arrive(packet: bytes) -> None:
            if not met.bytes:
                loop.call_soon(met.deliver, sizes)
            met.bytes.extend(packet)

        met.server._send = arrive
        keys = {id(met.client._send_encryption): met.client._send_encryption}
        met.end.channel.write(data)
        met.end.channel.write_eof()
        for start in range(0, len(data), 50_000):
            met.tunnel.write(data[start : start + 50_000])
            keys[id(met.client._send_encryption)] = met.client._send_encryption
            await asyncio.sleep(0)
        met.tunnel.write_eof()
        async with asyncio.timeout(50):
            await met.end.ended.wait()
            await met.seen.has_ended.wait()
        keys[id(met.client._send_encryption)] = met.client._send_encryption
        assert met.end.got.digest() == hashlib.sha256(data).digest()
        assert met.seen.told == [data, "eof"]
        assert len(keys) > 1


async def test_bytes_of_every_size_are_sealed_as_asyncssh_opens_them() -> None:
    data = os.urandom(400)
    async with meeting(ours=True) as met:
        sent = hashlib.sha256()
        for size in [*range(1, 400), 32_767, 32_768, 32_769, 100_000]:
            part = (data * (size // 400 + 1))[:size]
            met.tunnel.write(part)
            sent.update(part)
        met.tunnel.write_eof()
        async with asyncio.timeout(30):
            await met.end.ended.wait()
        assert met.end.got.digest() == sent.digest()
