"""Dialing: a route becomes a link, within a deadline, or a named error."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.errors import ConnectError, ConnectFailed, CredentialError, InvalidTarget, StateError
from .algorithms import RSA_BITS, offers, rsa_bits
from .client import Client
from .credentials import KeyRing
from .hostkeys import HostKeyCheck, KnownHosts
from .link import Link
from .logs import keep_quiet
from .mapping import LEGACY_HINT, connect_error
from .proxycommand import ProxyCommand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..model.errors import HostKeyError, MooringError
    from ..model.secret import Secret
    from ..sshconfig import HostConfig
    from .route import Route

__all__ = ["Dialer", "keepalive"]

_FAMILIES: Final = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
keep_quiet()


class Dialer:
    """Makes links, with the keys, agents and known hosts that all of them share read once.

    Call ``aclose()`` at the end.
    """

    def __init__(self) -> None:
        self._keys = KeyRing()
        self._known_hosts: dict[tuple[tuple[Path, ...], tuple[Path, ...]], KnownHosts] = {}

    async def aclose(self) -> None:
        """Let go of the agents."""
        await self._keys.aclose()

    async def dial(
        self,
        route: Route,
        over: Link | None = None,
        on_trust: Callable[[str], None] | None = None,
        *,
        stream: socket.socket | None = None,
        ask: Callable[[str, HostKeyError], bool] | None = None,
    ) -> Link:
        """Connect, verify, log in.

        Cancelling is safe: nothing is left open.

        Args:
            route: Where to; ``route.connect_timeout`` bounds TCP, handshake and login together.
            over: The link to the hop before, where the route has one.
            on_trust: Told in a sentence when a host key was learned, added or dropped.
            stream: A connection that stands already, non-blocking; it is closed with the link, or in failing.
            ask: As HostKeyCheck has it.

        Raises:
            ConnectFailed, HandshakeFailed, AuthenticationFailed, CredentialError, UnknownHostKey,
            HostKeyChanged, HostKeyError: As their docstrings say.
            InvalidTarget: An AsyncSSH keyword has a value that AsyncSSH refuses.
        """
        check = self._check(route, on_trust, ask)
        own = route.keywords.client_factory
        client = Client(check, own() if own is not None else None)
        proxy = ProxyCommand(route.proxy_command) if route.proxy_command and stream is None else None
        lent: _Lent | None = None
        try:
            lent = _Lent(stream) if stream is not None else None
            async with asyncio.timeout(route.connect_timeout):
                options = await self._options(route, check, client)
                lent = _Lent(await proxy.start()) if proxy else lent
                connection = await asyncssh.connect(
                    route.host,
                    route.port,
                    sock=lent.sock if lent else None,
                    tunnel=over.connection if over else None,
                    config=None,
                    client_factory=lambda: client,
                    **options,
                )
                await check.settle()
        except BaseException as error:
            await _abandon(client, proxy, lent)
            if isinstance(error, asyncssh.PermissionDenied):
                await check.settle()
            if not isinstance(error, Exception):
                raise
            if over is not None and over.closed:
                client.offered = False  # the way there broke: that was no answer
            raise _explained(error, check, client, proxy, route) from error
        return Link(connection, route, client, check, proxy)

    async def trust(self, route: Route, key: str, on_trust: Callable[[str], None]) -> None:
        """Trust a host key of a route's host, as somebody said, in the place of others. Cancelling is safe.

        Args:
            route: Whose.
            key: It, as type and base64.
            on_trust: Told in a sentence what was written down.

        Raises:
            StateError: The file of known keys cannot be read or written.
        """
        try:
            await self._check(route, on_trust).trust(key)
        except OSError as error:
            raise StateError(f"the key cannot be written down: {error.filename}: {error.strerror or error}") from error

    async def unusable(self, file: str, *, passphrase: Secret | None, agent: str | None) -> CredentialError | None:
        """Why a private key file cannot be used to log in; None where it can. Cancelling is safe."""
        try:
            await self._keys.key_pairs(identity_files=[file], passphrase=passphrase, agent=agent)
        except CredentialError as error:
            return error
        return None

    def _check(
        self,
        route: Route,
        on_trust: Callable[[str], None] | None,
        ask: Callable[[str, HostKeyError], bool] | None = None,
    ) -> HostKeyCheck:
        config = route.config
        files = route.known_hosts, route.system_known_hosts
        known_hosts = self._known_hosts.get(files)
        if known_hosts is None:
            known_hosts = self._known_hosts[files] = KnownHosts(route.known_hosts, system=route.system_known_hosts)
        # As ssh: a file named in ssh_config is only rewritten where UpdateHostKeys says so.
        named = config.user_known_hosts_files is not None and route.target.known_hosts is None
        return HostKeyCheck(
            host=route.host,
            port=route.port,
            policy=route.policy,
            known_hosts=known_hosts,
            alias=config.host_key_alias,
            hash_names=bool(config.hash_known_hosts),
            update=config.update_host_keys or (False if named else None),
            legacy=bool(route.target.legacy),
            algorithms=config.host_key_algorithms,
            authorities_sign_with=config.ca_signature_algorithms,
            rsa_bits=config.required_rsa_size or RSA_BITS,
            on_change=on_trust,
            ask=ask,
        )

    async def _options(self, route: Route, check: HostKeyCheck, client: Client) -> dict[str, Any]:
        """AsyncSSH's keywords for a route: ours, then what ssh_config says, then what the caller says."""
        config = route.config
        options: dict[str, Any] = {
            "username": route.username,
            "client_keys": await self._client_keys(route),
            "agent_path": None,
            "gss_host": None,
            "x509_trusted_certs": None,
            **dict(zip(("keepalive_interval", "keepalive_count_max"), keepalive(route), strict=True)),
            "connect_timeout": None,
            "login_timeout": route.connect_timeout,
            **offers(legacy=bool(route.target.legacy), wanted=route.algorithms),
            **check.asyncssh_options(),
            **_configured(config),
            **route.keywords.options,
            "env": route.env,
        }
        password = await self._keys.password(route.target)
        if password is not None:
            options["password"] = client.offering(password)
        return options

    async def _client_keys(self, route: Route) -> Any:
        keywords = route.keywords
        if route.config.pubkey_authentication is False:
            return None
        if keywords.client_keys is not None:
            # Fresh pairs: they carry state of one login.
            return asyncssh.load_keypairs(list(keywords.client_keys)) or None
        pairs = await self._keys.key_pairs(
            identity_files=route.identity,
            certificate_files=route.config.certificate_files,
            identities_only=route.config.identities_only,
            agent=keywords.agent or route.config.identity_agent,
            passphrase=keywords.passphrase,
            defaults=route.target.identity is None and route.config.default_identities,
            files_first=keywords.files_first,
        )
        least = route.config.required_rsa_size or RSA_BITS
        return [pair for pair in pairs if (rsa_bits(pair.public_data) or least) >= least] or None


def keepalive(route: Route) -> tuple[float, int]:
    """AsyncSSH's interval and count: a silent peer is lost after ``keepalive * keepalive_count`` seconds.

    AsyncSSH waits for one interval more than its count, which is at least one: a single one is halved.
    """
    if route.keepalive_count == 1:
        return route.keepalive / 2, 1
    return route.keepalive, route.keepalive_count - 1


def _configured(config: HostConfig) -> dict[str, Any]:
    """AsyncSSH's keywords for what ssh_config sets; what it does not set is left to AsyncSSH."""
    found: dict[str, Any] = {
        "password_auth": config.password_authentication,
        "kbdint_auth": config.kbd_interactive_authentication,
        "tcp_keepalive": config.tcp_keep_alive,
        "preferred_auth": config.preferred_authentications,
        "send_env": config.send_env,
        "family": _FAMILIES.get(config.address_family or ""),
        "local_addr": (config.bind_address, 0) if config.bind_address else None,
        "compression_algs": ["zlib@openssh.com", "none"] if config.compression else None,
        "agent_forwarding": config.forward_agent and _agent_to_forward(config),
    }
    return {name: value for name, value in found.items() if value is not None and value not in ({}, (), "")}


def _agent_to_forward(config: HostConfig) -> str | None:
    if isinstance(config.forward_agent, str):
        return os.path.expandvars(config.forward_agent)
    usual = os.environ.get("SSH_AUTH_SOCK")
    agent = config.identity_agent
    return usual if agent in {None, "SSH_AUTH_SOCK"} else None if agent == "none" else agent


class _Lent:
    """A socket that the loop is given."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._stood = os.fstat(sock.fileno())

    def forget(self) -> None:
        """Have its number let alone where the loop has closed it.

        uvloop leaves the number in the object, which would close it again when it goes: it may be another's by then.
        """
        try:
            ours = os.path.samestat(os.fstat(self.sock.fileno()), self._stood)
        except OSError:
            ours = False
        if not ours:
            self.sock.detach()


async def _abandon(client: Client, proxy: ProxyCommand | None, lent: _Lent | None) -> None:
    if lent is not None:
        lent.forget()
    if client.connection is not None:
        client.connection.abort()
    elif lent is not None:
        lent.sock.close()
    if proxy is not None:
        await proxy.stop()


def _explained(
    error: Exception, check: HostKeyCheck, client: Client, proxy: ProxyCommand | None, route: Route
) -> MooringError:
    """The error to raise: what the host key check found comes first, since it is the cause of the rest."""
    if check.error is not None or (isinstance(error, asyncssh.HostKeyNotVerifiable) and not client.left):
        return check.refused(error)
    if isinstance(error, ValueError) and not isinstance(error, (asyncssh.Error, ConnectError, CredentialError)):
        return InvalidTarget(f"AsyncSSH refuses a keyword for {route.where}: {error}")
    if isinstance(error, TimeoutError):
        found: MooringError = ConnectFailed(
            f"{route.where} did not answer within {route.connect_timeout:g} s, {client.phase}",
            hint="raise connect_timeout= where the way there is slow",
        )
    else:
        found = connect_error(error, route.where, offered=client.offered)
        if isinstance(error, asyncssh.ConnectionLost) and client.met and not route.target.legacy:
            # Who finds nothing in common hangs up, and its reset may outrun the list that would have told us.
            found.hint = LEGACY_HINT
    # What else it may be is seen better by us: a proxy command also warns, and a wrong password stays one.
    if proxy is not None and isinstance(found, ConnectFailed):
        why = proxy.complaint or found.message
        return ConnectFailed(f"the proxy command for {route.where} failed: {why}", hint=found.hint)
    return found
