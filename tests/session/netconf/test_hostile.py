"""Peers that do what no good server would: each ends in a named error within its deadline, and costs nobody else."""

from __future__ import annotations

import asyncio
import re
import resource
from pathlib import Path

import pytest

from mooring import (
    ChannelRefused,
    FramingError,
    HelloError,
    InvalidInput,
    LockLost,
    MalformedMessage,
    NetconfEnded,
    NetconfError,
    RpcError,
    RpcTimeout,
    Session,
    SessionListener,
    SessionLost,
)
from mooring.wire.netconf.framing import chunked

from .scripted import Act, Channel, ScriptedServer, hello, obey, reply

pytestmark = pytest.mark.anyio
NAMES = "urn:ietf:params:netconf:capability"


def answering(answer: bytes, *, close: bool = False) -> Act:
    """A good server, but for its answer to ``get``."""

    def act(channel: Channel, message: str) -> None:
        if "<get>" in message:
            channel.write(answer)
            if close:
                channel.close()
        else:
            obey(channel, message)

    return act


def message_id(message: str) -> str:
    found = re.search(r'message-id="(\w+)"', message)
    assert found
    return found[1]


async def still_good(session: Session, server: ScriptedServer) -> None:
    """The SSH session lives, and NETCONF on it too, on a new channel."""
    server.act = obey
    async with session.netconf(timeout=30) as nc:
        assert (await nc.get()).ok


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"", "sent no NETCONF hello within 1.5 s"),
        (hello()[:50], "sent no NETCONF hello within 1.5 s"),
        (b"Permission denied. Bye!\r\n]]>]]>", "unreadable"),
        (hello().replace(b"<session-id>1</session-id>", b""), "has no session-id"),
    ],
)
async def test_no_hello(first: bytes, words: str) -> None:
    async with ScriptedServer(lambda channel, _: channel.write(first)) as server, server.held() as session:
        with pytest.raises(HelloError, match=words):
            async with session.netconf(timeout=1.5):
                pass
        await still_good(session, server)


async def test_the_end_before_a_hello_says_what_was_said() -> None:
    def act(channel: Channel, message: str) -> None:
        if not message:
            channel.write_error("netconf: no\nlicence\x1b")
            channel.close()

    async with ScriptedServer(act) as server, server.held() as session:
        with pytest.raises(HelloError, match="ended the stream before its hello") as caught:
            async with session.netconf():
                pass
        assert caught.value.hint == "on standard error it said: netconf: no licence?"
        await still_good(session, server)


async def test_errors_before_the_hello() -> None:
    fault = b"<rpc-reply><rpc-error><error-message>too many sessions</error-message></rpc-error></rpc-reply>"
    async with ScriptedServer(lambda channel, _: channel.write(fault + hello())) as server, server.held() as session:
        with pytest.raises(RpcError, match="too many sessions"):
            async with session.netconf(device="junos"):
                pass


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\n#10000000000\n", "no chunk begins with"),
        (b"\n#10737418240\n<rpc-reply", "no chunk begins with"),
        (b"\n#4294967295\n<rpc-reply", "a message of more than"),
        (b"\n#05\n<a/>", "no chunk begins with"),
        (b"\n##\n", "a message without a chunk"),
        (b"<rpc-reply/>]]>]]>", "no chunk begins with"),
        (b"\x00\xff" * 100, "no chunk begins with"),
    ],
)
async def test_a_broken_stream_is_never_used_again(answer: bytes, words: str) -> None:
    async with ScriptedServer(answering(answer)) as server, server.held() as session, session.netconf(timeout=30) as nc:
        with pytest.raises(FramingError, match=words):
            await nc.get()
        assert not nc.connected
        server.act = obey
        assert (await nc.get()).ok
        assert (nc.statistics().opened, nc.session_id, len(server.connections)) == (2, 2, 1)


async def test_a_stop_inside_a_chunk() -> None:
    act = answering(b"\n#100\n<rpc-reply")
    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        with pytest.raises(RpcTimeout, match=r"did not answer get within 0\.2 s"):
            await nc.get(timeout=0.2)
        await still_good(session, server)


async def test_an_end_inside_a_reply() -> None:
    act = answering(b"\n#100\n<rpc-reply", close=True)
    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        with pytest.raises(FramingError, match="ended the stream inside a message"):
            await nc.get()
        await still_good(session, server)


async def test_an_end_in_place_of_a_reply() -> None:
    async with ScriptedServer(answering(b"", close=True)) as server, server.held() as session, session.netconf() as nc:
        with pytest.raises(NetconfEnded, match="the server ended the NETCONF session"):
            await nc.get()
        await still_good(session, server)


async def test_the_ssh_session_goes() -> None:
    async with ScriptedServer(lambda *_: None) as server, server.held() as session:

        def act(channel: Channel, message: str) -> None:
            if "<get>" in message:
                server.connections[0].abort()
            else:
                obey(channel, message)

        server.act = act
        async with session.netconf() as nc:
            with pytest.raises(SessionLost, match="odd1 was lost, and its NETCONF session with it"):
                await nc.get()
            server.act = obey
            await session.wait_up(30)
            assert (await nc.get()).ok


@pytest.mark.parametrize("bomb", ["general", "attribute"])
async def test_an_xml_bomb(bomb: str) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    use = "&e9;" if bomb == "general" else '<a b="&e9;"/>'
    text = f'<!DOCTYPE x [<!ENTITY e0 "0123456789">{entities}]><rpc-reply message-id="1">{use}</rpc-reply>'
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    act = answering(chunked(text.encode()))
    async with ScriptedServer(act) as server, server.held() as session, session.netconf(timeout=30) as nc:
        with pytest.raises(MalformedMessage, match="document type"):
            await nc.get()
        server.act = obey
        assert (await nc.get()).ok
        assert nc.statistics().opened == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


async def test_a_flood_is_bounded() -> None:
    def act(channel: Channel, message: str) -> None:
        obey(channel, message)
        if "<get>" in message:
            channel.write(b"\n#1000\n" + b"x" * 1000)
            asyncio.get_running_loop().call_later(0, flood, channel)

    def flood(channel: Channel) -> None:
        for _ in range(100):
            channel.write(b"\n#1000\n" + b"x" * 1000)
        if nc.connected:
            asyncio.get_running_loop().call_later(0, flood, channel)

    async with (
        ScriptedServer(obey) as server,
        server.held() as session,
        session.netconf(max_message_size=3_000_000) as nc,
    ):
        ended = asyncio.Event()

        class Ends(SessionListener):
            def errback(self, ex: Exception) -> None:
                assert isinstance(ex, FramingError)
                ended.set()

        nc.add_listener(Ends())
        server.act = act
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await nc.get()
        async with asyncio.timeout(50):
            await ended.wait()
        # Of three million bytes, and what the server, which is in this process too, had not sent yet.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
        await still_good(session, server)


async def test_other_channels_do_not_notice() -> None:
    def act(channel: Channel, message: str) -> None:
        (answering(b"\n#bad") if channel.number == 2 else obey)(channel, message)

    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as good:
        async with session.netconf() as bad:
            with pytest.raises(FramingError):
                await bad.get()
        assert (await good.get()).ok
        assert good.statistics().opened == 1


async def test_replies_to_nothing_and_late_ones_are_counted() -> None:
    held: list[str] = []

    def act(channel: Channel, message: str) -> None:
        if "<get>" in message:
            held.append(message)
            return
        if held:
            channel.write(reply("777") + b"".join(reply(message_id(late)) for late in held))
            held.clear()
        obey(channel, message)

    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        with pytest.raises(RpcTimeout):
            await nc.get(timeout=0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(nc.get(), 0.1)
        assert (await nc.get_config()).ok
        statistics = nc.statistics()
        assert (statistics.late, statistics.ignored, statistics.pending, statistics.opened) == (2, 1, 0, 1)


async def test_a_reply_that_is_not_xml_fails_its_request_alone() -> None:
    act = answering(chunked(b'<rpc-reply message-id="1"><a></rpc-reply>'))
    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        with pytest.raises(MalformedMessage, match="not XML"):
            await nc.get()
        assert (await nc.get_config()).ok
        assert nc.statistics().opened == 1


async def test_a_server_that_refuses_the_subsystem() -> None:
    async with ScriptedServer(obey, subsystem=False) as server, server.held() as session:
        with pytest.raises(ChannelRefused) as caught:
            async with session.netconf():
                pass
        assert "830" in (caught.value.hint or "")
        async with session.netconf(device="junos", timeout=30) as nc:
            assert (await nc.get()).ok
        assert server.commands == ["xml-mode netconf need-trailer"]


async def test_a_silent_server_is_closed_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.session.netconf.channel._GOODBYE", 0.1)

    def act(channel: Channel, message: str) -> None:
        if not message:
            obey(channel, message)

    async with ScriptedServer(act) as server, server.held() as session:
        async with session.netconf() as nc:
            pass
        assert not nc.connected
        with pytest.raises(NetconfEnded, match="was closed"):
            await nc.get()


def denying(holder: int) -> Act:
    """A server whose lock a session holds until it is killed."""
    holders = [holder]

    def act(channel: Channel, message: str) -> None:
        if f"<session-id>{holder}<" in message:
            holders.clear()
        if "<lock>" in message and holders and channel.number > 1:
            info = f"<error-info><session-id>{holder}</session-id></error-info>"
            fault = f"<rpc-error><error-tag>lock-denied</error-tag>{info}</rpc-error>"
            channel.write(reply(message_id(message), fault))
        elif "<get>" in message:
            channel.close()
        else:
            obey(channel, message)

    return act


async def test_our_stale_session_is_killed_before_locking_again() -> None:
    async with ScriptedServer(denying(1)) as server, server.held() as session, session.netconf() as nc:
        await nc.lock("running")
        with pytest.raises(NetconfEnded):
            await nc.get()
        with pytest.raises(LockLost):
            await nc.get_config()
        await nc.lock("running")
        sent = [re.sub(r".*?><(\S+?)>.*", r"\1", message, flags=re.DOTALL) for message in server.channels[1].messages]
        assert sent[1:] == ["lock", "kill-session", "lock"]


async def test_nobody_elses_session_is_killed() -> None:
    async with ScriptedServer(denying(77)) as server, server.held() as session, session.netconf() as nc:
        await nc.lock("running")
        with pytest.raises(NetconfEnded):
            await nc.get()
        with pytest.raises(RpcError, match="lock-denied"):
            await nc.lock("running")
        assert not any("kill-session" in message for message in server.channels[1].messages)


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_a_reply_in_parts_and_its_faults(size: int, tmp_path: Path) -> None:
    whole = reply("1", f"<data>{'<i>é</i>' * (size // 8)}</data>")

    def act(channel: Channel, message: str) -> None:
        if "<cut/>" in message:
            channel.write(whole[: len(whole) // 2])
            channel.close()
        elif "<stop/>" in message:
            channel.write(whole[: len(whole) // 2])
        elif "<part/>" in message:
            channel.write(whole.replace(b'"1"', f'"{message_id(message)}"'.encode().ljust(3)[:3]))
        else:
            obey(channel, message)

    path = tmp_path / "reply.xml"
    async with ScriptedServer(act) as server, server.held() as session, session.netconf(timeout=30) as nc:
        written = await nc.rpc_to_file("<part/>", path)
        assert path.read_bytes().count("é".encode()) == size // 8
        assert path.stat().st_size == written
        count = 0
        async for element in nc.rpc_iter("<part/>", "i"):
            assert element.text == "é"
            count += 1
        assert count == size // 8
        async for _ in nc.rpc_iter("<part/>", "i"):
            break
        assert (await nc.get()).ok
        with pytest.raises(NetconfError, match="cannot be written to"):
            await nc.rpc_to_file("<part/>", tmp_path / "no" / "such")
        assert (await nc.get()).ok
        for fault, error in (("<stop/>", RpcTimeout), ("<cut/>", NetconfEnded)):
            async with session.netconf(timeout=30) as other:
                with pytest.raises(error):
                    await other.rpc_to_file(fault, path, timeout=1.0)
        assert list(tmp_path.iterdir()) == [path]


async def test_listeners() -> None:
    class Sees(SessionListener):
        def __init__(self) -> None:
            self.roots: list[tuple[str, dict[str, str]]] = []
            self.errors: list[Exception] = []

        def callback(self, root: tuple[str, dict[str, str]], raw: bytes) -> None:
            assert raw.startswith(b"<")
            self.roots.append(root)

        def errback(self, ex: Exception) -> None:
            self.errors.append(ex)

    sees = Sees()
    async with ScriptedServer(obey) as server, server.held() as session:
        nc = session.netconf()
        nc.add_listener(sees)
        nc.add_listener(sees)
        with pytest.raises(InvalidInput, match="callback and errback"):
            nc.add_listener(object())  # type: ignore[arg-type]
        async with nc:
            await nc.get()
            server.channels[0].write(reply("99"))
            server.channels[0].write(b"nonsense")
            with pytest.raises(FramingError):
                await nc.get(timeout=30)
    tags = [tag.rpartition("}")[2] for tag, _ in sees.roots]
    assert tags == ["hello", "rpc-reply", "rpc-reply"]
    assert sees.roots[1][1] == {"message-id": "1"}
    assert [type(error).__name__ for error in sees.errors] == ["UnexpectedReply", "FramingError"]


async def test_without_interleave_nothing_is_asked_while_notifications_come() -> None:
    def act(channel: Channel, message: str) -> None:
        if not message:
            channel.write(hello(1, f"{NAMES}:notification:1.0"))
        else:
            obey(channel, message)

    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        await nc.create_subscription()
        with pytest.raises(NetconfError, match="takes no requests while it sends notifications"):
            await nc.get()


async def test_a_gap_in_notifications_is_told() -> None:
    note = "<notification xmlns='urn:n'><eventTime>{}</eventTime><e/></notification>"

    def act(channel: Channel, message: str) -> None:
        if not message:
            channel.write(hello(channel.number, f"{NAMES}:notification:1.0", f"{NAMES}:interleave:1.0"))
        elif "startTime" in message:
            fault = "<rpc-error><error-tag>operation-failed</error-tag></rpc-error>"
            channel.write(reply(message_id(message), fault))
        else:
            obey(channel, message)
            if "create-subscription" in message:
                channel.write(chunked(note.format(channel.number).encode()))

    async with (
        ScriptedServer(act) as server,
        server.held() as session,
        session.netconf() as nc,
        nc.notifications() as notes,
    ):
        first = await notes.take(30)
        assert (first.event_time, first.gap) == ("1", False)
        server.channels[0].close()
        second = await notes.take(30)
        assert (second.event_time, second.gap) == ("2", True)
        assert notes.resubscribed == 1
