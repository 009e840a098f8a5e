"""One connection to an SSH agent, shared by all sessions that sign with its keys."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, TypeVar, cast

import asyncssh

from ..model.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Agent"]

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")

_TIMEOUT: Final = 10.0
_TURN_TIMEOUT: Final = 60.0
_REFUSAL: Final = "Unable to sign"


class _NoAnswer(CredentialError, ValueError):
    """The agent gave no answer. Being a ValueError, it makes AsyncSSH go on with the next key, as ssh does."""


class Agent:
    """The agent at one socket. It is connected to at the first question, and once more if it was restarted.

    Questions are asked one after the other, since the protocol has no numbers to tell answers apart; so one that was
    given up takes its connection with it. Each has 10 seconds, and may wait 60 for its turn.

    Args:
        path: The agent's socket.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._client: asyncssh.SSHAgentClient | None = None
        self._turn = asyncio.Lock()

    async def keys(self) -> list[asyncssh.SSHKeyPair]:
        """Key pairs of all that the agent holds, made for one login. Cancelling is safe.

        Raises:
            CredentialError: The agent cannot be reached or does not answer.
        """
        return [
            self.pair(held.algorithm, held.public_data, held.get_comment_bytes() or b"")
            for held in await self._ask(lambda client: client.get_keys())
        ]

    def pair(self, algorithm: bytes, blob: bytes, comment: bytes) -> asyncssh.SSHKeyPair:
        """A key pair that signs here. It carries the state of one login, so each login needs its own."""
        # AsyncSSH's class asks its agent for nothing but ``sign``.
        return asyncssh.SSHAgentKeyPair(cast("asyncssh.SSHAgentClient", self), algorithm, blob, comment)

    async def sign(self, key_blob: bytes, data: bytes, flags: int = 0) -> bytes:
        """Have something signed. Cancelling is safe.

        Raises:
            CredentialError: The agent cannot be reached, does not answer, or does not sign.
        """
        try:
            return await self._ask(lambda client: client.sign(key_blob, data, flags))
        except CredentialError as error:
            _log.warning("a key is passed over: %s", error.message)
            raise

    async def aclose(self) -> None:
        """Close the connection; a later question opens another."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
            with contextlib.suppress(OSError):  # a broken connection, or a deadline; it is closed either way
                async with asyncio.timeout(_TIMEOUT):
                    await client.wait_closed()

    async def _ask(self, question: Callable[[asyncssh.SSHAgentClient], Awaitable[_T]]) -> _T:
        try:
            async with asyncio.timeout(_TURN_TIMEOUT):
                await self._turn.acquire()
        except TimeoutError:
            msg = f"the agent at {self.path} had no time for us within {_TURN_TIMEOUT:g} s"
            raise _NoAnswer(msg) from None
        try:
            return await self._answer(question)
        except TimeoutError:
            msg = f"the agent at {self.path} did not answer within {_TIMEOUT:g} s"
            raise _NoAnswer(msg, hint="it may be waiting for a confirmation or a token") from None
        except (OSError, ValueError) as error:
            msg = f"the agent at {self.path} cannot be used: {str(error) or type(error).__name__}"
            raise _NoAnswer(msg, hint="ssh-add -l asks the agent of $SSH_AUTH_SOCK what it holds") from error
        finally:
            self._turn.release()

    async def _answer(self, question: Callable[[asyncssh.SSHAgentClient], Awaitable[_T]]) -> _T:
        if self._client is not None:
            try:
                return await self._once(question)
            except (OSError, ValueError) as error:
                # All but these two mean a broken connection to AsyncSSH: the agent may have been restarted.
                if isinstance(error, TimeoutError) or str(error).startswith(_REFUSAL):
                    raise
        return await self._once(question)

    async def _once(self, question: Callable[[asyncssh.SSHAgentClient], Awaitable[_T]]) -> _T:
        try:
            async with asyncio.timeout(_TIMEOUT):
                if self._client is None:
                    self._client = await asyncssh.connect_agent(self.path)
                return await question(self._client)
        except BaseException:
            client, self._client = self._client, None
            if client is not None:
                client.close()
            raise
