"""Who is let in by whom: by tokens once, by keys and certificates from then on, and nobody else by anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mooring import AliasInUse, ChannelRefused, CredentialError, Device, InvalidInput
from mooring.agent import Agent
from mooring.agent.trusted import TrustedKeys
from mooring.model.errors import ConfigError, ForwardError, StateError, WaitTimeout
from mooring.model.event import EventKind
from mooring.model.status import SessionState
from mooring.transport.private import log_in_as
from mooring.wire.enrolment import Token
from tests.pool.fleet import true

from .homes import BOUND, HOST, Home
from .homes import home as serving

pytestmark = pytest.mark.anyio


# Tokens.


async def test_a_token_is_needed_once(home: Home) -> None:
    events = home.pool.events()
    token = home.server.agent_token("web1", label=["site:ams"], lifetime=60.0)
    async with home.managed(token=token) as session:
        assert session.labels == ("site:ams",)
        assert session.status().host_key_policy == "pinned"
    await true(lambda: home.pool["web1"].state is SessionState.AWAITING)
    trusted = home.folder / "web1_trusted_keys"
    assert trusted.stat().st_mode & 0o777 == 0o600
    async with home.managed(token=token) as session:  # it is known, and the token a used one
        assert (await session.run("echo again")).stdout == "again\n"
    async with home.managed(token=None):
        pass
    events.close()
    assert len([event async for event in events if event.kind is EventKind.APPROVED]) == 1


async def refused(home: Home, name: str, token: Token, why: str, **keywords: Any) -> None:
    """An agent whose token is not taken says why, and goes on; and nothing was changed."""
    async with home.agent(name, token=token, **keywords) as agent:
        await true(lambda: agent.trouble.partition("the token is not taken: ")[2].startswith(why))
        assert f"`mooring agent-token {name}` prints another there" in agent.trouble
        assert token.text() not in agent.trouble
        assert not agent.up


async def test_a_token_used_by_another(home: Home) -> None:
    token = home.server.agent_token("web1")
    async with home.managed(token=token) as session:
        other = {"host_key": home.folder / "other_key", "trusted_keys": home.folder / "other_trusted"}
        await refused(home, "web1", token, "it was used already", **other)
        assert (await session.run("echo still up")).stdout == "still up\n"
    (waiting,) = home.server.pending
    assert "with a token that is not taken: it was used already" in waiting.reason


async def test_a_token_that_has_expired(home: Home) -> None:
    token = home.server.agent_token("web1", lifetime=1e-6)
    await refused(home, "web1", token, "it has expired")
    assert "web1" not in home.pool


async def test_who_waits_for_an_agent_is_told_that_its_token_is_not_taken(home: Home) -> None:
    token = home.server.agent_token("web1", lifetime=1e-6)
    async with asyncio.timeout(BOUND):
        async with home.agent(token=token) as agent:
            await true(lambda: bool(agent.trouble))
            with pytest.raises(WaitTimeout, match="it has expired"):
                await agent.wait_up(0.01)


async def test_a_token_for_another_id(home: Home) -> None:
    token = home.server.agent_token("web1")
    await refused(home, "web2", token, "it is wrong, or for another id")
    assert "web1" not in home.pool
    assert "web2" not in home.pool
    async with home.managed(token=token):
        pass


async def test_a_token_of_ones_own_making(home: Home) -> None:
    real = home.server.agent_token("web1")
    await refused(home, "web1", Token(os.urandom(32), real.server), "it is wrong")


async def test_a_newer_token_takes_the_place_of_the_one_before(home: Home) -> None:
    before, now = home.server.agent_token("web1"), home.server.agent_token("web1")
    await refused(home, "web1", before, "it is wrong, or for another id, or there is a newer one")
    async with home.managed(token=now):
        pass


async def test_a_token_that_was_revoked(home: Home) -> None:
    token = home.server.agent_token("web1")
    home.server.agents.expected.remove("web1")
    await refused(home, "web1", token, "it is wrong")


async def test_what_there_can_be_no_token_for(home: Home) -> None:
    home.server.add("web8://deploy@web8-id", host_key="SHA256:" + 43 * "A")
    async with home.managed():
        for name in ("web1", "web8", "web8-id"):
            with pytest.raises(AliasInUse):
                home.server.agent_token(name)
    for name in ("", "web*", "a\nb", " a", "x" * 256, "no/alias"):
        with pytest.raises(InvalidInput):
            home.server.agent_token(name)
    with pytest.raises(InvalidInput, match="an alias cannot be made of that id"):  # as it could not when it comes
        home.server.agent_token("--", alias="web2")
    for lifetime in (0, -1.0, 1e9, float("nan")):
        with pytest.raises(InvalidInput):
            home.server.agent_token("web2", lifetime=lifetime)
    assert home.server.agent_token("any id will do", alias="web2").server == home.server.agents.key()[1]


async def test_without_a_key_there_is_no_token(tmp_path: Path) -> None:
    async with serving(tmp_path, agent_key=None) as home:
        with pytest.raises(ConfigError, match="no key to log in to agents with"):
            home.server.agent_token("web1")


async def test_an_agent_is_kept_before_it_is_logged_in_to(tmp_path: Path) -> None:
    kept: list[Device] = []
    full = True

    async def keep(device: Device) -> None:
        if full:
            raise StateError("the disk is full")
        kept.append(device)

    async with serving(tmp_path, enrolled=keep) as home:
        agent = home.agent()
        async with agent:
            with pytest.raises(WaitTimeout):
                await agent.wait_up(0.5)
            full = False
            await agent.wait_up(BOUND)
            await home.pool["web1"].wait_up(timeout=BOUND)
        assert [device.target.alias for device in kept] == ["web1"]
        assert kept[0].pin is not None


async def test_an_agent_that_cannot_keep_whom_to_trust_is_not_up(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    (home.folder / "web1_trusted_keys.new").mkdir()
    async with home.agent() as agent:
        await true(lambda: "web1_trusted_keys cannot be written" in caplog.text)
        assert not agent.up
        (home.folder / "web1_trusted_keys.new").rmdir()
        await agent.wait_up(BOUND)


@contextlib.asynccontextmanager
async def stranger(say: bytes) -> AsyncIterator[tuple[int, list[object]]]:
    """Somebody who is dialed, says something, and waits; and the calls that came."""
    calls: list[object] = []
    tasks: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(say)
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(writer)
        tasks.append(asyncio.create_task(answer(reader, writer)))

    server = await asyncio.start_server(called, HOST, 0)
    yield server.sockets[0].getsockname()[1], calls
    server.close()
    await asyncio.gather(*tasks)
    await server.wait_closed()


def goodbye(said: bytes) -> bytes:
    """An SSH server that hangs up at once, in the clear (RFC 4253 section 11.1)."""
    payload = b"\x01" + (2).to_bytes(4) + len(said).to_bytes(4) + said + (0).to_bytes(4)
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = bytes([padding]) + payload + bytes(padding)
    return b"SSH-2.0-x\r\n" + len(packet).to_bytes(4) + packet


@pytest.mark.parametrize("with_token", [True, False])
async def test_what_a_stranger_says_is_printed_as_far_as_it_can_be_and_ends_nothing(
    home: Home, caplog: pytest.LogCaptureFixture, *, with_token: bool
) -> None:
    (home.folder / "web1_trusted_keys").write_bytes(new_key().export_public_key())
    token = home.server.agent_token("web1") if with_token else None
    async with (
        stranger(goodbye(b"token refused: \n2026 ERROR all\x1b[2J is well")) as (port, calls),
        home.agent(port=port, token=token),
    ):
        await true(lambda: len(calls) > 2)
    said = "the token is not taken: 2026" if with_token else "the server hung up: token refused: 2026"
    assert f"{said} ERROR all[2J is well" in caplog.text


async def test_a_server_that_says_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.agent.agent._LOGIN", 0.3)
    monkeypatch.setattr("mooring.agent.agent._SETTLED", 0.1)
    failures: list[int] = []

    def soon(count: int, _dice: float) -> float:
        failures.append(count)
        return 0.01

    monkeypatch.setattr("mooring.agent.agent.delay", soon)
    (home.folder / "web1_trusted_keys").write_bytes(new_key().export_public_key())
    async with stranger(b"") as (port, calls), home.agent(port=port, token=None):
        await true(lambda: len(calls) > 2)
    assert failures[:2] == [1, 2], "to be silent for long is no good connection"


async def test_a_session_that_was_stopped_takes_a_new_token(home: Home) -> None:
    async with home.managed():
        pass
    await home.server.remove("web1")
    (home.folder / "web1_host_key").unlink()
    (home.folder / "web1_trusted_keys").unlink()
    async with home.managed():
        pass


# Those in between.


@contextlib.asynccontextmanager
async def impostor(
    username: str, *client_keys: asyncssh.SSHKey, **keywords: Any
) -> AsyncIterator[tuple[int, list[Any]]]:
    """A server that an agent dials, and that tries to log in by some keys; and what comes of it."""
    ended: list[Any] = []

    async def accepted(connection: asyncssh.SSHClientConnection) -> None:
        ended.append(connection)

    def failed(_connection: object, error: Exception) -> None:
        ended.append(error)

    acceptor = await asyncssh.listen_reverse(
        HOST,
        0,
        config=None,
        acceptor=accepted,
        error_handler=failed,
        username=username,
        client_keys=list(client_keys) or None,
        agent_path=None,
        known_hosts=None,
        **keywords,
    )
    try:
        yield acceptor.get_port(), ended
    finally:
        for each in ended:
            if isinstance(each, asyncssh.SSHClientConnection):
                each.close()
                await each.wait_closed()
        acceptor.close()
        await acceptor.wait_closed()


def new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.mark.parametrize("by", ["another-key", "no-key", "password", "keyboard"])
@pytest.mark.parametrize("with_token", [True, False])
async def test_a_stranger_gets_nothing(
    home: Home, caplog: pytest.LogCaptureFixture, by: str, *, with_token: bool
) -> None:
    name, key = home.account.name, new_key()
    given = [key] if by == "another-key" else []
    more = {"password": "x"} if by == "password" else {"kbdint_auth": True, "password": "x"} if by == "keyboard" else {}
    token = home.server.agent_token("web1") if with_token else None
    if not with_token:
        (home.folder / "web1_trusted_keys").write_bytes(new_key().export_public_key())
    async with impostor(name, *given, **more) as (port, ended):
        agent = home.agent(port=port, token=token)
        async with agent:
            await true(lambda: bool(ended))
            assert not agent.up
            if by == "another-key":
                await true(lambda: f"the server's key {key.get_fingerprint()} is not trusted" in caplog.text)
                assert "web1_trusted_keys" in caplog.text
    assert isinstance(ended[0], asyncssh.PermissionDenied)
    if with_token:  # what it saw of the agent's words is of no use
        assert token is not None
        async with home.managed(token=token):
            pass


async def test_words_that_were_overheard_open_nothing(home: Home) -> None:
    """Somebody repeats what an agent said in front of SSH, and shows a key of their own."""
    token = home.server.agent_token("web1")
    async with impostor("x") as (port, ended), home.agent(port=port, token=token):
        await true(lambda: bool(ended))
    public = asyncssh.read_private_key(home.folder / "web1_host_key").export_public_key().decode()
    from mooring.wire.enrolment import preamble  # noqa: PLC0415 - the words, as they were

    words = preamble("web1", home.account.name, " ".join(public.split()[:2]), token)
    with socket.create_connection((HOST, home.server.port)) as sock:
        sock.setblocking(False)  # noqa: FBT003 - the socket's
        await asyncio.get_running_loop().sock_sendall(sock, words)
        with pytest.raises((asyncssh.Error, OSError)):
            await asyncssh.run_server(sock, config=None, server_host_keys=[new_key()], gss_host=None)
    assert "web1" not in home.pool
    async with home.managed(token=token):
        pass


async def test_a_token_shows_the_agent_who_the_server_is(home: Home, tmp_path: Path) -> None:
    """Another Mooring, that has the same token in its book, has not the key that the token names."""
    token = home.server.agent_token("web1")
    (tmp_path / "other").mkdir()
    async with serving(tmp_path / "other") as other:
        other.server.agents.expected.restore(home.server.agents.expected.all)
        agent = home.agent(port=other.server.port, token=token)
        async with agent:
            await true(lambda: "web1" in other.pool and other.pool["web1"].state is SessionState.PARKED)
            assert not agent.up


# Trusted keys, told by hand.


async def approved(home: Home, **keywords: Any) -> Agent:
    """An agent without a token, whose host key the server was told."""
    agent = home.agent(token=None, **keywords)
    agent.prepare()
    key = asyncssh.read_private_key(home.folder / "web1_host_key").export_public_key().decode().strip()
    known = {"host_key": key, "identity": str(home.folder / "agent_key"), "username": home.account.name}
    home.server.add(Device.parse("web1://web1", **known))
    return agent


@pytest.mark.parametrize(
    ("before", "written"),
    [
        ("", True),
        ("# gone: KEY\n", True),
        ("cert-authority KEY\n", True),
        ("OTHER\nKEY by hand", False),
        ('from="192.0.2.1" KEY\n', False),
    ],
    ids=["nothing", "comment", "authority", "itself", "held-short"],
)
def test_whom_a_token_shows_is_written_down_unless_a_line_is_of_them(
    tmp_path: Path, before: str, *, written: bool
) -> None:
    key, other = (new_key().convert_to_public() for _ in range(2))
    line = " ".join(key.export_public_key().decode().split()[:2])
    trusted = TrustedKeys(tmp_path / "trusted_keys")
    before = before.replace("KEY", line).replace("OTHER", other.export_public_key().decode().strip())
    if before:
        trusted.path.write_text(before)
        trusted.path.chmod(0o600)
    trusted.trust(key)
    assert trusted.path.read_text() == (f"{before}{line} mooring\n" if written else before)


def trust(home: Home, options: str = "") -> None:
    line = home.server.agents.key()[0]
    (home.folder / "web1_trusted_keys").write_text(f"# servers\n\n{options}{line}\n")


async def test_both_sides_told_by_hand(home: Home) -> None:
    trust(home)
    async with await approved(home) as agent:
        await agent.wait_up(BOUND)
        await home.pool["web1"].wait_up(timeout=BOUND)


async def test_the_options_of_a_key_hold(home: Home) -> None:
    trust(home, 'command="echo $SSH_ORIGINAL_COMMAND held $LC_X",no-pty,environment="A=b" ')
    async with await approved(home, forwarding=True) as agent:
        await agent.wait_up(BOUND)
        session = home.pool["web1"]
        await session.wait_up(timeout=BOUND)
        assert (await session.run("id", env={"LC_X": "x"})).stdout == "held\n"
        assert session.connection is not None
        with pytest.raises(asyncssh.ChannelOpenError):
            await session.connection.create_process("tty", term_type="xterm")


async def test_a_restricted_key_forwards_nothing_and_one_that_has_expired_opens_nothing(home: Home) -> None:
    trust(home, "restrict ")
    async with await approved(home, forwarding=True) as agent:
        await agent.wait_up(BOUND)
        session = home.pool["web1"]
        await session.wait_up(timeout=BOUND)
        assert (await session.run("echo on")).stdout == "on\n"
        with pytest.raises(ForwardError):
            await session.forward_remote(0, "127.0.0.1:1")
        assert session.connection is not None
        with pytest.raises(asyncssh.ChannelOpenError):
            await session.connection.create_process("tty", term_type="xterm")
        trust(home, 'expiry-time="20200101" ')
        session.connection.abort()
        await true(lambda: session.state is SessionState.PARKED)
        assert not agent.up


async def test_a_key_that_is_restricted_may_run_commands_alone(home: Home) -> None:
    trust(home, "restrict ")
    async with await approved(home, forwarding=True) as agent:
        await agent.wait_up(BOUND)
        session = home.pool["web1"]
        await session.wait_up(timeout=BOUND)
        assert (await session.run("echo in")).stdout == "in\n"
        assert session.connection is not None
        with pytest.raises(asyncssh.ChannelOpenError):
            await session.connection.create_process("tty", term_type="xterm")
        with pytest.raises(ChannelRefused):
            await session.open_connection(HOST, home.server.port)


async def test_a_key_that_is_taken_away_opens_nothing_at_the_next_call(home: Home) -> None:
    trust(home)
    async with await approved(home) as agent:
        await agent.wait_up(BOUND)
        session = home.pool["web1"]
        await session.wait_up(timeout=BOUND)
        (home.folder / "web1_trusted_keys").write_bytes(new_key().export_public_key())
        assert session.connection is not None
        session.connection.abort()
        await true(lambda: session.state is SessionState.PARKED)
        assert not agent.up


async def test_it_is_nobody_else_than_who_it_is(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    trust(home)
    key = asyncssh.read_private_key(home.folder / "agent_key")
    async with impostor("somebody", key) as (port, ended), home.agent(port=port, token=None):
        await true(lambda: bool(ended))
        why = f"the server logs in as 'somebody', and this agent runs as {home.account.name}"
        await true(lambda: why in caplog.text)
    assert isinstance(ended[0], asyncssh.PermissionDenied)


class _Turncoat(asyncssh.SSHClient):
    """Begins as one user, and goes on as another, with the certificate that is for that one."""

    def __init__(self, pairs: list[Any]) -> None:
        self._pairs = pairs

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def public_key_auth_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
        if len(self._pairs) == 1:
            log_in_as(self._connection, "other")
        return self._pairs.pop(0) if self._pairs else None


async def test_who_begins_as_one_user_does_not_go_on_as_another(home: Home) -> None:
    authority, key = new_key(), new_key()
    certificate = authority.generate_user_certificate(key, "server", principals=["other"])
    (home.folder / "web1_trusted_keys").write_text(f"cert-authority {authority.export_public_key().decode()}")
    pairs = [new_key(), (key, certificate)]
    async with (
        impostor(home.account.name, client_factory=lambda: _Turncoat(pairs)) as (port, ended),
        home.agent(port=port, token=None) as agent,
    ):
        await true(lambda: bool(ended))
        assert not agent.up
    assert pairs == []
    assert isinstance(ended[0], asyncssh.PermissionDenied)


@pytest.mark.parametrize("principal", ["own", "other", "nobody"])
async def test_certificates_on_both_sides(home: Home, principal: str) -> None:
    """As the reverse examples of AsyncSSH have it: authorities in known_hosts and in authorized_keys."""
    authority = new_key()
    home.server.agents.key()
    server_key = asyncssh.read_private_key(home.folder / "agent_key")
    names = {"own": [home.account.name], "other": ["other"], "nobody": []}[principal]
    authority.generate_user_certificate(server_key, "server", principals=names).write_certificate(
        home.folder / "agent_key-cert.pub"
    )
    line = authority.export_public_key().decode()
    (home.folder / "web1_trusted_keys").write_text(f"cert-authority {line}")
    agent_key = new_key()
    agent_key.write_private_key(home.folder / "web1_host_key")
    (home.folder / "web1_host_key").chmod(0o600)
    authority.generate_host_certificate(agent_key, "agent", principals=["web1"]).write_certificate(
        home.folder / "web1_host_key-cert.pub"
    )
    (home.folder / "known").write_text(f"@cert-authority * {line}")
    known = {"known_hosts": str(home.folder / "known"), "identity": str(home.folder / "agent_key")}
    home.server.add(Device.parse("web1://web1", username=home.account.name, **known))
    session = home.pool["web1"]
    async with home.agent(token=None) as agent:
        if principal == "own":
            await agent.wait_up(BOUND)
            await session.wait_up(timeout=BOUND)
        else:
            await true(lambda: session.state is SessionState.PARKED)
            assert not agent.up


# What it needs to begin.


async def test_without_token_and_trusted_keys(home: Home) -> None:
    with pytest.raises(CredentialError, match="no server is trusted") as caught:
        home.agent(token=None).prepare()
    assert caught.value.hint is not None
    assert "mooring agent-token web1" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("no key at all", 0o600, "no public key is read here"),
        ("unheard-of ssh-ed25519 AAAA", 0o600, "no public key is read here"),
        ("ssh-ed25519 AAAA", 0o622, "others may write"),
    ],
)
async def test_trusted_keys_that_are_none(home: Home, text: str, mode: int, why: str) -> None:
    path = home.folder / "web1_trusted_keys"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises((CredentialError, ConfigError), match=why):
        home.agent(token=None).prepare()


async def test_a_host_key_that_is_none(home: Home) -> None:
    (home.folder / "web1_host_key").write_text("none")
    (home.folder / "web1_host_key").chmod(0o600)
    with pytest.raises(StateError, match="holds no host key"):
        home.agent().prepare()
    (home.folder / "web1_host_key").unlink()
    (home.folder / "web1_host_key-cert.pub").write_text("none")
    with pytest.raises(CredentialError, match="certificate"):
        home.agent().prepare()


async def test_a_text_that_is_no_token(home: Home) -> None:
    with pytest.raises(CredentialError, match="no token"):
        home.agent(token="mooring-agent-x")
