"""One connection's decision about the peer's host key, by the rules of ssh: verify, learn at first sight, pin, rotate.

AsyncSSH asks for it before the peer has proved that it holds the key, so nothing is written until ``settle()``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.errors import HostKeyChanged, HostKeyError, InvalidTarget
from . import refusals
from .algorithms import RSA_BITS, pick, rsa_bits
from .hostfiles import KnownHosts, Trust
from .known_hosts import name_of
from .refusals import places, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .hostfiles import Known

__all__ = ["HostKeyCheck", "KnownHosts", "algorithms"]

_log: Final = logging.getLogger(__name__)

_PORT: Final = 22
_RSA: Final = ("rsa-sha2-512", "rsa-sha2-256")
_ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    *_RSA,
)
_OLD: Final = ("ssh-rsa", "ssh-dss")
_CERTIFICATES: Final = tuple(f"{name}-cert-v01@openssh.com" for name in _ALGORITHMS)
_AUTHORITIES: Final = _ALGORITHMS
"""What an authority may sign with: ssh's default, which leaves SHA-1 out."""
_POLICIES: Final = frozenset({"verify", "accept-new", "off"})


class HostKeyCheck:
    """What one connection attempt makes of the peer's host key. It fails closed.

    Give AsyncSSH ``asyncssh_options()`` and let its client callbacks call ``validate_host_public_key`` and
    ``validate_host_ca_key``. When the handshake is done call ``settle()``; when AsyncSSH raises HostKeyNotVerifiable
    raise what ``refused()`` gives.

    Args:
        host: Name or address, as it was asked for.
        port: TCP port.
        policy: ``verify``, ``accept-new``, ``off``, a public key or its ``SHA256:`` fingerprint.
        known_hosts: The files; None where there are none.
        alias: HostKeyAlias: the name to look up instead, whatever the port.
        hash_names: Whether names are written hashed.
        update: UpdateHostKeys, ``ask`` counting as no, since nobody is there to ask; by default yes.
        legacy: Whether SHA-1 signatures and DSA keys will do.
        algorithms: HostKeyAlgorithms: a list as ssh_config has it, ``+ - ^`` included. It wins.
        authorities_sign_with: CASignatureAlgorithms, as such a list. An RSA authority passes if any of its
            signature algorithms does, since AsyncSSH does not tell which one it used.
        rsa_bits: RequiredRSASize: a smaller RSA host key is refused.
        on_change: Told in a sentence what was written down, taken out, or could not be.
        ask: Asked for a key that would be refused, unless it is revoked or weak: type and base64, and why. True lets
            it pass this once. It is called in the handshake and must not block.

    Attributes:
        policy_name: ``verify``, ``accept-new``, ``off`` or ``pinned``.
        key: The key that was judged; None before, and where AsyncSSH found it among the user's known ones.
        error: Why it was refused; None where it was not, or where AsyncSSH refused it by itself.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        policy: str,
        known_hosts: KnownHosts | None,
        alias: str | None = None,
        hash_names: bool = False,
        update: bool | str | None = None,
        legacy: bool = False,
        algorithms: str | None = None,
        authorities_sign_with: str | None = None,
        rsa_bits: int = RSA_BITS,
        on_change: Callable[[str], None] | None = None,
        ask: Callable[[str, HostKeyError], bool] | None = None,
    ) -> None:
        self.policy_name = policy if policy in _POLICIES else "pinned"
        self.key: asyncssh.SSHKey | None = None
        self.error: HostKeyError | None = None
        self._host, self._port = (alias, _PORT) if alias else (host, port)
        self._pin = _pin(policy) if self.policy_name == "pinned" else None
        self._known_hosts = known_hosts or KnownHosts(())
        self._hash_names = hash_names
        self._update = update in {None, True, "yes"} and self.policy_name in {"verify", "accept-new"}
        self._legacy = legacy
        self._wished = algorithms
        self._authority_algorithms = pick(authorities_sign_with, list(_AUTHORITIES), "signature_algs")
        self._rsa_bits = rsa_bits
        self._tell = on_change or (lambda _: None)
        self._ask = ask
        self._allowed: asyncssh.SSHKey | None = None
        self._trust = Trust(name_of(self._host, self._port))
        self._certified = False
        self._unwritten: asyncssh.SSHKey | None = None

    @property
    def fingerprint(self) -> str | None:
        """``SHA256:...`` of ``key``."""
        return self.key.get_fingerprint() if self.key else None

    def asyncssh_options(self) -> dict[str, Any]:
        """Look the host up, and give the keywords of SSHClientConnectionOptions that follow from it.

        Raises:
            HostKeyError: A file of known keys cannot be read.
        """
        try:
            trust = self._trust = self._known_hosts.match(self._host, self._port)
        except OSError as error:
            msg = f"the known keys of {self._trust.name} cannot be read: {error.filename}: {error.strerror or error}"
            raise HostKeyError(msg, host=self._trust.name) from error
        certificates = bool(trust.authorities) and self.policy_name in {"verify", "accept-new"}
        # AsyncSSH asks us about keys that it is not given. It must not ask about those that a server may announce
        # as its own (hostkeys-00@openssh.com), or it would have them proved again at each connection.
        keys = self._own_keys() if self.policy_name in {"verify", "accept-new"} else ()
        # A certificate is shown to us by its authority only: AsyncSSH must know if the key in it was revoked.
        revoked = tuple(known.key for known in trust.revoked) if certificates else ()
        return {
            "known_hosts": lambda *_: (keys, (), revoked, (), (), (), ()),
            "host_key_alias": self._host.lower(),
            "server_host_key_algs": self._algorithms(certificates=certificates),
            "server_host_keys_handler": self._announced if self._update and keys else None,
        }

    def _own_keys(self) -> tuple[asyncssh.SSHKey, ...]:
        """Keys of this very host and port in the user's files, but for the revoked."""
        if self._trust.portless:
            return ()
        revoked = {known.key for known in self._trust.revoked}
        return tuple(
            known.key
            for known in self._trust.keys
            if known.line.user and known.key not in revoked and not self._too_small(known.key)
        )

    def _too_small(self, key: asyncssh.SSHKey) -> bool:
        return (rsa_bits(key.public_data) or self._rsa_bits) < self._rsa_bits

    def _algorithms(self, *, certificates: bool) -> list[str]:
        """What we ask the server to sign with: kinds of keys that we know first, then the others.

        The others too, so that a key of another kind is seen as a changed one and not as a broken network.
        """
        known = [*self._trust.keys] if self._pin is None else []
        kinds = [known.key.get_algorithm() for known in known]
        if isinstance(self._pin, asyncssh.SSHKey):
            kinds.append(self._pin.get_algorithm())
        usual = algorithms(kinds, certificates=certificates, legacy=self._legacy)
        wished = pick(self._wished, usual, "server_host_key_algs")
        return [name for name in wished if certificates or name not in _CERTIFICATES]

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Whether a key will do, as AsyncSSH's callback of this name asks; if not, ``error`` says why."""
        del host, addr, port  # the check knows whom it was made for
        return self._accepted(key, self._refuse_key)

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Whether the authority of a certificate will do, as AsyncSSH's callback of this name asks."""
        del host, addr, port
        return self._accepted(key, self._refuse_authority)

    def _accepted(self, key: asyncssh.SSHKey, refuse: Callable[[asyncssh.SSHKey], HostKeyError | None]) -> bool:
        try:
            self.error = refuse(key)
        except Exception as error:  # noqa: BLE001 - whatever it is, the key must not pass
            _log.debug("the check of a host key failed", exc_info=True)
            self.error = HostKeyError(
                f"the host key of {self._trust.name} could not be checked: {type(error).__name__}: {error}",
                host=self._trust.name,
            )
        return self.error is None

    def _refuse_key(self, key: asyncssh.SSHKey) -> HostKeyError | None:
        trust, before, self.key = self._trust, self.key, key
        if before is not None and before != key:
            return refusals.swapped(trust, key)
        if self._too_small(key):
            return refusals.too_small(trust, key, self._rsa_bits)
        if _of(trust.revoked, key):
            return refusals.revoked(trust, key)
        if self._pin is not None:
            pinned = self._pin in (key, key.get_fingerprint())
            return None if pinned else self._asked(key, refusals.unpinned(trust, key, self._pin))
        if self.policy_name == "off" or _of(trust.keys, key):
            return None
        return self._asked(key, self._refuse_stranger(key))

    def _asked(self, key: asyncssh.SSHKey, error: HostKeyError | None) -> HostKeyError | None:
        if error is None or self._ask is None or key == self._allowed:
            return error if self._allowed is None else None
        if not self._ask(refusals.text(key), error):
            return error
        self._allowed = key
        return None

    def _refuse_stranger(self, key: asyncssh.SSHKey) -> HostKeyError | None:
        trust, file = self._trust, self._known_hosts.learn_to
        if not trust.portless and (trust.keys or trust.authorities):
            return refusals.changed(trust, key, file)
        if self.policy_name == "verify":
            return refusals.unknown(trust, key, file)
        self._unwritten = key
        return None

    def _refuse_authority(self, key: asyncssh.SSHKey) -> HostKeyError | None:
        self._certified = True
        if _of(self._trust.revoked, key):
            return refusals.revoked(self._trust, key)
        if self._pin is not None:
            return refusals.unpinned(self._trust, key, self._pin)
        if self.policy_name == "off":
            return None
        if _of(self._trust.authorities, key):
            sound = any(name.decode("ascii") in self._authority_algorithms for name in key.sig_algorithms)
            return None if sound else refusals.unsound(self._trust, key)
        return refusals.foreign(self._trust, key)

    def refused(self, error: Exception) -> HostKeyError:
        """The error to raise where AsyncSSH raised HostKeyNotVerifiable: ours, or AsyncSSH's own reason as ours.

        AsyncSSH checks a certificate's principals and validity by itself, and keys revoked beside an authority.
        """
        if self.error is not None:
            return self.error
        kind = HostKeyChanged if "revoked" in str(error) else HostKeyError
        hint = f"see {places(self._trust.revoked)}" if kind is HostKeyChanged else None
        reason = str(error).partition(" for host ")[0]
        return kind(f"the host key of {self._trust.name} is refused: {reason}", host=self._trust.name, hint=hint)

    async def settle(self) -> None:
        """Write down a key accepted at first sight. Call it once the handshake has proved the key.

        A file that cannot be written does not end the connection, as with ssh: ``on_change`` is told.
        Cancelling is safe.

        Raises:
            HostKeyChanged: Another connection met another key of this host meanwhile.
        """
        key, self._unwritten = self._unwritten, None
        if key is None:
            return
        file, name = self._known_hosts.learn_to, self._trust.name
        try:
            written = await self._known_hosts.learn(self._host, self._port, key, hash_names=self._hash_names)
            if not written:
                self._trust = self._known_hosts.match(self._host, self._port)
        except OSError as error:
            self._tell(f"trusted {words(key)} of {name}, not written to {file}: {error.strerror or error}")
            return
        if not written:
            self.error = refusals.changed(self._trust, key, file)
            raise self.error
        self._tell(f"trusted {words(key)} of {name} at first sight, written to {file}")

    async def trust(self, key: str) -> None:
        """Write down a key that was refused, in the place of the host's others: somebody says that it is right.

        Cancelling is safe: each file is as it was or as it should be.

        Raises:
            OSError: A file cannot be read or written.
        """
        named = asyncssh.import_public_key(key)
        known = self._known_hosts.match(self._host, self._port)
        old = [] if known.portless else [each.key for each in known.keys if each.line.user and each.key != named]
        await self._known_hosts.replace(self._host, self._port, [named], old, hash_names=self._hash_names)
        self._tell(f"somebody trusts {words(named)} of {known.name}, written to {self._known_hosts.learn_to}")

    async def _announced(
        self,
        added: Sequence[asyncssh.SSHKey],
        removed: Sequence[asyncssh.SSHKey],
        retained: Sequence[asyncssh.SSHKey],
        _revoked: Sequence[asyncssh.SSHKey],
    ) -> None:
        """Follow what the server says are its keys (OpenSSH's PROTOCOL, section 2.5), as ssh does.

        AsyncSSH had those proved that are new to it. The connection stands on a key that we knew as this host's own:
        any other, and any certificate, was shown to us and ends it here.
        """
        if self.key is not None or self._certified or not retained:
            return
        try:
            await self._rotate(added, removed, retained)
        except Exception as error:  # noqa: BLE001 - the connection is good whatever becomes of the file
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            self._tell(f"{self._trust.name} changed its host keys, not written down: {reason}")

    async def _rotate(
        self,
        added: Sequence[asyncssh.SSHKey],
        removed: Sequence[asyncssh.SSHKey],
        retained: Sequence[asyncssh.SSHKey],
    ) -> None:
        trust = self._trust = self._known_hosts.match(self._host, self._port)
        new = [key for key in added if self._wanted(key) and not _of((*trust.keys, *trust.revoked), key)]
        old = [known.key for known in trust.keys if known.line.user and known.key in removed]
        if not new and not old:
            return
        obstacle = self._known_hosts.obstacle(self._host, self._port, [*new, *old, *retained])
        if obstacle:
            _log.debug("the host keys of %s changed, and are left as they are written: %s", trust.name, obstacle)
            return
        await self._known_hosts.replace(self._host, self._port, new, old, hash_names=self._hash_names)
        done = [f"learned {words(key)}" for key in new] + [f"dropped {words(key)}" for key in old]
        self._tell(f"{trust.name} changed its host keys: {', '.join(done)}")

    def _wanted(self, key: asyncssh.SSHKey) -> bool:
        return self._legacy or key.get_algorithm() != "ssh-dss"


def algorithms(
    kinds: Iterable[str], *, only: bool = False, certificates: bool = False, legacy: bool = False
) -> list[str]:
    """What to ask a server to sign with.

    Args:
        kinds: Types of keys that are known or expected; asked for first.
        only: Ask for nothing else.
        certificates: Ask for certificates before all.
        legacy: Ask for the old ones too, last.
    """
    old = _OLD if legacy else ()
    first = [name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,)) if name not in _OLD]
    if only:
        return list(dict.fromkeys((*first, *(name for name in old if name in kinds))))
    return list(dict.fromkeys((*(_CERTIFICATES if certificates else ()), *first, *_ALGORITHMS, *old)))


def _pin(text: str) -> asyncssh.SSHKey | str:
    if text.startswith("SHA256:"):
        return text
    try:
        return asyncssh.import_public_key(" ".join(text.split()[:2]))
    except ValueError as error:
        msg = f"option 'host_key' has a public key that cannot be read: {error}"
        raise InvalidTarget(msg) from None


def _of(known: Iterable[Known], key: asyncssh.SSHKey) -> list[Known]:
    return [each for each in known if each.key == key]
