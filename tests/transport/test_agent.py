"""One connection to a real ssh-agent: shared, restarted under us, suspended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from mooring.model.errors import CredentialError
from mooring.transport import agent as module
from mooring.transport.agent import Agent
from mooring.transport.credentials import KeyRing
from tests.peers.ending import ending

if TYPE_CHECKING:
    from tests.peers.keys import Keyring
    from tests.peers.sshd import Sshd

pytestmark = pytest.mark.anyio


@contextmanager
def running(socket: Path, *keys: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An ssh-agent at a socket of our choice, so that another can take its place."""
    socket.unlink(missing_ok=True)
    with ending(subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        for key in keys:
            environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
            subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True)
        yield process


@pytest.fixture
async def agent(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Agent]:
    del anyio_backend
    agent = Agent(str(tmp_path / "socket"))
    yield agent
    await agent.aclose()


def connections(socket: str) -> int:
    return sum(line.endswith(socket) for line in Path("/proc/net/unix").read_text().splitlines()) - 1


async def test_many_sign_over_one_connection(agent: Agent, keyring: Keyring) -> None:
    keys = [keyring.key("client"), keyring.key("client_rsa", "rsa")]
    with running(Path(agent.path), *keys):
        held = await agent.keys()
        blobs = [pair.public_data for pair in held]
        asked = [(blobs[number % 2], f"text {number}".encode()) for number in range(60)]
        signatures = await asyncio.gather(*(agent.sign(blob, data) for blob, data in asked))
        for (blob, data), signature in zip(asked, signatures, strict=True):
            algorithm = "ssh-ed25519" if blob == blobs[0] else "ssh-rsa"
            public = asyncssh.read_public_key(keys[blobs.index(blob)].with_suffix(".pub"))
            assert public.get_algorithm() == algorithm
            assert public.verify(data, signature)
        if Path("/proc/net/unix").exists():
            assert connections(agent.path) == 1


async def test_logins_share_an_agent(keyring: Keyring, sshd: Sshd, tmp_path: Path) -> None:
    ring = KeyRing()
    with running(tmp_path / "socket", keyring.key("client")):

        async def log_in() -> None:
            pairs = await ring.key_pairs(agent=str(tmp_path / "socket"))
            async with asyncssh.connect(
                sshd.host,
                sshd.port,
                config=None,
                known_hosts=None,
                username=sshd.user,
                client_keys=pairs,
                agent_path=None,
            ):
                if Path("/proc/net/unix").exists():
                    assert connections(str(tmp_path / "socket")) == 1

        await asyncio.gather(*(log_in() for _ in range(6)))
        await ring.aclose()


async def test_an_agent_may_be_restarted(agent: Agent, keyring: Keyring) -> None:
    key = keyring.key("client")
    with running(Path(agent.path), key):
        (before,) = await agent.keys()
    with running(Path(agent.path), key):
        assert await agent.sign(before.public_data, b"text")
    with pytest.raises(CredentialError, match="cannot be used") as caught:
        await agent.keys()
    assert agent.path in caught.value.message


async def test_a_key_that_is_gone_is_not_signed_with(agent: Agent, keyring: Keyring) -> None:
    with running(Path(agent.path), keyring.key("client")):
        (pair,) = await agent.keys()
        subprocess.run(["ssh-add", "-q", "-D"], env={**os.environ, "SSH_AUTH_SOCK": agent.path}, check=True)
        with pytest.raises(CredentialError, match="Unable to sign"):
            await agent.sign(pair.public_data, b"text")
        assert await agent.keys() == []


async def test_a_login_goes_on_with_the_next_key_when_the_agent_is_gone(
    agent: Agent, keyring: Keyring, sshd: Sshd, caplog: pytest.LogCaptureFixture
) -> None:
    with running(Path(agent.path), keyring.key("client")):
        pairs = await agent.keys()
    async with asyncssh.connect(
        sshd.host,
        sshd.port,
        config=None,
        known_hosts=None,
        username=sshd.user,
        client_keys=[*pairs, str(sshd.client_key)],
        agent_path=None,
    ):
        assert agent.path in caplog.text


async def test_a_silent_agent_is_given_up_and_asked_afresh(
    agent: Agent, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Path(agent.path), keyring.key("client")) as process:
        await agent.keys()
        process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(module, "_TIMEOUT", 0.05)
        with pytest.raises(CredentialError, match="did not answer"):
            await agent.keys()
        monkeypatch.undo()
        process.send_signal(signal.SIGCONT)
        assert len(await agent.keys()) == 1


async def test_a_cancelled_question_leaves_no_answer_for_the_next(agent: Agent, keyring: Keyring) -> None:
    keys = [keyring.key("client"), keyring.key("another")]
    with running(Path(agent.path), *keys) as process:
        one, two = await agent.keys()
        process.send_signal(signal.SIGSTOP)
        asked = asyncio.create_task(agent.sign(one.public_data, b"one"))
        waiting = asyncio.create_task(agent.sign(two.public_data, b"two"))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        process.send_signal(signal.SIGCONT)
        assert asyncssh.read_public_key(keys[1].with_suffix(".pub")).verify(b"two", await waiting)
