"""Private keys and certificates in files, each read once."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncssh

from ..model.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..model.secret import Secret

__all__ = ["Identity", "KeyFiles", "read_private_file"]

_DEFAULTS: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
_MAX_SIZE: Final = 1 << 20
_Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Identity:
    """A key we may log in with.

    Attributes:
        blob: The public key as SSH sends it.
        key: The private key; None where the agent holds it.
        certificates: Its certificates.
    """

    blob: bytes
    key: asyncssh.SSHKey | None
    certificates: tuple[asyncssh.SSHCertificate, ...]


@dataclass(frozen=True, slots=True)
class _Unusable:
    """Why a file's key cannot be used, kept so that the same file need not be tried again."""

    reason: str
    hint: str | None = None
    locked: bool = False


class KeyFiles:
    """Reads key files for one thread at a time, and remembers them until they change."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._keys: dict[tuple[Path, Secret | None], tuple[_Version, asyncssh.SSHKey | _Unusable]] = {}
        self._certificates: dict[Path, tuple[_Version, asyncssh.SSHCertificate]] = {}

    def identities(
        self,
        files: Sequence[Path],
        certificate_files: Sequence[Path],
        passphrase: Secret | None,
        held: Collection[bytes],
        *,
        defaults: bool,
    ) -> list[Identity]:
        """What the named files hold, and with ``defaults`` what the usual ones do.

        Args:
            files: As for ``KeyRing.key_pairs``.
            certificate_files: Likewise.
            passphrase: Likewise.
            held: Public keys whose private half the agent holds: their files need not be opened.
            defaults: As for ``KeyRing.key_pairs``.

        Raises:
            CredentialError: A named file cannot be used.
        """
        with self._turn:
            certificates = [self._certificate(file) for file in certificate_files]
            found = [self._identity(file, passphrase, held, certificates) for file in files]
            for name in _DEFAULTS if defaults else ():
                file = Path("~/.ssh").expanduser() / name
                try:
                    found.append(self._identity(file, passphrase, held, certificates))
                except CredentialError:
                    continue
        return list({identity.blob: identity for identity in reversed(found)}.values())[::-1]

    def _identity(
        self,
        file: Path,
        passphrase: Secret | None,
        held: Collection[bytes],
        certificates: Sequence[asyncssh.SSHCertificate],
    ) -> Identity:
        public = _public(file) if held else None
        if public is not None and public.public_data in held:
            key, blob = None, public.public_data
        else:
            key = self._private(file, passphrase)
            blob = key.public_data
        beside = file.with_name(file.name + "-cert.pub")
        if beside.exists():
            certificates = [self._certificate(beside), *certificates]
        own = {each.public_data: each for each in certificates if each.key.public_data == blob}
        return Identity(blob, key, tuple(own.values()))

    def _private(self, file: Path, passphrase: Secret | None) -> asyncssh.SSHKey:
        data, version = read_private_file(file, f"the private key {file}")
        # A file without a passphrase serves whoever names it, with whatever passphrase.
        key = self._opened(file, data, version, None)
        if isinstance(key, _Unusable) and key.locked and passphrase is not None:
            key = self._opened(file, data, version, passphrase)
        if isinstance(key, _Unusable):
            raise CredentialError(key.reason, hint=key.hint)
        return key

    def _opened(
        self, file: Path, data: bytes, version: _Version, passphrase: Secret | None
    ) -> asyncssh.SSHKey | _Unusable:
        found = self._keys.get((file, passphrase))
        if found is None or found[0] != version:
            found = self._keys[file, passphrase] = version, _open(file, data, passphrase)
        return found[1]

    def _certificate(self, file: Path) -> asyncssh.SSHCertificate:
        data, version = _read(file, f"the certificate {file}")
        found = self._certificates.get(file)
        if found is None or found[0] != version:
            try:
                certificate = asyncssh.import_certificate(data)
            except ValueError as error:
                raise CredentialError(f"the certificate {file} cannot be read: {error}") from None
            found = self._certificates[file] = version, certificate
        return found[1]


def _open(file: Path, data: bytes, passphrase: Secret | None) -> asyncssh.SSHKey | _Unusable:
    try:
        key = asyncssh.import_private_key(data, passphrase.reveal() if passphrase else None)
    except ValueError as error:
        return _why_not(file, data, str(error), passphrase)
    key.set_filename(file)
    return key


def _why_not(file: Path, data: bytes, reason: str, passphrase: Secret | None) -> _Unusable:
    if passphrase is not None:
        return _Unusable(f"the passphrase does not open the private key {file}: {reason}")
    if reason.startswith("Passphrase"):
        hint = f"pass its passphrase, or add it to the agent: ssh-add {shlex.quote(str(file))}"
        return _Unusable(f"the private key {file} has a passphrase, and none was given", hint, locked=True)
    if _is_public(data):
        hint = "name the private key's file, or add its key to the agent"
        return _Unusable(f"{file} is a public key, and the agent does not hold its private half", hint)
    return _Unusable(f"the private key {file} cannot be read: {reason}")


def _is_public(data: bytes) -> bool:
    if b"PRIVATE KEY" in data:
        return False
    try:
        asyncssh.import_public_key(data)
    except ValueError:
        return False
    return True


def _public(file: Path) -> asyncssh.SSHKey | None:
    """The public half of a private key, without opening it: beside it, or in OpenSSH's format within it."""
    for candidate in (file.with_name(file.name + ".pub"), file):
        try:
            data = _read(candidate, str(candidate))[0]
        except CredentialError:
            continue
        if b"PRIVATE KEY" not in data or b"BEGIN OPENSSH PRIVATE KEY" in data:
            try:
                return asyncssh.import_public_key(data)
            except ValueError:
                continue
    return None


def read_private_file(file: Path, what: str) -> tuple[bytes, _Version]:
    """Read a file that nobody else may read, as ssh demands of private keys: what it holds, and its version.

    Args:
        file: The file; a file of another owner, who decides on its mode, is taken as it is.
        what: What to call it in messages.

    Raises:
        CredentialError: It is missing, unreadable, too long, or its mode lets others read or write it.
    """
    return _read(file, what, private=True)


def _read(file: Path, what: str, *, private: bool = False) -> tuple[bytes, _Version]:
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if private and sys.platform != "win32" and status.st_uid == os.getuid() and status.st_mode & 0o077:
                raise CredentialError(
                    f"{what} has mode {status.st_mode & 0o777:04o}, and others may use it",
                    hint=f"chmod 600 {shlex.quote(str(file))}",
                )
            data = stream.read(_MAX_SIZE + 1)
    except OSError as error:
        raise CredentialError(f"{what} cannot be read: {error.strerror or error}") from None
    if len(data) > _MAX_SIZE:
        raise CredentialError(f"{what} cannot be read: it has more than {_MAX_SIZE} bytes")
    return data, (status.st_mtime_ns, status.st_size, status.st_ino)
