"""A real sshpoold for the tests, and how its programs are called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon

SSHPOOLD = [sys.executable, "-W", "error", "-m", "mooring.cli.sshpoold"]
SSHPOOLCTL = [sys.executable, "-W", "error", "-m", "mooring.cli.sshpoolctl"]
TIME = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] "


class RunningSshpoold(RunningDaemon):
    """A real sshpoold, its user's home directory its own."""

    ready = " ready: "

    def __init__(self, folder: Path, *arguments: str) -> None:
        super().__init__(folder, module="mooring.cli.sshpoold", arguments=arguments)
        self.home = folder / "home"

    @property
    def directory(self) -> Path:
        return self.state_dir / "sshpoold" / str(self.port)

    @property
    def socket(self) -> Path:
        return self.directory / "mooring.sock"

    @property
    def token(self) -> str:
        return (self.directory / "token").read_text().strip()

    def http(self, *, token: bool = True) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30.0)

    def ctl(self) -> OnTerminal:
        """A sshpoolctl on a terminal, at its prompt."""
        ctl = OnTerminal([*SSHPOOLCTL, "--port", str(self.port)], self.environment())
        assert ctl.expect("sshpool> ").splitlines()[0] == "==> Press Ctrl-C to exit <=="
        return ctl

    def piped(self, *lines: str) -> str:
        """What sshpoolctl prints for lines that come through a pipe."""
        done = subprocess.run(
            [*SSHPOOLCTL, "--port", str(self.port)],
            input="".join(f"{line}\n" for line in lines),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout
