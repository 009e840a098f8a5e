"""OpenSSH's own server, with a configuration, keys and a port of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from .account import Account
from .keys import Keyring, public_line
from .process import HOST, Peer

Config = Mapping[str, str | int | Sequence[str]]

DEFAULTS: Config = {
    "ListenAddress": HOST,
    "PidFile": "none",
    "StrictModes": "no",
    "UsePAM": "no",
    "PermitRootLogin": "yes",
    "PasswordAuthentication": "yes",
    "KbdInteractiveAuthentication": "no",
    "LoginGraceTime": 30,
    "MaxStartups": 1000,
    "AcceptEnv": "LANG LC_* MOORING_*",
    "PrintMotd": "no",
    "SetEnv": "SHLVL=1",  # bash then leaves ~/.bashrc alone, which may take a second and wait for others' locks
    "Subsystem": "sftp internal-sftp",
    "LogLevel": "VERBOSE",
}


def missing() -> str | None:
    """Why no sshd can be started here; None if one can."""
    for program in (_sshd(), "ssh-keygen"):
        if shutil.which(program) is None:
            return f"no {program}: install openssh-server"
    return None


class Sshd(Peer):
    """An sshd on 127.0.0.1.

    ``user`` can log in by ``client_key``, and by ``password`` where there is one. So can whoever runs the tests, by
    key only. sshd's own defaults hold but for ``MaxStartups``, which drops at random.

    Args:
        keyring: Where its keys come from.
        account: The user to log in as.
        config: Lines of sshd_config, which win over ours; a sequence gives several lines of one keyword.
        host_keys: Private keys; the keyring's ed25519 ``host`` by default.
        folder: Where its files go; readable by the account, since sshd reads authorized_keys as that user.
    """

    ready = "Server listening on 127.0.0.1 port {port}."

    def __init__(
        self,
        keyring: Keyring,
        account: Account,
        folder: Path,
        config: Config | None = None,
        *,
        host_keys: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.keyring = keyring
        self.account = account
        self.config: dict[str, str | int | Sequence[str]] = dict(config or {})
        self.host_keys = list(host_keys) or [keyring.key("host")]
        self.client_key = keyring.key("client")
        self._folder = Path(tempfile.mkdtemp(prefix="sshd-", dir=folder))  # a port may come back within a run
        self._folder.chmod(0o755)
        self.authorized_keys.write_text(public_line(self.client_key) + "\n")
        self._remember()

    @property
    def user(self) -> str:
        """The user to log in as."""
        return self.account.name

    @property
    def password(self) -> str:
        """The user's password; empty where passwords cannot be tried."""
        return self.account.password

    @property
    def authorized_keys(self) -> Path:
        """The keys that may log in, as anybody; read by sshd at every login."""
        return self._folder / "authorized_keys"

    @property
    def known_hosts(self) -> Path:
        """A file that trusts the host keys in use."""
        return self._folder / "known_hosts"

    @property
    def known_hosts_lines(self) -> list[str]:
        """The lines that trust the host keys in use."""
        return [f"[{HOST}]:{self.port} {public_line(key)}" for key in self.host_keys]

    def command(self) -> Sequence[str]:
        settings = {**DEFAULTS, **self.config}
        lines = [f"Port {self.port}", f"AuthorizedKeysFile {self.authorized_keys}"]
        lines += [f"HostKey {key}" for key in self.host_keys]
        for keyword, value in settings.items():
            several = [str(value)] if isinstance(value, str | int) else value
            lines += [f"{keyword} {one}" for one in several]
        path = self._folder / "sshd_config"
        path.write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd separates its privileges there
        return [_sshd(), "-D", "-e", "-f", str(path)]

    def change_host_keys(self, *keys: Path, known: bool = False) -> Self:
        """Have other host keys from the next start on. Unless ``known``, known_hosts goes on trusting the old ones."""
        self.host_keys = list(keys)
        if known:
            self._remember()
        return self

    def ssh(self, *command: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run the real client against it, and return what it did."""
        return subprocess.run(
            [*self.ssh_command(*options), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def ssh_command(self, *options: str) -> list[str]:
        """The real client's command line, up to the host."""
        return [
            "ssh", "-F", "none", "-p", str(self.port), "-l", self.user, "-i", str(self.client_key),
            "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes",
            "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", *options, HOST,
        ]  # fmt: skip

    def _remember(self) -> None:
        self.known_hosts.write_text("\n".join(self.known_hosts_lines) + "\n")


def _sshd() -> str:
    """The full path, by which sshd insists on being started."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or "/usr/sbin/sshd"
