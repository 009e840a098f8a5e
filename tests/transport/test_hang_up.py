"""A server that hangs up on a password instead of answering has refused it: it is tried once, and parked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

import asyncssh
import pytest

from mooring import Pool, Session
from mooring.model.errors import AuthenticationFailed, ConnectFailed
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink
from tests.peers.dropbear import Dropbear
from tests.session.held import pin

pytestmark = pytest.mark.anyio

KbdIntChallenge = tuple[str, str, str, list[tuple[str, bool]]]


class Rude(asyncssh.SSHServer):
    """Cuts the connection at the moment it is told of: ``begin``, ``password``, ``answer`` or ``key``."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def _at(self, moment: str) -> bool:
        if moment == self._moment:
            self._connection.abort()
        return True

    def begin_auth(self, username: str) -> bool:
        del username
        return self._at("begin")

    def public_key_auth_supported(self) -> bool:
        return self._moment == "key"

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        del username, key
        return not self._at("key")

    def password_auth_supported(self) -> bool:
        return self._moment != "answer"

    def validate_password(self, username: str, password: str) -> bool:
        del username, password
        return not self._at("password")

    def kbdint_auth_supported(self) -> bool:
        return self._moment == "answer"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> KbdIntChallenge:
        del username, lang, submethods
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        del username, responses
        return not self._at("answer")


class Person(asyncssh.SSHClient):
    """Knows the password itself."""

    def password_auth_requested(self) -> str:
        return "wrong"

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str]:
        del name, instructions, lang
        return ["wrong"] * len(prompts)


class Server:
    """A rude server's port, and how often it was connected to."""

    def __init__(self, moment: str) -> None:
        self.connections = 0
        self.port = 0
        self._moment = moment

    def meet(self) -> Rude:
        self.connections += 1
        return Rude(self._moment)

    async def __aenter__(self) -> Self:
        key = asyncssh.generate_private_key("ssh-ed25519")
        self._listener = await asyncssh.create_server(self.meet, "127.0.0.1", 0, server_host_keys=[key])
        self.port = self._listener.get_port()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self._listener.wait_closed()


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool(config=None, dice=lambda: 0.1) as pool:
        yield pool


async def settled(session: Session) -> Session:
    """Once its first attempt has failed."""
    async with asyncio.timeout(30):
        while session.state not in {SessionState.PARKED, SessionState.BACKOFF}:
            await session.wait_change()
    return session


async def start(pool: Pool, port: int, **keywords: Any) -> Session:
    usual: dict[str, Any] = {"username": "admin", "host_key": "off", "identity": "none", "agent_path": None}
    return await settled(await pool.start(f"a://127.0.0.1:{port}", **{**usual, **keywords}))


@pytest.mark.parametrize("keywords", [{"password": "wrong"}, {"client_factory": Person}], ids=["ours", "the caller's"])
@pytest.mark.parametrize("moment", ["password", "answer"])
async def test_a_hang_up_on_a_password_is_a_refusal(pool: Pool, moment: str, keywords: dict[str, Any]) -> None:
    async with Server(moment) as server:
        session = await start(pool, server.port, **keywords)
        assert session.state is SessionState.PARKED
        assert isinstance(session.error, AuthenticationFailed)
        assert "hung up on the password or answer" in session.error.message
        assert session.error.hint
        assert (session.status().attempts, server.connections) == (1, 1)


async def test_a_hang_up_before_any_password_is_the_network(pool: Pool) -> None:
    async with Server("begin") as server:
        session = await start(pool, server.port, password="right")
        assert session.state is SessionState.BACKOFF
        assert isinstance(session.error, ConnectFailed)


async def test_a_hang_up_on_a_key_is_the_network(pool: Pool) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with Server("key") as server:
        session = await start(pool, server.port, client_keys=[key], password="right")
        assert session.state is SessionState.BACKOFF
        assert isinstance(session.error, ConnectFailed)


async def test_dropbear_that_allows_one_try(pool: Pool, start_dropbear: Callable[..., Dropbear]) -> None:
    server = start_dropbear("-T", "1")
    session = await start(pool, server.port, username=server.user, host_key=pin(server), password="wrong")
    assert session.state is SessionState.PARKED
    assert isinstance(session.error, AuthenticationFailed)
    assert session.status().attempts == 1
    assert server.log().count("Child connection from") == 1


async def test_a_link_lost_after_the_login_is_no_refusal(pool: Pool, start_dropbear: Callable[..., Dropbear]) -> None:
    server = start_dropbear()
    async with FaultyLink(server.host, server.port) as link:
        login = {"username": server.user, "host_key": pin(server), "identity": "none", "agent_path": None}
        session = await pool.start(f"a://127.0.0.1:{link.port}", password=server.password, **login)
        await session.wait_up(timeout=30)
        link.reset()
        async with asyncio.timeout(30):
            while session.status().connects < 2:
                await session.wait_change()
        await session.wait_up(timeout=30)
