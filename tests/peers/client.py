"""OpenSSH's own clients, with a configuration of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from .keys import public_line

HOST = "127.0.0.1"


def missing() -> str | None:
    """Why there are no clients here; None if there are."""
    found = all(shutil.which(program) for program in ("ssh", "sftp", "scp", "ssh-keygen"))
    return None if found else "no ssh, sftp or scp: install openssh-client"


@dataclass(frozen=True)
class OpenSsh:
    """``ssh``, ``sftp`` and ``scp`` to a server on this machine.

    Attributes:
        folder: Where they may leave files, and run.
        port: The server's.
        host_key: The server's key, of which the public half is known.
        user: Whom they log in as.
        identity: By which key, and the certificate beside it; None for none.
        password: What they answer when they are asked; None for nothing.
        options: Lines of ssh_config that win over ours.
    """

    folder: Path
    port: int
    host_key: Path
    user: str = "ann"
    identity: Path | None = None
    password: str | None = field(default=None, repr=False)
    options: tuple[str, ...] = ()

    def but(self, **changes: object) -> OpenSsh:
        """The same, but for something."""
        return replace(self, **changes)  # type: ignore[arg-type] # names of fields

    def command(self, program: str, *words: str) -> list[str]:
        """A command line, for ``ssh`` up to the host's name ``server``, and for all of them with ``words`` behind."""
        known = self.folder / "known_hosts"
        known.write_text(f"server {public_line(self.host_key)}\n")
        lines = [
            *self.options,
            f"Port={self.port}",
            f"User={self.user}",
            f"HostName={HOST}",
            "HostKeyAlias=server",
            "LogLevel=ERROR",
            f"UserKnownHostsFile={known}",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f"IdentityFile={self.identity or 'none'}",
            f"BatchMode={'yes' if self.password is None else 'no'}",
            "NumberOfPasswordPrompts=1",
            "ConnectTimeout=30",
        ]
        return [program, "-F", "none", *(word for line in lines for word in ("-o", line)), *words]

    @property
    def environment(self) -> dict[str, str]:
        """What a client runs with: nobody is asked but a script that knows the password."""
        asked = self.folder / "askpass"
        asked.write_text(f"#!/bin/sh\necho '{self.password}'\n")
        asked.chmod(0o700)
        path = os.environ.get("PATH", "/usr/bin:/bin")
        return {"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force", "PATH": path, "HOME": str(self.folder)}

    def ssh(self, *words: str, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command, or a shell without one, with this input."""
        return self._run(self.command("ssh", "server", *words), text, variables)

    def sftp(self, *commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands of sftp; a ``-`` before one lets it fail."""
        return self._run(self.command("sftp", "-q", "-b", "-", "server"), "".join(f"{each}\n" for each in commands))

    def scp(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Copy; the server is ``server:``."""
        return self._run(self.command("scp", *words))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """``ssh`` with these words behind its options, and with pipes."""
        pipe = subprocess.PIPE
        command = self.command("ssh", *words)
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self.environment, cwd=self.folder
        )

    def _run(
        self, command: list[str], text: str = "", variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **(variables or {})}
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            env=environment,
            cwd=self.folder,
        )
