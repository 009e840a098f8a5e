"""The server for Junos devices that call home, as junospyez-ossh-server has it, on a ``CallHomeServer``.

What was broken there is right: ``stop`` stops, ``start`` can be called again and says when it cannot listen,
``on_error`` hears of logins and connections that fail. A device's session outlives its callback, until ``stop``.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - it has to come before _hold_up, see there
import socket
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final

from ...blocking.loop import loop_thread
from ...model.device import Device
from ...model.errors import MooringError
from ...model.target import Target
from ...pool.callhome import CallHomeServer
from .calls import Calls
from .log import logger
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    OnDevice = Callable[[Any, dict[str, str | None]], object]
    OnError = Callable[[Any, Exception], object]

__all__ = ["OutboundSSHServer"]

_WORKERS: Final = 16
"""Callbacks at once; a thread costs little, and PyEZ computes in it."""
_TRUST: Final = (
    "OutboundSSHServer sends its one user name and password to every device that calls, whatever host key that shows;"
    " each DEVICE-ID is held to its first key. mooring.CallHomeServer sends a credential only to the device that it was"
    " configured for."
)


class OutboundSSHServer:
    """Waits for Junos devices that call home (``outbound-ssh``), logs in, and hands them to a callback.

    While it runs the process does not end by itself, as it never did: a program may end with ``start()``. ``stop()``,
    Ctrl-C and signals end it, and so does leaving an interactive prompt; with ``daemon = True`` it holds nothing up.

    Args:
        ipaddr: The address to listen on, IPv4 or IPv6.
        port: The port; 0 lets the system choose (``server.socket.getsockname()``).
        login_user: Whom to log in as, at every device.
        login_password: By which password.
        on_device: Called with the open ``jnpr.junos.Device`` and its facts, in one of a few threads.
        on_error: Called with the device, or None where there is none yet, and the exception.

    Attributes:
        thread: While it runs, the one that holds the process up.
        socket: While it runs, the listening one.
        daemon: Whether the process may end while it runs.
    """

    NAME = "outbound-ssh-server"
    DEFAULT_LISTEN_BACKLOG = 10
    logger: Logger = logger

    def __init__(  # noqa: PLR0917 - the old signature
        self,
        ipaddr: str,
        port: int | str,
        login_user: str,
        login_password: str,
        on_device: OnDevice | None = None,
        on_error: OnError | None = None,
    ) -> None:
        warnings.warn(_TRUST, stacklevel=2)
        self.thread: threading.Thread | None = None
        self.socket: socket.socket | None = None
        self.daemon = hasattr(sys, "ps1")
        self.login_user = login_user
        self.login_password = login_password
        self.bind_ipaddr = ipaddr
        self.bind_port = int(port)
        self.listen_backlog = self.DEFAULT_LISTEN_BACKLOG
        self._on_device = _callback(on_device)
        self._on_error = _callback(on_error)
        self._changing = threading.RLock()  # a signal handler may call while the call it interrupts holds it
        self._serving: _Serving | None = None

    @property
    def name(self) -> str:
        """What its log lines begin with."""
        return self.NAME

    @property
    def on_device(self) -> OnDevice:
        """Called with each device; the one that is set when it is called. None sets one that does nothing.

        Raises:
            ValueError: What is set cannot be called.
        """
        return self._on_device

    @on_device.setter
    def on_device(self, callback: OnDevice | None) -> None:
        self._on_device = _callback(callback)

    @property
    def on_error(self) -> OnError:
        """Called with each error, as ``on_device``."""
        return self._on_error

    @on_error.setter
    def on_error(self, callback: OnError | None) -> None:
        self._on_error = _callback(callback)

    def start(self, on_device: OnDevice | None = None, on_error: OnError | None = None) -> tuple[bool, str]:
        """Listen, and return at once.

        Args:
            on_device: Takes the place of the constructor's.
            on_error: Likewise.

        Returns:
            Whether it runs now, and a sentence: why not, where it does not.
        """
        with self._changing:
            if self.socket is not None:
                return self._refused("already running")
            if on_device:
                self.on_device = on_device
            if on_error:
                self.on_error = on_error
            logger.info("%s: starting on %s:%s", self.name, self.bind_ipaddr, self.bind_port)
            try:
                listening = self._listen()
            except (OSError, OverflowError) as error:
                logger.error("%s: failed to setup socket: %s", self.name, error)
                return self._refused(f"unable to start: {error}")
            try:
                self._serving = _Serving(self, listening)
            except (MooringError, RuntimeError) as error:
                listening.close()
                return self._refused(f"unable to start: {error}")
            self.socket, self.thread = listening, self._serving.holder
            message = f"{self.name}: started"
            logger.info(message)
            return True, message

    def stop(self) -> None:
        """Listen no more, and close every device's session. Callbacks that run go on, and their devices are closed.

        Safe to call from a callback, and when it does not run.
        """
        with self._changing:
            serving, self._serving = self._serving, None
            self.socket = self.thread = None
        if serving is not None:
            serving.end()
            logger.info("%s: stopped", self.name)

    def _refused(self, why: str) -> tuple[bool, str]:
        message = f"{self.name} {why}"
        logger.error(message)
        return False, message

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.bind_ipaddr else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.bind_ipaddr, self.bind_port))
            listening.listen(self.listen_backlog)
        except BaseException:
            listening.close()
            raise
        return listening


class _Serving:
    """From a ``start`` to its ``stop``."""

    def __init__(self, server: OutboundSSHServer, listening: socket.socket) -> None:
        self._thread = loop_thread()
        self._workers = Workers(_WORKERS, f"{server.name} worker", daemon=server.daemon)
        anybody = _anybody(server.login_user, server.login_password)
        self._home = CallHomeServer(sockets=[listening], devices=[anybody], watcher=Calls(server, self._workers))
        self._over = threading.Event()
        self.holder = threading.Thread(target=self._over.wait, name=server.name, daemon=server.daemon)
        self.holder.start()
        try:
            self._thread.enter(self._home, "OutboundSSHServer.start")
        except BaseException:
            self._over.set()
            raise
        if not server.daemon:
            _holders.add(self.holder)

    def end(self) -> None:
        """Close all."""
        self._workers.end()
        try:
            self._thread.leave(self._home, "OutboundSSHServer.stop")
        finally:
            self._over.set()
            _holders.discard(self.holder)
            self.holder.join()


def _anybody(user: str, password: str) -> Device:
    """Whoever calls, held to its first key. ``Device.parse`` refuses this, for the reason that we warn of."""
    target = Target.parse("device", username=user, password=password, host_key="accept-new", legacy=True)
    return Device(target=target, device_id="*", alias="{device_id}")


def _callback(callback: Callable[..., object] | None) -> Callable[..., object]:
    if callback and not callable(callback):
        raise ValueError("callback is not callable")
    return callback or _nothing


def _nothing(device: object, told: object) -> None:
    """Where nobody wants to be called."""


_holders: Final[set[threading.Thread]] = set()


def _hold_up() -> None:
    """Wait until no server runs that holds the process up."""
    while _holders:
        next(iter(_holders)).join()


# Thread pools refuse work once the main thread has ended, the event loop's among them, and the order in which that is
# told is the reverse of this. Without it a server would run, and no device could be logged in to.
getattr(threading, "_register_atexit", atexit.register)(_hold_up)
