"""Dropbear, the SSH server of small devices."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from .account import Account
from .keys import Keyring, public_line
from .process import HOST, Peer


class Dropbear(Peer):
    """A Dropbear on 127.0.0.1, for an account that exists for the tests: its authorized_keys are in its home.

    Args:
        keyring: Where the client's key comes from, and where the host key goes.
        account: The user to log in as.
        arguments: Further ones of its command line.
    """

    ready = "Not backgrounding"

    def __init__(self, keyring: Keyring, account: Account, *arguments: str) -> None:
        super().__init__()
        self._arguments = arguments
        self.account = account
        self.client_key = keyring.key("client")
        self._host_key = keyring.folder / f"dropbear-{self.port}"
        made = subprocess.run(
            ["dropbearkey", "-t", "ed25519", "-f", str(self._host_key)], capture_output=True, text=True, check=True
        )
        self._public = next(line for line in made.stdout.splitlines() if line.startswith("ssh-ed25519 "))
        folder = account.home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        keys = folder / "authorized_keys"
        keys.write_text(public_line(self.client_key) + "\n")
        keys.chmod(0o600)
        for path in (folder, keys):
            shutil.chown(path, account.name, account.name)

    @property
    def user(self) -> str:
        """The user to log in as."""
        return self.account.name

    @property
    def password(self) -> str:
        """The user's password."""
        return self.account.password

    @property
    def known_hosts_line(self) -> str:
        """The line that trusts its host key."""
        return f"[{HOST}]:{self.port} " + " ".join(self._public.split()[:2])

    def command(self) -> Sequence[str]:
        program = shutil.which("dropbear", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "dropbear"
        return [program, "-F", "-E", "-p", f"{HOST}:{self.port}", "-r", str(self._host_key), *self._arguments]
