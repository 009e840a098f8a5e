"""OpenSSH's own server for a few minutes: on loopback, with keys of its own, for whoever runs us and nobody else."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import asyncssh

from ..model.errors import ConfigError
from .ports import ReservedPort
from .program import Program

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ThrowawaySshd"]

_HOST: Final = "127.0.0.1"
# SHLVL: bash reads ~/.bashrc when sshd starts it, unless it thinks that another shell did. What is shown with this
# server is SSH, and not how long somebody's start-up files take.
_TEMPLATE: Final = """\
Port {port}
ListenAddress {host}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
SetEnv SHLVL=1
"""


class ThrowawaySshd:
    """A real sshd from entering to leaving.

    Attributes:
        host: Where it listens.
        port: Likewise.
        user: Who may log in: whoever runs us.
        client_key: The file of the one key that lets in.
        host_key: The public key it shows, as ``host_key=`` takes it.

    Raises:
        ConfigError: There is no sshd here, or it does not start; the message says why.
    """

    host = _HOST

    def __init__(self) -> None:
        self._reserved = ReservedPort(_HOST)
        self._program = Program("sshd")
        self.port = self._reserved.port
        self.user = getpass.getuser()

    async def __aenter__(self) -> Self:
        """Make keys, start it and wait until it listens."""
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            self._reserved.close()
            msg = "there is no sshd on this machine"
            raise ConfigError(msg, hint="install openssh-server")
        self._folder = Path(tempfile.mkdtemp(prefix="mooring-sshd-"))
        try:
            self._write_files()
            words = (program, "-D", "-e", "-f", str(self._folder / "sshd_config"))
            await self._program.start(*words, until=b"Server listening on")
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it and remove its files."""
        await self.aclose()

    def _write_files(self) -> None:
        keys = {name: asyncssh.generate_private_key("ssh-ed25519") for name in ("host_key", "client_key")}
        for name, key in keys.items():
            key.write_private_key(self._folder / name)
            (self._folder / name).chmod(0o600)
        self.host_key = keys["host_key"].export_public_key().decode().strip()
        self.client_key = self._folder / "client_key"
        keys["client_key"].write_public_key(self._folder / "authorized_keys")
        text = _TEMPLATE.format(port=self.port, host=_HOST, folder=self._folder)
        (self._folder / "sshd_config").write_text(text, encoding="utf-8")
        # sshd reads authorized_keys as the user who logs in, who may not be us in name only.
        self._folder.chmod(0o755)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    async def aclose(self) -> None:
        """End it and remove its files. Safe to call twice."""
        try:
            await self._program.aclose()
        finally:
            self._reserved.close()
            shutil.rmtree(self._folder, ignore_errors=True)
