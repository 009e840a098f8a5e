"""A server of the old name that keeps what its callbacks are told, and simulated devices that call it."""

from __future__ import annotations

import contextlib
import importlib
import queue
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from mooring.blocking.loop import loop_thread
from mooring.simulate import SimulatedDevices

with warnings.catch_warnings():
    # PyEZ, paramiko and scp are of their own time: what they say when they are loaded is none of these tests' concern.
    warnings.simplefilter("ignore", DeprecationWarning)
    import jnpr.junos
    import jnpr.junos.facts
    import jnpr.junos.utils.config
    import jnpr.junos.utils.scp
    import jnpr.junos.utils.start_shell

    importlib.import_module("scp")
    assert jnpr.junos  # PyEZ loads the others at their first use

from mooring.compat.junospyez_ossh_server import OutboundSSHServer

HOST = "127.0.0.1"
TIMEOUT = 60


class Server:
    """A server, and what its callbacks were told.

    Args:
        keywords: The server's.
    """

    def __init__(self, **keywords: Any) -> None:
        self.devices: queue.Queue[tuple[Any, dict[str, Any]]] = queue.Queue()
        self.errors: queue.Queue[tuple[Any, Any]] = queue.Queue()
        usual = {"ipaddr": HOST, "port": 0, "login_user": "admin", "login_password": "juniper123"}
        with pytest.warns(UserWarning, match="to every device that calls"):
            self.server = OutboundSSHServer(
                **{
                    **usual,
                    "on_device": lambda device, facts: self.devices.put((device, facts)),
                    "on_error": lambda device, error: self.errors.put((device, error)),
                    **keywords,
                }
            )

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.server.socket is not None
        port: int = self.server.socket.getsockname()[1]
        return port

    def device(self) -> tuple[Any, dict[str, Any]]:
        """The next device that it was called with, and its facts."""
        return self.devices.get(timeout=TIMEOUT)

    def error(self) -> tuple[Any, Any]:
        """The next error that it was called with, and whose it is."""
        return self.errors.get(timeout=TIMEOUT)

    @contextlib.contextmanager
    def called(self, **keywords: Any) -> Iterator[SimulatedDevices]:
        """Simulated devices call it."""
        devices = SimulatedDevices(**{"host": HOST, "port": self.port, "reconnect": 0.1, **keywords})
        thread = loop_thread()
        thread.enter(devices, "devices")
        try:
            yield devices
        finally:
            thread.leave(devices, "devices")
