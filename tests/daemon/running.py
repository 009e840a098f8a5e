"""A real mooringd as its own process, for every test that needs one.

::

    def test_something(start_daemon):
        daemon = start_daemon(config="[sessions.web1]")
        daemon.socket, daemon.url, daemon.token, daemon.environment()
        daemon.terminate()      # SIGTERM, and its exit code
        daemon.start()          # again: the same port, state and configuration
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mooring.client import Daemon
from mooring.model.errors import NothingSelected
from tests.peers.process import Peer

END = 40.0
"""Seconds to wait for an end that should take five, on a machine that does other things too."""


class RunningDaemon(Peer):
    """A daemon with its own state directory, home, socket and port; it reads no ssh_config but what it is told to.

    Args:
        folder: An empty folder of its own; keep the path short, a Unix socket's may have a hundred bytes.
        config: Text of its configuration file, keys of ``[daemon]`` first, then other tables.
        arguments: Further words of its command line.
        environment: Further variables; None takes one away.
        module: The program: ``mooring.cli.mooringd`` or ``mooring.cli.sshpoold``.
        prefix: What runs the program: ``["setpriv", ...]``; ``{state_dir}`` stands for that.
        inherit: Descriptors that it may have.
    """

    ready = "ready: "

    def __init__(
        self,
        folder: Path,
        *,
        config: str = "",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        module: str = "mooring.cli.mooringd",
        prefix: Sequence[str] = (),
        inherit: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.folder = folder
        self.state_dir = folder / "state"
        self.config_file = folder / "config.toml"
        self.module = module
        self.prefix = list(prefix)
        self.inherited = list(inherit)
        self.arguments = list(arguments)
        self.variables = dict(environment or {})
        (folder / "home").mkdir(parents=True, exist_ok=True)
        self.configure(config)

    def configure(self, text: str) -> None:
        """Write the configuration file anew; a running daemon reads it when it gets a SIGHUP.

        Args:
            text: Keys of ``[daemon]`` first, if any, then other tables.
        """
        first = "[daemon]\n" if "ssh_config" in text else "[daemon]\nssh_config = []\n"
        self.config_file.write_text(first + text)
        self.config_file.chmod(0o600)

    def command(self) -> Sequence[str]:
        program = [sys.executable, "-W", "error", "-m", self.module, "--port", str(self.port)]
        return [*(word.replace("{state_dir}", str(self.state_dir)) for word in self.prefix), *program, *self.arguments]

    def environment(self) -> Mapping[str, str]:
        """The environment of the daemon, and of a client that shall find it without being told where it is."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MOORING_", "XDG_"))}
        ours: dict[str, str | None] = {
            **inherited,
            "HOME": str(self.folder / "home"),
            "MOORING_CONFIG": str(self.config_file),
            "MOORING_STATE_DIR": str(self.state_dir),
            **self.variables,
        }
        return {name: value for name, value in ours.items() if value is not None}

    @property
    def socket(self) -> Path:
        """The Unix door."""
        return self.state_dir / "mooring.sock"

    @property
    def url(self) -> str:
        """The TCP door."""
        return f"http://{self.host}:{self.port}"

    @property
    def token(self) -> str:
        """What opens the TCP door."""
        return (self.state_dir / "token").read_text().strip()

    @property
    def client(self) -> Daemon:
        """A client over the Unix door."""
        return Daemon(str(self.socket))

    @property
    def tcp_client(self) -> Daemon:
        """A client over the TCP door, with the token."""
        return Daemon(self.url, self.token)

    def wait_state(self, *aliases: str, state: str = "up", client: Daemon | None = None) -> None:
        """Wait until all these sessions stand in a state; the caller's test has a deadline."""
        missing = set(aliases)
        for name, value in (client or self.client).events("/v1/events"):
            seen = value["sessions"] if name == "snapshot" else [value]
            missing -= {one["alias"] for one in seen if one["state"] == state}
            if not missing:
                return
        raise RuntimeError(f"the daemon went away before {sorted(missing)} were {state}")

    def reload(self, config: str) -> None:
        """Another configuration, SIGHUP, and wait until it holds or was refused."""
        self.configure(config)
        seen = self.log().count("\n") + 1
        os.kill(self.pid, signal.SIGHUP)
        self.wait_log("reloaded|not reloaded", since=seen)

    def terminate(self, number: signal.Signals = signal.SIGTERM, timeout: float = END) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        process = self._process
        if process is None:
            raise RuntimeError("not running")
        process.send_signal(number)
        process.wait(timeout)
        self._end(number)  # whatever it has left behind, and the reader of its log
        return process.returncode


@pytest.fixture(scope="session")
def _kept_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with RunningDaemon(tmp_path_factory.mktemp("d"), arguments=["--call-home", "127.0.0.1:0"]) as daemon:
        yield daemon


@pytest.fixture
def shared_daemon(_kept_daemon: RunningDaemon) -> Iterator[RunningDaemon]:
    """A daemon that holds nothing yet, shared with other tests: never end it, and have it hold nothing but sessions."""
    yield _kept_daemon
    with suppress(NothingSelected):
        _kept_daemon.client.request("DELETE", "/v1/sessions?selector=all")


@pytest.fixture
def start_daemon() -> Iterator[Callable[..., RunningDaemon]]:
    """Start a daemon in a folder of its own: ``start_daemon(config=...)``; keywords as ``RunningDaemon`` has them."""
    with ExitStack() as stack:

        def start(**keywords: object) -> RunningDaemon:
            folder = Path(tempfile.mkdtemp(prefix="mooringd-"))
            stack.callback(shutil.rmtree, folder)
            daemon = RunningDaemon(folder, **keywords)  # type: ignore[arg-type]  # as it has them
            return stack.enter_context(daemon)

        yield start
