"""The agent: it dials the server, lets it log in, and dials again when the connection is gone, for ever."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, Self

import asyncssh

from ..model.enrolment import check_agent_id
from ..model.errors import CredentialError, MooringError, WaitTimeout
from ..pool.backoff import delay
from ..transport.serve import KEEPALIVE, keywords, load_host_key
from ..wire.enrolment import AGENT, REFUSED, Token, preamble
from .account import Account
from .login import Login
from .trusted import TrustedKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from .child import Child
    from .session import Session

__all__ = ["VERSION", "Agent"]

_log: Final = logging.getLogger(__name__)
VERSION: Final = f"AsyncSSH_{asyncssh.__version__}{AGENT}"
"""What it says it is: its SSH is AsyncSSH's, and so is the way in which it is spoken to."""
_DIALING: Final = 10.0
"""Seconds for each address of the server's name."""
_LOGIN: Final = 60.0
"""Seconds from there to the end of the login: the server may have a thousand others to log in to first."""
_SETTLED: Final = 2.0
"""Seconds after which a connection was a good one, and the next attempt comes as soon as after a first failure: a bad
link is dialed over again and again, and a server that hangs up on us at once is not."""
_SAID: Final = 300
"""Letters of what a server says that are shown."""
_LAST: Final = 1.0
"""Seconds for what still runs to end when the agent does."""


class Agent:
    """One agent, which lets a server manage this host as the user that it runs as.

    ::

        agent = Agent("192.0.2.10", 4334, "web1", host_key=Path("host_key"), trusted_keys=Path("trusted_keys"))
        await agent.run()

    or ``async with agent:``, where other things are to be done meanwhile. Only the TCP connection is turned round: the
    server is the client of SSH, as with devices that call home.

    Args:
        host: Whom to dial.
        port: Likewise.
        agent_id: By which the server knows it.
        host_key: The file of its own key, which is made where there is none; a certificate may lie beside it.
        trusted_keys: The file of the keys of servers that are let in; see ``TrustedKeys``.
        token: What the server printed for it, where they do not know each other yet.
        forwarding: Whether connections may be carried over it.
        account: Who it runs as; by default the user of this process.
        keepalive: Seconds of silence after which the server is asked whether it is there; it is gone when it misses
            three.
        dice: Numbers from 0 to 1, for the back-off.

    Raises:
        CredentialError: The token is none.
        InvalidInput: The id is none.
    """

    def __init__(
        self,
        host: str,
        port: int,
        agent_id: str,
        *,
        host_key: Path,
        trusted_keys: Path,
        token: Token | str | None = None,
        forwarding: bool = False,
        account: Account | None = None,
        keepalive: float = KEEPALIVE,
        dice: Callable[[], float] = random.random,
    ) -> None:
        check_agent_id(agent_id)
        self.agent_id = agent_id
        self._where = (host, port)
        self._key_file = host_key
        self._trusted = TrustedKeys(trusted_keys)
        self._token = Token.parse(token) if isinstance(token, str) else token
        self._forwarding = forwarding
        self._account = account or Account.own()
        self._keepalive = keepalive
        self._dice = dice
        self._keys: list[Any] = []
        self._public = ""
        self._is_up = asyncio.Event()
        self._children: set[Child] = set()
        self._running: asyncio.Task[None] | None = None
        self._told = ""

    def __repr__(self) -> str:
        return f"<Agent {self.agent_id} {'up' if self.up else 'away'}>"

    @property
    def trouble(self) -> str:
        """Why nobody is logged in, as it was logged last; empty once somebody was."""
        return self._told

    @property
    def up(self) -> bool:
        """Whether a server is logged in."""
        return self._is_up.is_set()

    async def __aenter__(self) -> Self:
        """Run it in the background.

        Raises:
            CredentialError, ConfigError, StateError: As ``prepare`` has them.
        """
        self.prepare()
        self._running = asyncio.create_task(self.run(), name=f"agent {self.agent_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None  # noqa: S101 - entered
        self._running.cancel()
        await asyncio.wait((self._running,))
        if kind is None and not self._running.cancelled():
            self._running.result()

    def prepare(self) -> None:
        """See that it can run: its key is there, or made, and there is somebody to let in.

        Raises:
            CredentialError: It has no token, and knows no server; or a file cannot be used.
            ConfigError: A line of the trusted keys cannot be honoured.
            StateError: No key can be made.
        """
        if self._keys:
            return
        if self._token is not None and self._trusted.holds(self._token.server):
            self._token = None  # they know each other: it was used before
        if self._token is None and self._trusted.read() is None:
            call = f"mooring agent-token {quote(self.agent_id)}"
            raise CredentialError(
                f"no server is trusted: {self._trusted.path} is empty, or missing, and there is no token",
                hint=f"on the server, `{call}` prints a token: give it with --token-file",
            )
        key = load_host_key(self._key_file)
        self._public = " ".join(key.export_public_key().decode("ascii").split()[:2])
        self._keys = [key]
        certificate = self._key_file.with_name(self._key_file.name + "-cert.pub")
        if certificate.exists():
            try:
                self._keys = [(key, asyncssh.read_certificate(certificate))]
            except (OSError, ValueError) as error:
                raise CredentialError(f"the certificate {certificate} cannot be used: {error}") from None

    async def wait_up(self, timeout: float | None) -> None:
        """Wait until a server is logged in. Cancelling is safe.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            WaitTimeout: None was in time.
            CredentialError, StateError: As ``run`` has them, where it has ended.
        """
        waiting = asyncio.ensure_future(self._is_up.wait())
        ends = {waiting} if self._running is None else {waiting, self._running}
        try:
            done, _ = await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._running is not None and self._running.done():
            await self._running
        if not done:
            why = f": {self.trouble}" if self.trouble else ""
            raise WaitTimeout(f"nobody logged in to {self.agent_id} within {timeout:g} s{why}")

    async def run(self) -> None:
        """Be an agent until cancelled, which ends it in order.

        Raises:
            CredentialError, ConfigError, StateError: As ``prepare`` has them.
        """
        self.prepare()
        failures = 0
        try:
            while True:
                lasted = await self._call()
                failures = 1 if lasted >= _SETTLED else failures + 1
                await asyncio.sleep(delay(failures, self._dice()))
        finally:
            await asyncio.gather(*(child.wait_gone(_LAST) for child in self._children))

    async def _call(self) -> float:
        """One connection, from the dialing to its end, whose reason is logged.

        Returns:
            Seconds for which a server was logged in.
        """
        where = "{}:{}".format(*self._where)
        login, lasted = None, 0.0
        try:
            login = self._new_login()
            sock = await _dial(*self._where)
            connection = await self._begin(sock, login)
            try:
                lasted = await self._serve(connection, login)
            finally:
                await _end(connection)
            self._tell(
                f"the connection to {where} is gone: {_words(login.error) if login.error else 'the server closed it'}"
            )
        except (OSError, asyncssh.Error, TimeoutError, MooringError) as error:
            self._tell(f"{where}: {self._why(error, login)}")
        except Exception:  # noqa: BLE001 - an agent that is gone is one that nobody can mend from afar
            _log.exception("%s: failed unexpectedly", where)
        return lasted

    def _new_login(self) -> Login:
        expected = self._token.server if self._token is not None else None
        return Login(self._account, self._trusted.read(), expected, self._over, forwarding=self._forwarding)

    async def _begin(self, sock: socket.socket, login: Login) -> asyncssh.SSHServerConnection:
        """Say who we are, and have the server log in."""
        words = preamble(self.agent_id, self._account.name, self._public, self._token)
        more: dict[str, Any] = {"server_version": VERSION, "encoding": None, "line_editor": False}
        more |= {"login_timeout": _LOGIN, "keepalive": self._keepalive}
        try:
            await asyncio.get_running_loop().sock_sendall(sock, words)
            return await asyncssh.run_server(sock, **keywords(self._keys, lambda: login, **more))
        except BaseException:
            if login.begun:
                login.connection.abort()
            else:
                sock.close()
            raise

    async def _serve(self, connection: asyncssh.SSHServerConnection, login: Login) -> float:
        """A server is logged in: remember it, and be there for it until it goes. Returns after how many seconds."""
        if login.by_token is not None:
            self._trusted.trust(login.by_token)
            self._token = None
            _log.info("the server's key %s is trusted from now on", login.by_token.get_fingerprint())
        _log.info("%s:%s is logged in as %s", *self._where, self._account.name)
        self._told = ""
        self._is_up.set()
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            await connection.wait_closed()
        finally:
            self._is_up.clear()
        return clock() - begun

    def _over(self, session: Session) -> None:
        """A channel is closed; what ran on it may run on."""
        self._children = {child for child in self._children if not child.gone}
        if not session.child.gone:
            self._children.add(session.child)

    def _tell(self, message: str) -> None:
        """Log why there is no connection, loudly when it is news."""
        _log.log(logging.DEBUG if message == self._told else logging.WARNING, "%s", message)
        self._told = message

    def _why(self, error: Exception, login: Login | None) -> str:
        """What went wrong, and what may help."""
        if login is not None and login.refused_name is not None:
            return f"the server logs in as {login.refused_name!r}, and this agent runs as {self._account.name}"
        if login is not None and login.refused_keys:
            return (
                f"the server's key {', '.join(login.refused_keys)} is not trusted, and was not let in: it is another"
                f" server, or its key belongs into {self._trusted.path}"
            )
        if isinstance(error, asyncssh.DisconnectError):
            if self._token is not None and error.reason.startswith(REFUSED):
                # Not proven: anybody on the way can say so, and shall not end an agent with it.
                another = f"`mooring agent-token {quote(self.agent_id)}` prints another there, if it is so"
                return f"the token is not taken: {_words(error).removeprefix(REFUSED)}; {another}"
            return f"the server hung up: {_words(error)}"
        if isinstance(error, TimeoutError):
            return "no answer in time"
        return _words(error)


def _words(error: Exception) -> str:
    """What an error says; of what somebody else said, what can be printed."""
    number = getattr(error, "errno", None)
    if number and number > 0:
        return os.strerror(number)
    said = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return "".join(letter for letter in str(said) if letter.isprintable())[:_SAID]


async def _dial(host: str, port: int) -> socket.socket:
    """A connection to the first of the addresses of a name that answers.

    Raises:
        OSError: None does; the last one's reason.
    """
    loop = asyncio.get_running_loop()
    found: Sequence[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    last: OSError = ConnectionError("the name has no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)  # noqa: FBT003 - socket's own
            async with asyncio.timeout(_DIALING):
                await loop.sock_connect(sock, address)
        except TimeoutError:
            sock.close()
            last = TimeoutError(f"no answer within {_DIALING:g} s")
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise last


async def _end(connection: asyncssh.SSHServerConnection) -> None:
    """Say goodbye, wait a little for it to be heard, and see that its channels know."""
    connection.close()
    try:
        async with asyncio.timeout(_LAST):
            await connection.wait_closed()
    except TimeoutError:
        connection.abort()
        await connection.wait_closed()
