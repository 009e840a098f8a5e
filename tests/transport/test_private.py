"""AsyncSSH's private names: each exists in the version installed, and does what we take it for."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import asyncssh
import pytest
from asyncssh.channel import SSHChannel
from asyncssh.constants import MSG_DISCONNECT, MSG_GLOBAL_REQUEST, MSG_IGNORE
from asyncssh.packet import SSHPacket, String, UInt32

from mooring.transport import private
from tests.session.odd import Channel, OddServer


def test_the_lists_of_names_are_there_and_whole() -> None:
    for keyword in private.DEFAULTS:
        assert len(private.DEFAULTS[keyword]) >= 4
        assert set(private.DEFAULTS[keyword]) <= set(private.KNOWN[keyword])
        assert not any(name.startswith("gss-") for name in private.KNOWN[keyword])
    assert "ssh-ed25519-cert-v01@openssh.com" in private.KNOWN["server_host_key_algs"]


def test_asyncssh_takes_every_name_that_it_is_said_to_know() -> None:
    for keyword, names in private.KNOWN.items():
        asyncssh.SSHClientConnectionOptions(config=None, known_hosts=None, **{keyword: list(names)})
    with pytest.raises(ValueError, match="nonsense"):
        asyncssh.SSHClientConnectionOptions(config=None, known_hosts=None, encryption_algs=["nonsense"])


def test_the_request_whose_answer_a_ping_awaits() -> None:
    request = asyncssh.SSHClientConnection._make_global_request  # noqa: SLF001 - what is tested
    assert inspect.iscoroutinefunction(request)
    assert list(inspect.signature(request).parameters)[:2] == ["self", "request"]


def test_a_channel_knows_what_the_peer_has_sent() -> None:
    assert "_recv_state" in inspect.getsource(SSHChannel.__init__)


@pytest.mark.anyio
async def test_a_close_by_the_peer_is_told_from_a_lost_connection() -> None:
    seen: list[bool] = []

    class Watch(asyncssh.SSHClientSession[bytes]):
        def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
            self._channel = chan
            self.over = asyncio.get_running_loop().create_future()

        def connection_lost(self, exc: Exception | None) -> None:
            seen.append(private.peer_closed(self._channel))
            self.over.set_result(None)

    def act(channel: Channel, command: str) -> None:
        if command == "close":
            channel.close()

    async with OddServer(act) as server, server.held() as session:
        for command in ("close", "stay"):
            watch = Watch()
            await session.connection.create_session(lambda watch=watch: watch, command, encoding=None)  # type: ignore[misc]
            if command == "stay":
                server.connections[0].abort()
            await watch.over
    assert seen == [True, False]


@pytest.mark.anyio
@pytest.mark.parametrize("ended", [False, True], ids=["it leaves", "we had ended it"])
async def test_who_ended_a_connection(*, ended: bool) -> None:
    told = asyncio.Event()
    async with OddServer() as server, server.held() as session:
        connection = session.connection
        private.when_peer_leaves(connection, told.set)
        if ended:
            connection.abort()
        goodbye = SSHPacket(UInt32(asyncssh.DISC_PROTOCOL_ERROR) + String("bye") + String(""))
        connection.process_packet(MSG_DISCONNECT, 0, goodbye)
        assert told.is_set() is not ended


@pytest.mark.anyio
async def test_a_round_trip_returns_also_on_a_closed_connection() -> None:
    async with OddServer() as server, server.held() as session:
        connection = session.connection
        await private.round_trip(connection)
        server.connections[0].abort()
        await connection.wait_closed()
        await asyncio.wait_for(private.round_trip(connection), 5)


@pytest.mark.anyio
@pytest.mark.parametrize(("cipher", "spared"), [("aes128-gcm@openssh.com", True), ("aes128-cbc", False)])
async def test_empty_packets_are_sent_where_they_serve_only(
    cipher: str, monkeypatch: pytest.MonkeyPatch, *, spared: bool
) -> None:
    ignored = 0
    log = asyncssh.SSHServerConnection.log_received_packet

    def count(self: asyncssh.SSHServerConnection, kind: int, *args: object, **keywords: object) -> None:
        nonlocal ignored
        ignored += kind == MSG_IGNORE
        log(self, kind, *args, **keywords)  # type: ignore[arg-type]

    server = OddServer(encryption_algs=[cipher])
    async with server, server.held(encryption_algs=[cipher]) as session:
        await session.ping()
        monkeypatch.setattr(asyncssh.SSHServerConnection, "log_received_packet", count)
        for _ in range(5):
            await session.ping()
    assert (ignored == 0) is spared


def _kinds(server: OddServer) -> list[int]:
    """The kinds of packets (RFC 4250 section 4.1.2) that the server gets from now on, but those about a channel."""
    connection = server.connections[0]
    log = connection.log_received_packet
    kinds: list[int] = []

    def note(kind: int, *args: Any) -> None:
        kinds.append(kind)
        server.changed.set()
        log(kind, *args)

    connection.log_received_packet = note  # type: ignore[assignment, method-assign]
    return kinds


@pytest.mark.anyio
async def test_the_goodbye_leaves_before_the_connection_is_closed() -> None:
    async with OddServer() as server:
        async with server.held() as session:
            kinds = _kinds(server)
            await session.run("one")
        await server.wait(lambda: MSG_DISCONNECT in kinds)


@pytest.mark.anyio
async def test_a_keepalive_is_sent_only_when_nothing_arrives() -> None:
    more = asyncio.Event()

    def act(channel: Channel, _: str) -> None:
        async def talk() -> None:
            for _ in range(40):
                channel.write(b".")
                await asyncio.sleep(0.05)
            quiet.append(MSG_GLOBAL_REQUEST not in kinds)
            more.set()

        tasks.append(asyncio.create_task(talk()))

    tasks: list[asyncio.Task[None]] = []
    quiet: list[bool] = []
    async with OddServer(act) as server, server.held(keepalive=1) as session:
        await session.ping()  # there is one at the beginning, too
        kinds = _kinds(server)
        process = await session.process("talk", encoding=None)
        await more.wait()
        assert quiet == [True]
        await server.wait(lambda: MSG_GLOBAL_REQUEST in kinds)
        process.close()
        await asyncio.gather(*tasks)


def test_a_certificate_knows_its_times() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    certificate = key.generate_user_certificate(key, "x", valid_after=1000, valid_before=2000)
    assert private.certificate_times(certificate) == (1000, 2000)
