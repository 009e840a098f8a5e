"""Accepting: a device that called becomes a link, once it has proved its key and somebody said who it is.

Its key is proven when the login begins, and only then are a user name and credentials chosen: what is sent to a
device was configured for it (RFC 8071 section 4). Until then the host key is taken as it comes, and nothing is said.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.device import HostKey
from ..model.errors import ConnectFailed, HostKeyError, InvalidTarget, MooringError
from .algorithms import RSA_BITS, offers, rsa_bits
from .arrival import VERSION
from .client import Client
from .credentials import KeyRing
from .dial import keepalive
from .hostkeys import KnownHosts, algorithms
from .link import Link
from .logs import keep_quiet
from .mapping import connect_error
from .private import judge_certificate, log_in_as

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .arrival import Arrival
    from .route import Route

__all__ = ["Acceptor", "Admission", "HungUp", "Offer", "Refused"]

_WITHOUT: Final = "-diffie-hellman-group-exchange-*,diffie-hellman-group17-*,diffie-hellman-group18-*"
"""A stranger is the server here and would choose the group: testing one of 8,192 bits takes a minute of our loop."""
_NEUTRAL: Final = "mooring"
"""The user name before the device is known; it is never sent."""
_REFUSED: Final = "not approved here"
keep_quiet()


@dataclass(frozen=True, slots=True)
class Offer:
    """Which host keys we ask for.

    Attributes:
        kinds: Types of keys that the device is known by, or says it will show.
        only: Whether no other will do.
        certificates: Whether certificates are asked for too.
        legacy: Whether old algorithms will do.
    """

    kinds: tuple[str, ...] = ()
    only: bool = False
    certificates: bool = False
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Who the device is.

    Attributes:
        route: Its target and what follows from it.
        policy: How its key is trusted, for the status.
        keep: Awaited before the first credential is sent: what must be on the disk by then. What it raises ends the
            login.
    """

    route: Route
    policy: str
    keep: Callable[[], Awaitable[None]]


class HungUp(ConnectFailed):
    """It hung up after a password was sent: it refuses it so, or it restarts; one time does not tell which."""


class Refused(HostKeyError):
    """It is not let in, and may know why.

    Args:
        message: For us.
        told: For it.
        more: As HostKeyError has them.
    """

    def __init__(self, message: str, *, told: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.told = told


class Acceptor:
    """Logs in on connections that devices opened. Call ``aclose()`` at the end."""

    def __init__(self) -> None:
        self._keys = KeyRing()
        self._known_hosts: dict[str, KnownHosts] = {}

    async def aclose(self) -> None:
        """Let go of the agents."""
        await self._keys.aclose()

    async def log_in(
        self, arrival: Arrival, judge: Callable[[HostKey], Admission], offer: Offer, timeout: float
    ) -> tuple[Link, Admission]:
        """Shake hands, have the device judged, log in. Cancelling is safe: nothing is left open.

        Args:
            arrival: The connection, its claim read.
            judge: Told the proven key; says who that is, or raises, upon which the connection is closed and nothing was
                sent.
            offer: Which keys are asked for.
            timeout: Seconds for all of it.

        Raises:
            HungUp: It hung up on the password.
            ConnectFailed, HandshakeFailed, AuthenticationFailed, CredentialError, HostKeyError: As their docstrings
                say, and what ``judge`` raises.
        """
        client = _Caller(judge, self._keys)
        try:
            async with asyncio.timeout(timeout):
                connection = await asyncssh.connect(
                    arrival.peer[0] or "device",
                    arrival.peer[1] or 22,
                    tunnel=arrival,
                    config=None,
                    client_version=VERSION,
                    client_factory=lambda: client,
                    username=_NEUTRAL,
                    password=client.password,
                    client_keys=None,
                    agent_path=None,
                    gss_host=None,
                    x509_trusted_certs=None,
                    connect_timeout=None,
                    login_timeout=timeout,
                    known_hosts=lambda *_: ((), (), (), (), (), (), ()),
                    server_host_key_algs=_algorithms(offer),
                    keepalive_interval=0,
                    **offers(legacy=offer.legacy, wanted={"kex_algs": _WITHOUT}),
                )
        except BaseException as error:
            if client.connection is not None:
                client.connection.abort()
            arrival.drop()
            if not isinstance(error, Exception):
                raise
            raise _explained(error, client, arrival, timeout) from error
        admission = client.admission
        if admission is None:
            connection.abort()  # let in before it asked who we are: nothing was decided
            raise HostKeyError(f"{arrival.address} let us in without a login", host=arrival.address)
        connection.set_keepalive(*keepalive(admission.route))
        return Link(connection, admission.route, client, client.check, None), admission

    def known(self, file: str, name: str, key: HostKey) -> str | None:
        """What a known_hosts file says of a key under a name.

        Returns:
            ``key`` or ``authority`` where it is known, ``changed``, ``revoked``; None where it says nothing.

        Raises:
            HostKeyError: The file cannot be read.
        """
        path = str(Path(file).expanduser())
        hosts = self._known_hosts.setdefault(path, KnownHosts((Path(path),)))
        try:
            trust = hosts.match(name, 22)
        except OSError as error:
            raise HostKeyError(f"{file} cannot be read: {error.strerror or error}", host=name) from error
        texts = {_text(known.key) for known in trust.revoked}
        if key.text in texts or key.authority in texts:
            return "revoked"
        if key.authority is not None:
            found = key.authority in {_text(known.key) for known in trust.authorities}
            return "authority" if found and name in key.names else "changed" if trust.authorities else None
        if key.text in {_text(known.key) for known in trust.keys}:
            return "key"
        return "changed" if trust.keys or trust.authorities else None


class _Check:
    """The part of a host key's check that needs no knowledge of the device."""

    policy_name = "verify"

    def __init__(self) -> None:
        self.key: HostKey | None = None
        self.error: HostKeyError | None = None
        self._names: tuple[str, ...] = ()
        self._authority: str | None = None

    def name(self, names: Sequence[str]) -> str | None:
        """Note whom a certificate is for, and choose the name that AsyncSSH looks for in it."""
        self._names = tuple(names)
        return names[0] if names else None

    def validate_host_ca_key(self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
        self._authority = _text(key)
        return True  # decided when the login begins

    def validate_host_public_key(self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
        return (rsa_bits(key.public_data) or RSA_BITS) >= RSA_BITS  # decided when the login begins

    def proven(self, connection: asyncssh.SSHClientConnection) -> HostKey:
        """The key of the handshake, which is done."""
        key = connection.get_server_host_key()
        if key is None:
            raise HostKeyError("the device showed no host key", host="")
        self.key = HostKey(_text(key), self._names, self._authority)
        return self.key

    def same(self, connection: asyncssh.SSHClientConnection) -> None:
        """Hold the connection to its key: a later exchange may show no other."""
        first = connection.get_server_host_key()
        self.validate_host_public_key = lambda _host, _addr, _port, key: key == first  # type: ignore[method-assign]


class _Caller(Client):
    """Our side of a connection that a device opened."""

    def __init__(self, judge: Callable[[HostKey], Admission], keys: KeyRing) -> None:
        self.check = _Check()
        super().__init__(self.check)
        self._judge = judge
        self._keys = keys
        self._pairs_given = False
        self.admission: Admission | None = None
        self.error: MooringError | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """The stream was handed over."""
        super().connection_made(conn)
        judge_certificate(conn, self.check.name)

    def begin_auth(self, username: str) -> None:
        """The key is proven: find out who this is, before a word of the login is said."""
        del username
        assert self.connection is not None  # noqa: S101 - AsyncSSH's order
        try:
            admission = self._judge(self.check.proven(self.connection))
        except MooringError as error:
            self.error = error
            told = error.told if isinstance(error, Refused) else _REFUSED
            raise asyncssh.DisconnectError(asyncssh.DISC_HOST_KEY_NOT_VERIFIABLE, told) from error
        self.check.same(self.connection)
        self.check.policy_name = admission.policy
        log_in_as(self.connection, admission.route.username)
        self.admission = admission

    async def password(self) -> str | None:
        """The device's own password; None where it has none."""
        if self.admission is None:
            return None
        await self.admission.keep()
        secret = await self._keys.password(self.admission.route.target)
        if secret is None:
            return None
        self.offered = True
        return secret.reveal()

    async def public_key_auth_requested(self) -> Any:
        """The keys that the device's target names, once."""
        given, self._pairs_given = self._pairs_given, True
        if given or self.admission is None or not self.admission.route.identity:
            return None
        await self.admission.keep()
        return await self._keys.key_pairs(identity_files=self.admission.route.identity, identities_only=True) or None

    def kbdint_auth_requested(self) -> Any:
        """Answer with the password, where there is one."""
        target = self.admission.route.target if self.admission is not None else None
        has = target is not None and (target.password is not None or target.password_from is not None)
        return super().kbdint_auth_requested() if has else None


def _algorithms(offer: Offer) -> list[str]:
    return algorithms(offer.kinds, only=offer.only, certificates=offer.certificates, legacy=offer.legacy)


def _text(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode("ascii").split()[:2])


def _explained(error: Exception, client: _Caller, arrival: Arrival, timeout: float) -> MooringError:
    where = client.admission.route.where if client.admission is not None else arrival.address
    if client.error is not None:
        return client.error
    if isinstance(error, asyncssh.HostKeyNotVerifiable) and not client.left:
        return HostKeyError(f"the host key of {arrival.address} is refused: {error.reason}", host=arrival.address)
    if isinstance(error, ValueError) and not isinstance(error, (asyncssh.Error, MooringError)):
        return InvalidTarget(f"AsyncSSH refuses a keyword for {where}: {error}")
    if isinstance(error, TimeoutError):
        return ConnectFailed(f"{where} was not done within {timeout:g} s, {client.phase}")
    found = connect_error(error, where)
    return HungUp(found.message) if client.offered and found.retryable else found
