"""What NETCONF sessions of one SSH session know of each other, and what raw requests leave behind."""

from __future__ import annotations

import asyncio
import re

import pytest

from mooring import LockLost, NetconfEnded, RpcError
from mooring.wire.netconf.framing import chunked

from .scripted import Channel, ScriptedServer, hello, obey, reply

pytestmark = pytest.mark.anyio
LOCK = "<lock><target><running/></target></lock>"
JUNOS = "http://xml.juniper.net/netconf/junos/1.0"


def number(message: str) -> str:
    found = re.search(r'message-id="(\w+)"', message)
    assert found
    return found[1]


def denying(channel: Channel, message: str) -> None:
    """A server whose first NETCONF session keeps its lock until it is killed."""
    killed = any("<session-id>1<" in sent for other in channel.others for sent in other.messages)
    if "<lock>" in message and channel.number > 1 and not killed:
        info = "<error-info><session-id>1</session-id></error-info>"
        channel.write(reply(number(message), f"<rpc-error><error-tag>lock-denied</error-tag>{info}</rpc-error>"))
    elif "<get>" in message:
        channel.close()
    else:
        obey(channel, message)


@pytest.mark.parametrize("how", ["rpc", "stream", "lock"])
async def test_a_new_netconf_session_kills_the_stale_one_before_it(how: str) -> None:
    async with ScriptedServer(denying) as server, server.held() as session:
        async with session.netconf() as nc:
            await nc.rpc(LOCK)
            with pytest.raises(NetconfEnded):
                await nc.get()
            with pytest.raises(LockLost, match="the lock of running"):
                await nc.get_config()
        async with session.netconf() as nc:
            if how == "rpc":
                await nc.rpc(LOCK)
            elif how == "stream":
                assert b"<ok/>" in b"".join([part async for part in nc.rpc_stream(LOCK)])
            else:
                await nc.lock("running")
            await nc.rpc("<unlock><target><running/></target></unlock>")
        sent = [re.sub(r".*?><(\S+?)>.*", r"\1", message, flags=re.DOTALL) for message in server.channels[1].messages]
        assert sent[1:] == ["lock", "kill-session", "lock", "unlock", "close-session"]


async def test_one_that_said_goodbye_is_never_killed() -> None:
    async with ScriptedServer(denying) as server, server.held() as session:
        async with session.netconf() as nc:
            await nc.lock("running")
        async with session.netconf() as nc:
            with pytest.raises(RpcError, match="lock-denied"):
                await nc.lock("running")
        assert not any("kill-session" in message for message in server.channels[1].messages)


@pytest.mark.parametrize("word", ["partial-lock", "lock-configuration", "open-configuration"])
async def test_other_locks_are_not_kept_silently_either(word: str) -> None:
    unlock = {"partial-lock": "partial-unlock", "open-configuration": "close-configuration"}
    async with ScriptedServer(denying) as server, server.held() as session, session.netconf() as nc:
        await nc.rpc(f"<{word}/>")
        with pytest.raises(NetconfEnded):
            await nc.get()
        with pytest.raises(LockLost, match=word):
            await nc.get_config()
        with pytest.raises(LockLost):
            await nc.rpc(f"<{unlock.get(word, 'unlock-configuration')}/>")
        assert (await nc.get_config()).ok


async def test_one_that_is_not_opened_again() -> None:
    async with ScriptedServer(denying) as server, server.held() as session:
        nc = session.netconf(reopen=False)
        with pytest.raises(NetconfEnded, match="no NETCONF session"):
            await nc.wait_ended()
        async with nc:
            await nc.get_config()
            waiting = asyncio.create_task(nc.wait_ended())
            with pytest.raises(NetconfEnded):
                await nc.get()
            assert type(await waiting) is NetconfEnded
            with pytest.raises(NetconfEnded, match="is over"):
                await nc.get_config()
            assert nc.statistics().opened == 1


async def test_leaving_says_goodbye_after_what_was_sent() -> None:
    async with ScriptedServer(obey) as server, server.held() as session, session.netconf() as nc:
        waiting = asyncio.create_task(nc.get())
        await asyncio.sleep(0)
        nc.leave()
        with pytest.raises(NetconfEnded):
            await waiting
        async with asyncio.timeout(30):
            while "<close-session" not in server.channels[0].messages[-1]:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        assert "<get>" in server.channels[0].messages[1]


async def test_a_reply_as_bytes() -> None:
    whole = f"<data>{'<i>é</i>' * 400_000}</data>"

    def act(channel: Channel, message: str) -> None:
        if "<large/>" in message:
            channel.write(reply(number(message), whole))
        elif "<bad/>" in message:
            channel.write(reply(number(message), "<rpc-error><error-tag>in-use</error-tag></rpc-error>"))
        else:
            obey(channel, message)

    async with ScriptedServer(act) as server, server.held() as session, session.netconf(timeout=30) as nc:
        parts: list[bytes] = []
        async for part in nc.rpc_stream("<large/>"):
            if not parts:
                assert nc.streaming
            parts.append(part)
        assert not nc.streaming
        assert len(parts) > 1
        assert whole.encode() in b"".join(parts)
        with pytest.raises(RpcError, match="in-use"):
            await anext(nc.rpc_stream("<bad/>"))
        async for _ in nc.rpc_stream("<large/>"):
            break
        assert (await nc.get()).ok


async def test_a_server_that_says_that_it_is_junos_has_its_errors_seen() -> None:
    fault = "<rpc-error><error-tag>operation-failed</error-tag><error-message>no</error-message></rpc-error>"
    results = f"<commit-results><routing-engine>{fault}</routing-engine></commit-results>"

    def act(channel: Channel, message: str) -> None:
        if not message:
            channel.write(hello(1, JUNOS))
        else:
            channel.write(
                chunked(f'<rpc-reply message-id="{number(message)}">{results}</rpc-reply>'.encode())
                if "message-id" in message
                else b""
            )

    async with ScriptedServer(act) as server, server.held() as session:
        nc = session.netconf()
        await nc.open()
        with pytest.raises(RpcError, match="no"):
            await nc.rpc("<commit-configuration/>")
        nc.leave()
