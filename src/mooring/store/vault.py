"""Passwords at rest: sealed with a key that lies in a file of its own, outside the database and its backups.

AES-256-GCM (NIST SP 800-38D) with a random nonce in front of each sealed password, and the alias as the associated
data, so that a password cannot be moved to another session. The key file holds one key of 32 bytes; while a rotation
is under way it holds the new key and, behind it, the old one, so that it may end anywhere and nothing is lost.
"""

from __future__ import annotations

import os
import secrets
import threading
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..model.errors import CredentialError, StateError
from ..model.secret import Secret
from .faults import faults
from .private import read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Vault"]

_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_MOST_KEYS: Final = 2


class Vault:
    """Seals and opens passwords; the key is read, or made, when it is first needed.

    Its methods wait for the disk, so they belong in a thread; any number of threads may call them.

    Args:
        path: The key file. What is wrong with it is looked at again at each call, until it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._keys: tuple[bytes, ...] = ()

    def seal(self, alias: str, password: Secret) -> bytes:
        """The password as it may be stored. A missing key file is made.

        Raises:
            StateError: The key file cannot be used, and is left as it is; or it cannot be written.
        """
        with self._turn:
            # Nothing is sealed with a key that is not on the disk, even if somebody took its file away meanwhile.
            if not _exists(self.path):
                self._write(self._keys or (secrets.token_bytes(_KEY_SIZE),))
            key = self._read()[0]
        nonce = secrets.token_bytes(_NONCE_SIZE)
        return nonce + AESGCM(key).encrypt(nonce, password.reveal().encode(), alias.encode())

    def open(self, alias: str, sealed: bytes) -> Secret:
        """The password that was sealed for this alias.

        Raises:
            CredentialError: The key file cannot be used, or it is another one.
        """
        try:
            with self._turn:
                keys = self._read()
        except StateError as error:
            raise CredentialError(error.message, hint=error.hint) from None
        nonce, ciphertext = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        for key in keys:
            try:
                return Secret(AESGCM(key).decrypt(nonce, ciphertext, alias.encode()).decode())
            except (InvalidTag, ValueError):  # ValueError: what was cut short, or never was ours
                continue
        raise CredentialError(
            f"the key file {self.path} is not the one that it was sealed with",
            hint="put the right key file back",
        )

    def renew(self) -> None:
        """Put a new key before the old one; from now on it seals, and the old one still opens.

        Where an earlier rotation did not end, its new key stays the new one.

        Raises:
            StateError: The key file cannot be used, and is left as it is; or it cannot be written.
        """
        with self._turn:
            old = self._read() if self._keys or _exists(self.path) else ()
            if len(old) < _MOST_KEYS:
                self._write((secrets.token_bytes(_KEY_SIZE), *old))

    def retire(self) -> None:
        """Leave only the key that seals: all was sealed with it.

        Raises:
            StateError: The key file cannot be used, and is left as it is; or it cannot be written.
        """
        with self._turn:
            self._write(self._read()[:1])

    def _read(self) -> tuple[bytes, ...]:
        if not self._keys:
            try:
                data = read_private(self.path, "key file", _KEY_SIZE * _MOST_KEYS + 1)
            except OSError as error:
                raise StateError(
                    f"the key file {self.path} cannot be read: {error.strerror or error}",
                    hint="put the key file back",
                ) from None
            if not data or len(data) % _KEY_SIZE or len(data) > _KEY_SIZE * _MOST_KEYS:
                raise StateError(
                    f"the key file {self.path} is damaged: it should have {_KEY_SIZE} bytes",
                    hint="put the right key file back, or move it away for a new one",
                )
            self._keys = tuple(data[start : start + _KEY_SIZE] for start in range(0, len(data), _KEY_SIZE))
        return self._keys

    def _write(self, keys: tuple[bytes, ...]) -> None:
        """Replace the key file; what the new key seals is stored after it."""
        with faults(self.path):
            write_private(self.path, b"".join(keys))
        self._keys = keys


def _exists(path: Path) -> bool:
    """Whether there is anything under this name, a dangling link included: only nothing at all is made anew."""
    return os.path.lexists(path)
