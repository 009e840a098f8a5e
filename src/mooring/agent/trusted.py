"""Whom the agent lets in: the servers' keys, in a file as sshd's ``authorized_keys``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import asyncssh

from ..model.errors import CredentialError
from ..store.faults import faults
from ..store.private import write_private
from ..transport.authorized import AuthorizedKeys, against_others

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TrustedKeys"]

_MOST: Final = 1 << 20


class TrustedKeys:
    """The keys in a file, with their options and ``cert-authority`` for certificates, as sshd(8) has them.

    The file is read at each call, so what is added or taken away counts from the next one on.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> AuthorizedKeys | None:
        """Them; None where there is none.

        Raises:
            CredentialError: The file cannot be read, or others may write it.
            ConfigError: A line of it cannot be honoured.
        """
        text = self._text()
        there = any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
        return AuthorizedKeys(text, str(self.path)) if there else None

    def trust(self, key: asyncssh.SSHKey) -> None:
        """Let the holder of a key in from now on; it is on the disk when this returns.

        Raises:
            CredentialError, StateError: The file cannot be read or written.
            ConfigError: A line of it cannot be honoured.
        """
        there = self.read()
        if there is not None and there.names(key):
            return
        line, text = " ".join(key.export_public_key().decode("ascii").split()[:2]), self._text()
        with faults(self.path):
            write_private(self.path, f"{text.rstrip()}\n{line} mooring\n".lstrip().encode())

    def holds(self, fingerprint: str) -> bool:
        """Whether the key of a fingerprint is one of them, as such.

        Raises:
            CredentialError: The file cannot be read, or others may write it.
        """
        return any(_fingerprint(line) == fingerprint for line in self._text().splitlines())

    def _text(self) -> str:
        try:
            with self.path.open(encoding="utf-8") as file:
                if (hint := against_others(os.fstat(file.fileno()), self.path)) is not None:
                    raise CredentialError(f"others may write {self.path}, and so say who is let in", hint=hint)
                return file.read(_MOST)
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(f"{self.path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _fingerprint(line: str) -> str:
    try:
        return asyncssh.import_public_key(line).get_fingerprint()
    except asyncssh.KeyImportError:
        return ""
