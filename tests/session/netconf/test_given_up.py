"""What is cancelled, closed or timed out half-way leaves nothing behind: no lock, no channel, no busy loop."""

from __future__ import annotations

import asyncio

import pytest

from mooring import HelloError, LockLost, MissingCapability, NetconfEnded, RpcError, RpcTimeout

from .scripted import Channel, ScriptedServer, hello, obey

pytestmark = pytest.mark.anyio
NOTIFICATIONS = "urn:ietf:params:netconf:capability:notification:1.0"
INTERLEAVE = "urn:ietf:params:netconf:capability:interleave:1.0"


class Withholding:
    """A server that keeps back its answer to one kind of request until the test says so."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.asked = asyncio.Event()
        self.silent = True

    def __call__(self, channel: Channel, message: str) -> None:
        if self.silent and f"<{self.tag}>" in message:
            self.asked.set()
        else:
            obey(channel, message)


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_lock_nobody_waits_for_goes_with_its_channel(how: str) -> None:
    act = Withholding("lock")
    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        if how == "timeout":
            with pytest.raises(RpcTimeout):
                async with nc.locked("running", timeout=0.2):
                    pytest.fail("not granted")
        else:
            locking = asyncio.create_task(nc.lock("running"))
            await act.asked.wait()
            locking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await locking
        assert not nc.connected
        act.silent = False
        async with nc.locked("running"):
            assert len(server.channels) == 2
        assert (await nc.get()).ok


async def test_a_lock_that_cannot_be_sent_costs_nothing() -> None:
    async with ScriptedServer(obey) as server, server.held() as session, session.netconf() as nc:
        with pytest.raises(MissingCapability):
            await nc.lock("candidate")
        assert nc.connected


async def test_an_unlock_nobody_waits_for_lets_go_with_its_channel() -> None:
    act = Withholding("unlock")
    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        with pytest.raises(RpcTimeout):
            async with nc.locked("running", timeout=0.2):
                assert nc.connected
        assert not nc.connected
        assert (await nc.get()).ok
        assert len(server.channels) == 2


async def test_a_lock_is_held_until_the_server_lets_go() -> None:
    refused = "<rpc-error><error-tag>in-use</error-tag><error-severity>error</error-severity></rpc-error>"

    def act(channel: Channel, message: str) -> None:
        obey(channel, message, answer=refused if "<unlock>" in message else "<ok/>")

    async with ScriptedServer(act) as server, server.held() as session, session.netconf() as nc:
        await nc.lock("running")
        with pytest.raises(RpcError):
            await nc.unlock("running")
        server.channels[0].close()
        await nc.wait_ended()
        with pytest.raises(LockLost):
            await nc.get()


async def test_closing_while_it_opens_leaves_no_channel() -> None:
    asked = asyncio.Event()

    def act(channel: Channel, message: str) -> None:
        del channel
        if message:  # our hello, which is not answered
            asked.set()

    async with ScriptedServer(act) as server, server.held() as session:
        nc = session.netconf(timeout=600)
        opening = asyncio.create_task(nc.get())
        await asked.wait()
        await nc.close_session()
        with pytest.raises(NetconfEnded, match="was closed"):
            await opening
        assert not nc.connected
        await server.channels[0].wait_closed()
        with pytest.raises(NetconfEnded, match="was closed"):
            await nc.get()


async def test_what_could_not_be_opened_may_be_tried_again() -> None:
    def act(channel: Channel, message: str) -> None:
        if channel.number == 1:
            channel.close()
        else:
            obey(channel, message)

    async with ScriptedServer(act) as server, server.held() as session:
        nc = session.netconf(reopen=False)
        with pytest.raises(HelloError):
            await nc.open()
        assert (await nc.get()).ok
        await nc.close_session()


async def test_leaving_a_subscription_can_be_cancelled() -> None:
    async with ScriptedServer(notifier) as server, server.held() as session, session.netconf() as nc:
        events = nc.notifications()
        await events.__aenter__()
        leaving = asyncio.create_task(events.__aexit__(None, None, None))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving


def notifier(channel: Channel, message: str) -> None:
    """A server that has notifications to give."""
    if message:
        obey(channel, message)
    else:
        channel.write(hello(channel.number, NOTIFICATIONS, INTERLEAVE))


async def test_a_subscription_ends_where_nothing_is_opened_again() -> None:
    async with (
        ScriptedServer(notifier) as server,
        server.held() as session,
        session.netconf(reopen=False) as nc,
        nc.notifications() as events,
    ):
        server.channels[0].close()
        with pytest.raises(NetconfEnded, match="ended the NETCONF session"):
            await events.take()


async def test_a_subscription_ends_with_what_is_left() -> None:
    async with (
        ScriptedServer(notifier) as server,
        server.held() as session,
        session.netconf() as nc,
        nc.notifications() as events,
    ):
        nc.leave()
        with pytest.raises(NetconfEnded):
            await events.take()


async def test_a_server_that_ends_every_subscription_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    enough = asyncio.Event()

    def uniform(_: float, most: float) -> float:
        pauses.append(most)
        if len(pauses) == 9:
            enough.set()
        return 0.0

    def act(channel: Channel, message: str) -> None:
        notifier(channel, message)
        if "<create-subscription" in message:
            channel.close()

    monkeypatch.setattr("mooring.session.netconf.notifications.random.uniform", uniform)
    async with (
        ScriptedServer(act) as server,
        server.held() as session,
        session.netconf() as nc,
        nc.notifications() as events,
    ):
        await enough.wait()
        assert pauses[:9] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
        assert events.resubscribed >= 8
