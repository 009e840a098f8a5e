"""What ncclient has, in its own words, for where it is not installed."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Any

from ...wire.netconf.capabilities import CLIENT_CAPABILITIES
from ...wire.netconf.capabilities import Capabilities as WireCapabilities
from ...wire.netconf.xml import Element, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "AuthenticationError",
    "Capabilities",
    "DefaultDeviceHandler",
    "NCClientError",
    "NetconfFramingError",
    "Notification",
    "SSHError",
    "SSHUnknownHostError",
    "Session",
    "SessionCloseError",
    "SessionError",
    "SessionListener",
    "TransportError",
]


class NCClientError(Exception):
    """Base of all."""


class TransportError(NCClientError):
    """The connection."""


class SessionError(NCClientError):
    """The NETCONF session."""


class AuthenticationError(TransportError):
    """The server refused the login."""


class SSHError(TransportError):
    """SSH."""


class SSHUnknownHostError(SSHError):
    """The server's host key is not known, and nobody accepted it.

    Args:
        host: The host.
        fingerprint: Of the key that it showed: MD5, its bytes parted by colons.
    """

    def __init__(self, host: str | None, fingerprint: str) -> None:
        super().__init__(f"Unknown host key [{fingerprint}] for [{host}]")
        self.host = host
        self.fingerprint = fingerprint


class SessionCloseError(TransportError):
    """The session ended by itself.

    Args:
        in_buf: What had come.
        out_buf: What was not sent.
    """

    def __init__(self, in_buf: object, out_buf: object = None) -> None:
        said = f"\nIN_BUFFER: `{in_buf}`" if in_buf else ""
        left = f" OUT_BUFFER: `{out_buf}`" if out_buf else ""
        super().__init__(f"Unexpected session close{said}{left}")


class NetconfFramingError(TransportError):
    """No message can be found in what the server sends."""


class Capabilities(WireCapabilities):
    """Capabilities by their URIs, with or without parameters, and by the short names of standard ones."""

    __slots__ = ()

    def __contains__(self, capability: object) -> bool:
        """Whether it is among them."""
        return super().__contains__(capability) or capability in self.uris


class Notification:
    """A notification.

    Args:
        raw: As it came.
    """

    def __init__(self, raw: str) -> None:
        self._raw = raw
        self._root = parse(raw.encode())

    @property
    def notification_ele(self) -> Element:
        """Parsed."""
        return self._root

    @property
    def notification_xml(self) -> str:
        """As it came."""
        return self._raw


class SessionListener:
    """Base of those who are told of every message of a session."""

    def callback(self, root: tuple[str, Mapping[str, str]], raw: str) -> None:
        """A message came: its root's qualified name and attributes, and its text."""
        raise NotImplementedError

    def errback(self, ex: Exception) -> None:
        """Something went wrong."""
        raise NotImplementedError


class DefaultDeviceHandler:
    """What a session asks about the device."""

    def get_capabilities(self) -> list[str]:
        """What our hello tells."""
        return list(CLIENT_CAPABILITIES)

    def get_xml_base_namespace_dict(self) -> dict[str | None, str]:
        """The namespaces that it declares."""
        return {}

    def get_ssh_subsystem_names(self) -> list[str]:
        """The subsystems to try."""
        return ["netconf"]

    def handle_raw_dispatch(self, raw: str) -> str | Exception | bool:
        """A message that is no XML: mended, an error in its place, or False."""
        del raw
        return False

    def handle_connection_exceptions(self, session: object) -> bool:
        """The server refused the subsystem: whether a channel was opened in another way."""
        del session
        return False


class Session(threading.Thread):
    """Base of sessions over any transport: a thread for ``run``, where one is started.

    Args:
        capabilities: Ours.
    """

    _target: Callable[..., object] | None
    _args: Iterable[Any]
    _kwargs: Mapping[str, Any]

    def __init__(self, capabilities: Any) -> None:  # noqa: ANN401 - as ncclient has it
        super().__init__(daemon=True, name="session")
        self._listeners: set[Any] = set()
        self._lock = threading.Lock()
        self._notification_q: queue.Queue[Any] = queue.Queue()
        self._client_capabilities: Any = capabilities
        self._server_capabilities: Any = None
        self._id: str | None = None
        self._connected = False
        self._device_handler: Any = None
        self.logger: Any = logging.getLogger("mooring.ncclient")

    def add_listener(self, listener: Any) -> None:  # noqa: ANN401 - a listener is what has its methods
        """Have it told."""
        with self._lock:
            self._listeners.add(listener)

    def remove_listener(self, listener: Any) -> None:  # noqa: ANN401 - likewise
        """Have it told no more."""
        with self._lock:
            self._listeners.discard(listener)

    def get_listener_instance(self, cls: type[Any]) -> Any:  # noqa: ANN401 - one of that class
        """A listener of a class; None without one."""
        with self._lock:
            return next((listener for listener in self._listeners if isinstance(listener, cls)), None)

    def connect(self, *args: Any, **kwds: Any) -> None:
        """What a transport does."""
        raise NotImplementedError

    def send(self, message: str) -> None:
        """What a transport does."""
        raise NotImplementedError

    def scp(self) -> Any:  # noqa: ANN401 - never
        """What a transport may do."""
        raise NotImplementedError

    def take_notification(self, block: bool, timeout: float | None) -> Any:  # noqa: ANN401, FBT001 - ncclient's
        """The next notification; None without one in time."""
        try:
            return self._notification_q.get(block, timeout)
        except queue.Empty:
            return None

    @property
    def connected(self) -> bool:
        """Whether it is connected."""
        return self._connected

    @property
    def client_capabilities(self) -> Any:  # noqa: ANN401 - ncclient's, where it is installed
        """Ours."""
        return self._client_capabilities

    @property
    def server_capabilities(self) -> Any:  # noqa: ANN401 - likewise
        """The server's; None before its hello."""
        return self._server_capabilities

    @property
    def id(self) -> str | None:
        """The session-id; None before the server's hello."""
        return self._id
