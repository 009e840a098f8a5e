"""A simulated Junos to be dialed, in a loop and thread of its own, and the libraries that are led to it."""

from __future__ import annotations

import asyncio
import importlib
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mooring.simulate import SimulatedDevice, SimulatedDevices
from tests.peers.keys import public_line
from tests.peers.netconfd import Netconfd
from tests.peers.sshd import Sshd

with warnings.catch_warnings():
    # PyEZ, paramiko and scp are of their own time: what they say when they are loaded is none of these tests' concern.
    warnings.simplefilter("ignore", DeprecationWarning)
    for name in ("jnpr.junos", "jnpr.junos.utils.config", "jnpr.junos.utils.start_shell", "ncclient.manager", "scp"):
        importlib.import_module(name)

_T = TypeVar("_T")
HOST = "127.0.0.1"
LOGIN: dict[str, Any] = {"username": "admin", "password": "juniper123", "allow_agent": False, "look_for_keys": False}


class Elsewhere:
    """A loop in a thread of its own, for the servers of tests that wait."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="servers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine there, and wait."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        """End it."""
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass(frozen=True)
class Junos:
    """A simulated device, and where it listens."""

    device: SimulatedDevice
    port: int
    elsewhere: Elsewhere

    @property
    def where(self) -> dict[str, Any]:
        """For ``manager.connect``."""
        return {"host": HOST, "port": self.port, **LOGIN}

    def drop(self) -> None:
        """Cut its connections."""

        async def drop() -> None:
            for connection in tuple(self.device.connections):
                connection.abort()

        self.elsewhere.run(drop())


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Where servers run."""
    found = Elsewhere()
    yield found
    found.close()


@pytest.fixture
def serve(elsewhere: Elsewhere) -> Iterator[Callable[[AbstractAsyncContextManager[Any]], Any]]:
    """Enter something there until the end of the test."""
    entered: list[AbstractAsyncContextManager[Any]] = []

    def enter(context: AbstractAsyncContextManager[Any]) -> Any:
        value = elsewhere.run(context.__aenter__())
        entered.append(context)
        return value

    yield enter
    for context in reversed(entered):
        elsewhere.run(context.__aexit__(None, None, None))


@pytest.fixture
def junos(elsewhere: Elsewhere, serve: Callable[[AbstractAsyncContextManager[Any]], Any]) -> Junos:
    """A simulated Junos."""

    @asynccontextmanager
    async def listening() -> AsyncIterator[tuple[SimulatedDevice, int]]:
        devices = SimulatedDevices(HOST, 0)
        async with devices.listening() as port:
            yield devices[0], port

    device, port = serve(listening())
    return Junos(device, port, elsewhere)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture(params=[True, False], ids=["chunked", "end-of-message"])
def yuma(request: pytest.FixtureRequest, start_netconfd: Callable[..., tuple[Netconfd, Sshd]]) -> dict[str, Any]:
    """How to connect to a netconfd, in either framing."""
    return connecting(start_netconfd(chunked=request.param)[1])


def connecting(sshd: Sshd) -> dict[str, Any]:
    """How to connect to what stands behind an sshd."""
    return {
        "host": sshd.host,
        "port": sshd.port,
        "username": sshd.user,
        "key_filename": str(sshd.client_key),
        "allow_agent": False,
        "look_for_keys": False,
        "hostkey": public_line(sshd.host_keys[0]),
        "timeout": 20,
    }
