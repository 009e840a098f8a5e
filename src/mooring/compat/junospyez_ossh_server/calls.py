"""What becomes of each call: the log lines that users know, and their callbacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from jnpr.junos import Device
from jnpr.junos.exception import ConnectAuthError, ConnectError

from ...model.errors import AuthenticationFailed, CredentialError
from ...model.status import SessionState
from ...pool.watcher import CallWatcher
from ..ncclient import pyez
from .log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...model.errors import MooringError
    from ...session import Session
    from .workers import Workers

__all__ = ["Calls"]

_FACTS: Final = (
    "os_version",
    "hostname",
    "device_sn",
    "device_model",
    "mgmt_interface",
    "mgmt_ipaddr",
    "mgmt_macaddr",
)
_DEVICES: Final = 20_000
"""Devices that may wait for their callback: more than sessions are remembered."""
_ERRORS: Final = 1_000
"""Errors that may: strangers can cause any number, and beyond these they are logged only."""


class Server(Protocol):
    """What is needed of the server."""

    @property
    def name(self) -> str:
        """How the log calls it."""

    @property
    def on_device(self) -> Callable[[Any, dict[str, str | None]], object]:
        """Called with a ``jnpr.junos.Device`` and its facts."""

    @property
    def on_error(self) -> Callable[[Any, Exception], object]:
        """Called with the device, or None where there is none yet, and the exception."""


class Calls(CallWatcher):
    """Logs each call, and has the callbacks called by workers.

    Args:
        server: Whose calls; its callbacks may change meanwhile.
        workers: Who calls back.
    """

    def __init__(self, server: Server, workers: Workers) -> None:
        self._server = server
        self._workers = workers

    def came(self, address: str) -> None:
        """Say so, as the original does before it knows more."""
        logger.info("%s: accepted connection from %s", self._server.name, address)
        logger.info("establishing netconf to device via: %s", address)

    def up(self, session: Session, address: str) -> None:
        """Say that its facts are gathered."""
        del session
        logger.info("gathering basic facts from device via: %s", address)

    def told(self, session: Session, address: str, facts: Mapping[str, str | None]) -> None:
        """Give the facts out, and introduce the device."""
        known = {name: facts.get(name) for name in _FACTS}
        logger.info("%s", json.dumps(known, indent=3))
        if not self._workers.submit(f"device-{address}", lambda: self._introduce(session, address, known), _DEVICES):
            logger.error("ERROR: unable to process device %s: too many wait for their callback", address)

    def untold(self, session: Session, address: str, error: MooringError) -> None:
        """It does not speak NETCONF, or not with us."""
        del session
        logger.error("unable to establish netconf to device via %s: %s", address, error)
        self._tell(address, _pyez_error(error))

    def failed(self, address: str, error: MooringError, session: Session | None) -> None:
        """Say so; and let the device try again at its next call, as users of the original expect."""
        logger.error("Connection error to device via %s: %s", address, error)
        self._tell(address, _pyez_error(error))
        if session is not None and session.state is SessionState.PARKED:
            session.retry()

    def _tell(self, address: str, error: Exception) -> None:
        self._workers.submit(f"device-{address}", lambda: self._server.on_error(None, error), _ERRORS)

    def _introduce(self, session: Session, address: str, facts: dict[str, str | None]) -> None:
        """Call back with a device; in a worker."""
        try:
            device = pyez.device(session)
        except Exception as error:  # noqa: BLE001 - PyEZ's, ncclient's or ours: all are told
            logger.error("unable to establish netconf to device via %s: %s", address, error)
            self._server.on_error(None, error)
            return
        logger.info("completed device with management IP address: %s", facts["mgmt_ipaddr"])
        try:
            self._server.on_device(device, facts)
        except Exception as error:  # noqa: BLE001 - likewise
            logger.error("ERROR: unable to process device %s: %s", address, error)
            self._server.on_error(device, error)


def _pyez_error(error: MooringError) -> ConnectError:
    """What PyEZ would have raised."""
    kind = ConnectAuthError if isinstance(error, (AuthenticationFailed, CredentialError)) else ConnectError
    told = kind(Device(sock_fd=-1), msg=str(error))
    told.__cause__ = error
    return told
