"""Simulated hosts: SSH servers that answer a few commands, many in one process, cheap enough to stand in for a fleet.

The other side of demonstrations, tests and benchmarks. They run nothing and forward nothing: whatever is asked of
them, nothing happens to the machine they are on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import asyncssh

from ..model.errors import ConfigError
from .server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

__all__ = ["SimulatedHost", "SimulatedHosts"]

_MAX_PORT: Final = 65_535


@dataclass(eq=False)
class SimulatedHost:
    """One host, and what has happened to it.

    Attributes:
        name: What ``hostname`` answers.
        address: Where it listens.
        port: Likewise.
        user: Whom it lets in; None for anybody.
        connections: TCP connections accepted in all.
        live: Connections now.
        handshakes: Of these, not authenticated yet.
        peak_handshakes: The most handshakes at once.
        auth_attempts: Passwords, prompts answered and keys that were judged.
        channels: Session channels open now.
        peak_channels: The most channels at once, over all its connections.
        commands: Commands started in all.
    """

    name: str
    address: str
    port: int
    user: str | None
    connections: int = 0
    live: int = 0
    handshakes: int = 0
    peak_handshakes: int = 0
    auth_attempts: int = 0
    channels: int = 0
    peak_channels: int = 0
    commands: int = 0


@dataclass(eq=False)
class SimulatedHosts:
    """A number of simulated hosts, from entering to leaving; ``hosts[0]`` is the first of them.

    Without ``password``, ``answers`` and ``authorized_keys`` they let everybody in. Give several, and any will do.

    Args:
        count: How many.
        address: The address they listen on.
        port: The first host's port, the others follow; 0 lets the system choose each.
        one_port: All share one listener, and the user name says which host is meant: a thousand hosts for the price
            of one. Names that are no host's are let in as well, each as a host of that name.
        host_key: The key all of them show; a new ed25519 one by default.
        user: The only user that is let in; None for anybody.
        password: The password that lets in.
        answers: Prompts of keyboard-interactive and what to answer; the prompts are shown in one round.
        authorized_keys: Lines of public keys that let in, as in the file of that name, without options.
        latency: Seconds before a command begins to answer.
        max_sessions: Session channels that one connection may have open at once, as ``MaxSessions`` of OpenSSH;
            None for any number.
        refuse_channels_after: Channels that one connection may open in all; None for any number.
        ignore_signals: Signals do nothing, as in OpenSSH before 9.4 for root.
        exit_without_status: Commands end without saying how.
    """

    count: int = 1
    address: str = "127.0.0.1"
    port: int = 0
    one_port: bool = False
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"), repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    answers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorized_keys: str = ""
    latency: float = 0.0
    max_sessions: int | None = None
    refuse_channels_after: int | None = None
    ignore_signals: bool = False
    exit_without_status: bool = False

    def __post_init__(self) -> None:
        last = self.port if self.one_port or not self.port else self.port + self.count - 1
        if last > _MAX_PORT:
            raise ConfigError(f"host {self.count} would listen on port {last}, and there are {_MAX_PORT}")
        self.trusted = frozenset(_public_keys(self.authorized_keys))
        self.live: set[asyncssh.SSHServerConnection] = set()
        self._hosts: list[SimulatedHost] = []
        self._by_port: dict[int, SimulatedHost] = {}
        self._by_user: dict[str, SimulatedHost] = {}
        self._listeners: list[asyncssh.SSHAcceptor] = []

    async def __aenter__(self) -> Self:
        options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: serve(self),
            server_host_keys=[self.host_key],
            encoding=None,
            line_editor=False,
            allow_scp=False,
            agent_forwarding=False,
            gss_host=None,
            config=None,
        )
        try:
            if self.one_port:
                await self._listen_once(options)
            else:
                await self._listen_each(options)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __len__(self) -> int:
        return len(self._hosts)

    def __getitem__(self, index: int) -> SimulatedHost:
        return self._hosts[index]

    def __iter__(self) -> Iterator[SimulatedHost]:
        return iter(self._hosts)

    @property
    def public_key(self) -> str:
        """The host key's public half, as type and base64."""
        return self.host_key.export_public_key("openssh").decode().strip()

    @property
    def known_hosts(self) -> str:
        """Lines of known_hosts that trust every one of them."""
        ports = dict.fromkeys(host.port for host in self._hosts)
        return "".join(f"[{self.address}]:{port} {self.public_key}\n" for port in ports)

    def drop(self) -> None:
        """Cut every connection."""
        for connection in list(self.live):
            connection.abort()

    async def aclose(self) -> None:
        """Stop listening, cut every connection, and wait until all is gone."""
        for listener in self._listeners:
            listener.close()
        connections = list(self.live)
        self.drop()
        await asyncio.gather(*(connection.wait_closed() for connection in connections))
        await asyncio.gather(*(listener.wait_closed() for listener in self._listeners))
        self._listeners.clear()

    def reached(self, port: int) -> SimulatedHost:
        """The host that listens on the port."""
        return self._by_port[port]

    def meant(self, host: SimulatedHost, user: str) -> SimulatedHost:
        """The host that a user name asks for."""
        if not self.one_port:
            return host
        if user not in self._by_user:
            self._by_user[user] = SimulatedHost(user, self.address, host.port, user)
        return self._by_user[user]

    async def _listen_each(self, options: asyncssh.SSHServerConnectionOptions) -> None:
        for number in range(self.count):
            port = await self._listen(options, self.port + number if self.port else 0)
            host = SimulatedHost(f"host-{number + 1}", self.address, port, self.user)
            self._hosts.append(host)
            self._by_port[port] = host

    async def _listen_once(self, options: asyncssh.SSHServerConnectionOptions) -> None:
        port = await self._listen(options, self.port)
        self._by_port[port] = SimulatedHost("nobody", self.address, port, None)
        for number in range(self.count):
            name = f"host-{number + 1}"
            host = SimulatedHost(name, self.address, port, name)
            self._hosts.append(host)
            self._by_user[name] = host

    async def _listen(self, options: asyncssh.SSHServerConnectionOptions, port: int) -> int:
        listener = await asyncssh.listen(self.address, port, options=options, backlog=1024)
        self._listeners.append(listener)
        return listener.get_port()


def _public_keys(text: str) -> list[bytes]:
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                keys.append(asyncssh.import_public_key(line).public_data)
            except asyncssh.KeyImportError as error:
                raise ConfigError(f"not a public key: {error}", source="authorized_keys", line=number) from error
    return keys
