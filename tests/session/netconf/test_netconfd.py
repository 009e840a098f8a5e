"""NETCONF against yuma123's netconfd, in both framings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mooring import (
    InvalidInput,
    LockLost,
    MissingCapability,
    NetconfEnded,
    NetconfSession,
    RpcError,
    Session,
    SessionListener,
    SessionLost,
    WaitTimeout,
)
from mooring.session.netconf.notifications import Notifications
from mooring.simulate import FaultyLink
from mooring.wire.netconf.xml import local_name
from tests.peers.netconfd import Netconfd
from tests.peers.sshd import Sshd
from tests.session.held import held

pytestmark = pytest.mark.anyio
StartNetconfd = Callable[..., tuple[Netconfd, Sshd]]
SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"


@pytest.fixture(params=[True, False], ids=["chunked", "end-of-message"])
def server(request: pytest.FixtureRequest, start_netconfd: StartNetconfd) -> Sshd:
    _, sshd = start_netconfd(chunked=request.param)
    return sshd


@pytest.fixture
async def session(anyio_backend: str, server: Sshd) -> AsyncIterator[Session]:
    del anyio_backend
    async with held(server, channels=10) as session:
        yield session


@pytest.fixture
async def nc(session: Session) -> AsyncIterator[NetconfSession]:
    async with session.netconf(timeout=30) as nc:
        yield nc


def contact(text: str) -> str:
    return f'<system xmlns="{SYSTEM}"><contact>{text}</contact></system>'


async def contact_of(nc: NetconfSession, source: str = "running") -> str | None:
    reply = await nc.get_config(source, f'<system xmlns="{SYSTEM}"><contact/></system>')
    return reply.element.findtext(f".//{{{SYSTEM}}}contact")


async def test_hello(nc: NetconfSession, request: pytest.FixtureRequest) -> None:
    assert nc.framing in request.node.name
    assert nc.session_id
    assert ":candidate" in nc.server_capabilities
    assert len(nc.client_capabilities) == 2
    assert nc.connected
    assert repr(nc) == f"<NetconfSession edge1: session-id {nc.session_id}, {nc.framing}>"


async def test_what_it_holds(nc: NetconfSession) -> None:
    reply = await nc.get()
    assert reply.ok
    assert reply.data is not None
    assert reply.xml.startswith(b"<?xml")
    assert repr(reply) == "<RpcReply ok>"
    assert "nacm" in map(local_name, reply.data)


@pytest.mark.parametrize("how", ["subtree", "xpath"])
async def test_filters(nc: NetconfSession, how: str) -> None:
    if how == "subtree":
        reply = await nc.get("<netconf-state xmlns='urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring'/>")
    else:
        names = {"m": "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"}
        reply = await nc.get(xpath="/m:netconf-state", namespaces=names)
    assert reply.data is not None
    assert [local_name(child) for child in reply.data] == ["netconf-state"]


async def test_an_edit_and_its_commit(nc: NetconfSession) -> None:
    await nc.edit_config(contact("naïve 日本"))
    assert await contact_of(nc) is None
    assert await contact_of(nc, "candidate") == "naïve 日本"
    await nc.commit()
    assert await contact_of(nc) == "naïve 日本"


async def test_validation(nc: NetconfSession) -> None:
    await nc.validate()
    await nc.validate("running")
    if nc.framing == "end-of-message":
        with pytest.raises(MissingCapability, match=r"does not offer :validate:1\.1, which edit-config takes"):
            await nc.edit_config(contact("x"), test_option="test-only")
        return
    await nc.edit_config(contact("x"), test_option="test-only")
    assert await contact_of(nc, "candidate") is None


async def test_an_edit_that_is_discarded(nc: NetconfSession) -> None:
    await change(nc, "kept")
    async with nc.locked():
        await nc.edit_config(contact("not kept"))
        assert (await nc.discard_changes()).ok
    # This server takes the request and discards nothing, but at the end of the lock.
    assert await contact_of(nc, "candidate") == "kept"


async def test_a_confirmed_commit_rolls_back_by_itself(nc: NetconfSession) -> None:
    await nc.edit_config(contact("for a second"))
    await nc.commit(confirmed=True, confirm_timeout=1)
    assert await contact_of(nc) == "for a second"
    async with asyncio.timeout(30):
        while await contact_of(nc) is not None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(2)  # it looks at its timers only when nobody asks it anything


async def test_a_confirmed_commit_is_confirmed_or_cancelled(nc: NetconfSession) -> None:
    if nc.framing == "end-of-message":
        with pytest.raises(MissingCapability, match=r"confirmed-commit:1\.1"):
            await nc.cancel_commit()
        return
    await nc.edit_config(contact("kept"))
    await nc.commit(confirmed=True, confirm_timeout=60, persist="mine")
    await nc.commit(persist_id="mine")
    await nc.edit_config(contact("not kept"))
    await nc.commit(confirmed=True, confirm_timeout=60)
    await nc.cancel_commit()
    assert await contact_of(nc) == "kept"


async def test_each_server_takes_back_its_own_commits(start_netconfd: StartNetconfd) -> None:
    contexts = [held(start_netconfd()[1], channels=10) for _ in range(2)]
    async with contexts[0] as one, contexts[1] as other, one.netconf() as nc, other.netconf() as elsewhere:
        for server, text in ((nc, "kept here"), (elsewhere, "kept elsewhere")):
            await change(server, text)
            await server.edit_config(contact("not kept"))
            await server.commit(confirmed=True, confirm_timeout=60)
        await nc.cancel_commit()
        assert await contact_of(nc) == "kept here"


async def test_copies(nc: NetconfSession) -> None:
    await nc.edit_config(contact("x"))
    await nc.copy_config("running", "candidate")
    assert await contact_of(nc, "candidate") is None


async def test_schemas(nc: NetconfSession) -> None:
    reply = await nc.get_schema("ietf-netconf-monitoring", format="yang")
    assert reply.data is not None
    assert "module ietf-netconf-monitoring" in (reply.data.text or "")


async def test_nmda(nc: NetconfSession) -> None:
    reply = await nc.get_data("running")
    assert reply.data is not None


@pytest.mark.parametrize("mode", ["report-all", "report-all-tagged", "trim", "explicit"])
async def test_defaults(nc: NetconfSession, mode: str) -> None:
    reply = await nc.get_config(with_defaults=mode)  # type: ignore[arg-type] # one of them
    assert (b"<enable-nacm" in reply.xml) is (mode in {"report-all", "report-all-tagged"})
    tagged = b':default="true"' in reply.xml
    assert tagged is (mode == "report-all-tagged")


class Ends(SessionListener):
    """Tells when a NETCONF session has ended."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def errback(self, ex: Exception) -> None:
        assert type(ex) is NetconfEnded
        self.event.set()


async def kill(nc: NetconfSession, by: NetconfSession) -> None:
    """Have one session killed by another, and return when it has seen its end."""
    ends = Ends()
    nc.add_listener(ends)
    assert nc.get_listener_instance(Ends) is ends
    await by.kill_session(nc.session_id or 0)
    async with asyncio.timeout(30):
        await ends.event.wait()
    nc.remove_listener(ends)
    assert not nc.connected


async def test_a_lock_that_another_caller_holds(nc: NetconfSession, session: Session) -> None:
    await nc.lock("running")
    async with session.netconf(timeout=30) as other:
        with pytest.raises(RpcError) as caught:
            await other.lock("running")
        (fault,) = caught.value.errors
        assert (fault.tag, fault.severity) == ("lock-denied", "error")
        assert f">{nc.session_id}<" in fault.info
        await nc.unlock("running")
        async with other.locked("running"):
            pass
        await nc.lock("running")


async def test_a_lock_is_never_kept_silently(nc: NetconfSession, session: Session) -> None:
    await nc.lock("running")
    async with session.netconf(timeout=30) as other:
        await kill(nc, other)
        for _ in range(2):
            with pytest.raises(LockLost, match="the lock of running on edge1 went with its connection"):
                await nc.get()
        with pytest.raises(LockLost):
            await nc.unlock("running")
        assert (await nc.get()).ok
        assert nc.statistics().opened == 2
        await nc.lock("running")


async def test_the_end_of_a_block_tells_of_a_lost_lock(nc: NetconfSession, session: Session) -> None:
    async with session.netconf(timeout=30) as other:
        with pytest.raises(LockLost):
            async with nc.locked():
                await kill(nc, other)
        await nc.get()


async def test_our_stale_session_is_killed_before_its_lock_is_taken_again(server: Sshd) -> None:
    async with (
        FaultyLink("127.0.0.1", server.port) as link,
        held(server, link, keepalive=1) as session,
        session.netconf(timeout=30) as nc,
    ):
        await nc.lock("running")
        stale = nc.session_id
        link.half_open()
        with pytest.raises(SessionLost):
            await nc.get()
        with pytest.raises(LockLost):
            await nc.get()
        link.heal()
        await session.wait_up(30)
        await nc.lock("running")
        assert nc.session_id != stale
        await nc.unlock("running")


async def test_what_the_server_refuses(nc: NetconfSession) -> None:
    with pytest.raises(RpcError, match="edge1 answered: ") as caught:
        await nc.rpc("<no-such-operation/>")
    assert caught.value.errors[0].tag == "unknown-element"
    assert caught.value.xml


async def test_what_is_refused_before_it_is_sent(nc: NetconfSession) -> None:
    with pytest.raises(MissingCapability, match="does not offer :startup, which delete-config takes"):
        await nc.delete_config("startup")
    with pytest.raises(InvalidInput, match="confirm_timeout and persist"):
        await nc.commit(confirm_timeout=5)
    assert nc.statistics().pending == 0


async def test_pipelined_requests_get_their_replies(nc: NetconfSession) -> None:
    one = f'<system xmlns="{SYSTEM}"/>'
    replies = await asyncio.gather(*(nc.get_config("running", one) for _ in range(300)), nc.get(), nc.get())
    assert all(reply.ok for reply in replies)
    assert {len(reply.xml) > 10_000 for reply in replies[:300]} == {False}
    assert {len(reply.xml) > 10_000 for reply in replies[300:]} == {True}


async def test_a_thousand_notifications_between_requests(nc: NetconfSession, session: Session) -> None:
    async with session.netconf(timeout=30) as editor, nc.notifications() as notes:
        count = 1_000 if nc.framing == "chunked" else 100  # once with as many, and the other framing as well
        for number in range(count):
            await editor.edit_config(contact(str(number)))
            await asyncio.gather(editor.commit(), nc.get_config())
        seen = 0
        while seen < count:
            note = await notes.take(30)
            assert not note.lost
            assert note.event is not None
            seen += local_name(note.event) == "netconf-config-change"
        with pytest.raises(WaitTimeout):
            await notes.take(0.1)
        assert notes.lost == nc.statistics().lost == 0


async def test_notifications_that_nobody_takes_are_counted(nc: NetconfSession, session: Session) -> None:
    async with session.netconf(timeout=30) as editor, nc.notifications(queue=3) as notes:
        for number in range(10):
            await editor.edit_config(contact(str(number)))
            await editor.commit()
        await nc.get()
        first = await notes.take(30)
        assert first.lost == notes.lost > 0
        assert (await notes.take(30)).lost == 0
        assert nc.statistics().lost == notes.lost


async def test_a_second_subscription_is_refused(nc: NetconfSession) -> None:
    async with nc.notifications():
        with pytest.raises(InvalidInput, match="has a subscription"):
            async with nc.notifications():
                pass


async def test_a_subscription_comes_back_with_a_replay(server: Sshd) -> None:
    async with (
        FaultyLink("127.0.0.1", server.port) as link,
        held(server, link) as session,
        held(server, alias="other") as other,
        other.netconf(timeout=30) as editor,
        session.netconf(timeout=30) as nc,
        nc.notifications() as notes,
    ):
        await change(editor, "before")
        assert await changes(notes, 1) == 1
        link.cut()
        await session.wait_change()
        await change(editor, "meanwhile")
        link.heal()
        await session.wait_up(30)
        assert await changes(notes, 1) == 1
        await change(editor, "after")
        assert await changes(notes, 1) == 1
        assert notes.resubscribed == 1


async def change(nc: NetconfSession, text: str) -> None:
    await nc.edit_config(contact(text))
    await nc.commit()


async def changes(notes: Notifications, wanted: int) -> int:
    seen = 0
    while seen < wanted:
        note = await notes.take(30)
        assert not note.gap
        assert note.event is not None
        seen += local_name(note.event) == "netconf-config-change"
    return seen


async def test_a_reply_into_a_file_and_by_element(nc: NetconfSession, tmp_path: Path) -> None:
    rpc = "<get/>"
    size = await nc.rpc_to_file(rpc, tmp_path / "reply.xml")
    assert (tmp_path / "reply.xml").stat().st_size == size > 10_000
    assert list(tmp_path.iterdir()) == [tmp_path / "reply.xml"]
    names = [element.findtext("{*}identifier") async for element in nc.rpc_iter(rpc, "schema")]
    assert "ietf-netconf-monitoring" in names
    with pytest.raises(RpcError):
        await nc.rpc_to_file("<no-such-operation/>", tmp_path / "other.xml")
    assert not (tmp_path / "other.xml").exists()


@pytest.mark.parametrize("times", [10, pytest.param(50, marks=pytest.mark.soak)])
async def test_it_opens_again_and_again(session: Session, times: int) -> None:
    for _ in range(times):
        async with session.netconf(timeout=30) as nc:
            await nc.get_config("running", "<nothing/>")
