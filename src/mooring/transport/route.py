"""Where a target leads: what the DSN says, then ssh_config, then the defaults."""

from __future__ import annotations

import asyncio
import getpass
import socket
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..model.address import is_host
from ..model.errors import ConfigError, InvalidTarget
from ..model.target import Target
from ..sshconfig import Local, SSHConfig
from .keywords import Keywords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..sshconfig import HostConfig

__all__ = ["CONNECT_TIMEOUT", "KEEPALIVE", "KEEPALIVE_COUNT", "Route", "Router"]

KEEPALIVE: Final = 15.0
KEEPALIVE_COUNT: Final = 3
CONNECT_TIMEOUT: Final = 20.0
_PORT: Final = 22
_EXEC_TIMEOUT: Final = 10.0
_MAX_HOPS: Final = 8
_POLICY_OF: Final = {"yes": "verify", "ask": "verify", "no": "off", "off": "off", "accept-new": "accept-new"}
_ALGORITHMS: Final = {
    "kex_algs": "kex_algorithms",
    "encryption_algs": "ciphers",
    "mac_algs": "macs",
    "signature_algs": "pubkey_accepted_algorithms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A target looked up: nothing is left to be found in a file or a default.

    Attributes:
        target: What was asked for.
        host: The name or address to connect to.
        port: TCP port.
        username: Whom to log in as.
        config: What ssh_config says of the host.
        policy: ``verify``, ``accept-new``, ``off``, a key or its fingerprint.
        known_hosts: The user's files of trusted keys, the one to write to first.
        system_known_hosts: Further ones, which are never written to.
        identity: Key files named for this host; empty means the usual ones.
        keepalive: Seconds between keepalives.
        keepalive_count: How many may be missed; at least 1.
        connect_timeout: Seconds for TCP, handshake and login together.
        proxy_command: A shell command whose standard input and output are the connection.
        via: The hop before the last, itself a route; None for a direct connection.
        algorithms: AsyncSSH's algorithm keywords that ssh_config or the caller names.
        keywords: Further AsyncSSH keywords of the caller.
    """

    target: Target
    host: str
    port: int
    username: str
    config: HostConfig = field(repr=False)
    policy: str
    known_hosts: tuple[Path, ...]
    system_known_hosts: tuple[Path, ...]
    identity: tuple[str, ...]
    keepalive: float
    keepalive_count: int
    connect_timeout: float
    proxy_command: str | None = field(repr=False)
    via: Route | None
    algorithms: Mapping[str, str] = field(default_factory=dict)
    keywords: Keywords = field(default_factory=Keywords)

    @property
    def where(self) -> str:
        """``user@host:port``, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.username}@{host}:{self.port}"

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for routes that one connection can serve."""
        trust = self.policy, self.known_hosts, self.system_known_hosts, bool(self.target.legacy)
        return self.where, trust, self.identity, self.proxy_command, self.via and self.via.key

    @property
    def daemon(self) -> tuple[str, int, str]:
        """What shares one server's limits: host, port and the way there."""
        return self.host.lower(), self.port, self.proxy_command or (self.via.where if self.via else "")

    @property
    def env(self) -> dict[str, str]:
        """Variables for every command: what ssh_config sets, and what the caller sets for the connection."""
        return {**self.config.set_env, **(self.keywords.options.get("env") or {})}

    @property
    def hops(self) -> tuple[str, ...]:
        """The hops, nearest first, as ``user@host:port``."""
        return (*self.via.hops, self.via.where) if self.via else ()


class Router:
    """Looks targets up in one ssh_config, read once.

    Args:
        paths: ssh_config files; None reads ``~/.ssh/config`` and ``/etc/ssh/ssh_config``, an empty list none.

    Raises:
        ConfigError: A file cannot be read or honoured.
    """

    def __init__(self, paths: list[Path] | None = None) -> None:
        self._config = SSHConfig.load(paths, local=replace(Local.current(), resolve=_resolve))

    async def route(
        self, target: Target, keywords: Keywords | None = None, known: Mapping[str, Route] | None = None
    ) -> Route:
        """Look a target up, and every hop on its way. Cancelling is safe.

        Args:
            target: What to look up.
            keywords: What the caller passed beside it.
            known: Routes by their aliases: a hop of that name is reached so, and not looked up.

        Raises:
            InvalidTarget: The jumps lead in a circle, or a name is malformed.
            ConfigError: ssh_config says something for this host that cannot be honoured.
        """
        # In a thread: a `Match exec` line runs a program.
        return await asyncio.to_thread(self._route, target, keywords or Keywords(), target.jump, known or {})

    def _route(
        self,
        target: Target,
        keywords: Keywords,
        jump: tuple[str, ...] | None,
        known: Mapping[str, Route],
        depth: int = 0,
    ) -> Route:
        if depth > _MAX_HOPS:
            msg = f"the way to {target.alias} has more than {_MAX_HOPS} hops, or leads in a circle"
            raise InvalidTarget(msg, hint="look at jump= and at ProxyJump in ssh_config")
        config = self._config.lookup(target.host, user=target.username, port=target.port, run_exec=_run_exec)
        if not is_host(config.hostname):
            msg = f"HostName of {target.host} is no host name or address"
            raise ConfigError(msg, source=config.origin.get("hostname"))
        proxy_command = keywords.proxy_command or (config.proxy_command if jump is None else None)
        if jump is None:
            jump = config.proxy_jump if not proxy_command else ()
        via = None
        if jump:
            *before, last = jump
            via = known.get(last) if not before else None
            via = via or self._route(Target.parse(last), Keywords(), tuple(before) or None, known, depth + 1)
        policy = target.host_key or _POLICY_OF[config.strict_host_key_checking or "yes"]
        return Route(
            target=target,
            host=config.hostname,
            port=target.port or config.port or _PORT,
            username=target.username or config.user or getpass.getuser(),
            config=config,
            policy=policy,
            known_hosts=_user_files(target, config),
            system_known_hosts=() if target.known_hosts else _system_files(config),
            identity=config.identity_files if target.identity is None else target.identity,
            keepalive=target.keepalive or config.server_alive_interval or KEEPALIVE,
            keepalive_count=_at_least_one(config.server_alive_count_max),
            connect_timeout=target.connect_timeout or config.connect_timeout or CONNECT_TIMEOUT,
            proxy_command=proxy_command,
            via=via,
            algorithms=_algorithms(config, keywords.options),
            keywords=keywords,
        )


def _at_least_one(count: int | None) -> int:
    """ServerAliveCountMax 0 is not "never" to ssh: it hangs up after one interval."""
    return KEEPALIVE_COUNT if count is None else max(1, count)


def _user_files(target: Target, config: HostConfig) -> tuple[Path, ...]:
    names = (target.known_hosts,) if target.known_hosts else config.user_known_hosts_files
    return _files(("~/.ssh/known_hosts", "~/.ssh/known_hosts2") if names is None else names)


def _system_files(config: HostConfig) -> tuple[Path, ...]:
    names = config.global_known_hosts_files
    return _files(("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2") if names is None else names)


def _files(names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path(name).expanduser() for name in names)


def _algorithms(config: HostConfig, options: Mapping[str, Any]) -> dict[str, str]:
    found = {keyword: getattr(config, name) for keyword, name in _ALGORITHMS.items()}
    return {keyword: names for keyword, names in found.items() if names and keyword not in options}


def _resolve(name: str) -> str | None:
    """A name's canonical form for CanonicalizeHostname; None where it is not known. Called in a thread."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return None
    return next((canonical for *_, canonical, _ in found if canonical), None)


def _run_exec(command: str) -> bool:
    """Whether a ``Match exec`` command succeeds; ssh_config(5): it runs in the user's shell."""
    try:
        done = subprocess.run(  # noqa: S602 - the user's own configuration names the command
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_EXEC_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
