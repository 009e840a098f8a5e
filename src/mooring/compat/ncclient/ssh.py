"""``SSHSession``: ncclient's session over a connection of ours, without a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

from ...model.errors import MooringError, SessionClosed
from ...model.secret import Secret
from . import dialed
from .base import Session
from .channels import Transport
from .exchange import NOTIFICATIONS, Exchange
from .origin import Capabilities, DefaultDeviceHandler, Notification, SSHError, TransportError
from .streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike

    from ...session.attachment import Attachment
    from .caller import Caller

__all__ = ["PORT_NETCONF_DEFAULT", "SSHSession", "default_unknown_host_cb"]

PORT_NETCONF_DEFAULT: Final = 830
HELLO_TIMEOUT: Final = 60.0


def default_unknown_host_cb(host: str | None, fingerprint: str) -> bool:
    """Accept no host key that is not known.

    Args:
        host: The host.
        fingerprint: MD5 of the key that it showed, in hexadecimal, colons between the bytes.
    """
    del host, fingerprint
    return False


class SSHSession(Session):
    """A NETCONF session over SSH (RFC 6242).

    It lives on the loop thread of ``mooring.blocking`` and has no thread of its own: ``start`` has nothing to start,
    ``is_alive`` tells whether the session is up, ``join`` and ``run`` wait for its end. Listeners are called on a
    worker, one message after the other.

    Args:
        device_handler: ncclient's, which says how the device is met.
    """

    def __init__(self, device_handler: Any = None) -> None:  # noqa: ANN401 - ncclient's
        handler = DefaultDeviceHandler() if device_handler is None else device_handler
        super().__init__(Capabilities(handler.get_capabilities()))
        self._device_handler = handler
        self._host: str | None = None
        self._channel_id: int | None = None
        self._channel_name: str | None = None
        self._transport: Transport | None = None
        self._caller: Caller | None = None
        self._own: dialed.Connection | None = None
        self._known_hosts: list[str] = []
        self._exchange: Exchange | None = None
        self._over = threading.Event()
        self._notification_q = queue.Queue(NOTIFICATIONS)
        self.can_pipeline = True

    def load_known_hosts(self, filename: str | PathLike[str] | None = None) -> None:
        """Trust the host keys of a file too; call it as often as there are files.

        Args:
            filename: A known_hosts file; None for the usual ones, which ``connect`` reads anyway.

        Raises:
            OSError: It cannot be read.
        """
        if filename is not None:
            with open(filename, "rb"):  # noqa: PTH123 - to raise what open raises
                self._known_hosts.append(str(filename))

    def connect(  # noqa: PLR0917 - ncclient's order
        self,
        host: str | None = None,
        port: int = PORT_NETCONF_DEFAULT,
        timeout: float | None = None,
        unknown_host_cb: Callable[[str | None, str], bool] = default_unknown_host_cb,
        username: str | None = None,
        password: str | None = None,
        key_filename: str | Sequence[str] | None = None,
        allow_agent: bool = True,  # noqa: FBT001, FBT002 - ncclient's order
        hostkey_verify: bool = True,  # noqa: FBT001, FBT002 - likewise
        hostkey_b64: str | None = None,
        look_for_keys: bool = True,  # noqa: FBT001, FBT002 - likewise
        ssh_config: str | bool | None = None,  # noqa: FBT001 - likewise
        sock_fd: int | None = None,
        bind_addr: str | None = None,
        sock: Any = None,  # noqa: ANN401 - a socket, or what behaves like one
        keepalive: float | None = None,
        environment: Mapping[str, str] | None = None,
        hostkey: str | None = None,
    ) -> None:
        """Connect, log in and exchange hellos.

        Args:
            host: Name or address; None with ``sock`` or ``sock_fd``.
            port: Of NETCONF over SSH; many devices have it at 22 as well.
            timeout: Seconds for connecting, handshake and login together, and again for the server's hello; None
                for sixty, longer than devices take.
            unknown_host_cb: Asked, in the calling thread, about a host key that would be refused: host and MD5
                fingerprint. True connects all the same. With ``sock`` and ``sock_fd`` it is asked in the handshake,
                on the loop's thread, and must not block.
            username: Whom to log in as; None for ssh_config's, or the system's user.
            password: For the login, and for private keys that are encrypted.
            key_filename: Private key files to try first.
            allow_agent: Whether the agent's keys are tried.
            hostkey_verify: Whether the host must show a key that is known.
            hostkey_b64: The one host key to accept, in base64, with or without its type.
            look_for_keys: Whether ``~/.ssh/id_*`` are tried.
            ssh_config: An ssh_config file, or True for ``~/.ssh/config``; None reads none. The port is not taken
                from it.
            sock_fd: A descriptor of a connection that stands already; it is duplicated.
            bind_addr: The address to connect from.
            sock: A socket that is connected already, which is then ours.
            keepalive: Seconds between keepalives; None for fifteen.
            environment: Variables for the subsystem.
            hostkey: As ``hostkey_b64``, which is its older name.

        Raises:
            SSHError: It was not reached, or the SSH connection not made.
            socket.gaierror: The name is not known.
            SSHUnknownHostError: Its host key is not known, and was not accepted.
            AuthenticationError: It refused the login, or a key cannot be read.
            SessionError: There was no hello in time, or none to go on with.
            SessionCloseError: The session ended before its hello.
        """
        if not (host or sock_fd is not None or sock):
            raise SSHError("Missing host, socket or socket fd")
        pin = hostkey or hostkey_b64
        if isinstance(key_filename, (str, bytes)):
            key_filename = [key_filename]
        order = dialed.Order(
            host=host,
            port=port,
            timeout=timeout,
            username=username,
            password=None if password is None else Secret(password),
            key_files=tuple(map(str, key_filename or ())),
            allow_agent=allow_agent,
            look_for_keys=look_for_keys,
            verify=hostkey_verify,
            pin=None if pin is None else dialed.pinned(pin),
            known_hosts=tuple(self._known_hosts),
            ssh_config="~/.ssh/config" if ssh_config is True else ssh_config or None,
            bind_addr=bind_addr,
            keepalive=keepalive,
        )
        self._host = host
        self._own = dialed.connect(order, unknown_host_cb, stream(sock, sock_fd))
        self._caller = self._own.thread
        attachment = self._own.attachment
        try:
            self._begin(lambda: attachment, timeout or HELLO_TIMEOUT, environment)
        except BaseException:
            self.close()
            raise

    def connect_over(
        self, attachment: Callable[[], Attachment], caller: Caller, host: str, timeout: float = HELLO_TIMEOUT
    ) -> None:
        """Begin on a held session, in place of ``connect``; ``close`` leaves that as it is.

        Args:
            attachment: Gives what the session stands on.
            caller: The way to its loop.
            host: Its name.
            timeout: Seconds for the channel and the hello.

        Raises:
            TransportError, SessionError, SessionCloseError: As ``connect`` has them.
        """
        self._host = host
        self._caller = caller
        self._begin(attachment, timeout, None)

    def _begin(
        self, attachment: Callable[[], Attachment], timeout: float, environment: Mapping[str, str] | None
    ) -> None:
        caller = self._caller
        assert caller is not None  # noqa: S101 - set by who calls this

        async def begin() -> Exchange:
            stands = attachment()
            exchange = self._exchange = Exchange(self, stands.alias)
            await exchange.open(stands, timeout, environment)
            return exchange

        begin.__qualname__ = "SSHSession.connect"
        self._server_capabilities = None
        self._over.clear()
        self._transport = Transport(caller, attachment, self._own)
        try:
            caller.call(begin)
        except MooringError as error:
            raise dialed.translated(error, self._host, None) from error
        self._channel_id = self._transport.next_id()
        self._channel_name = f"netconf-subsystem-{self._channel_id}"

    def close(self) -> None:
        """Close the channel, and the connection if ``connect`` made it. Safe to call twice, and from a callback."""
        exchange, caller, own = self._exchange, self._caller, self._own
        self._exchange = self._own = None
        self._connected = False
        if exchange is not None and caller is not None:
            caller.post(exchange.close)
        if own is not None:
            own.end()
        self._over.set()

    def send(self, message: str) -> None:
        """Send a message, as it is.

        Raises:
            TransportError: The session is not up.
            WrongThread: This is the thread of the loop that the session lives on, and the reply would never come.
        """
        exchange, caller = self._exchange, self._caller
        if exchange is None or caller is None or not self._connected:
            raise TransportError("Not connected to NETCONF server")
        try:
            caller.check(self.send)
        except SessionClosed as error:
            raise TransportError(str(error)) from error
        data = message.encode()
        caller.post(lambda: exchange.send(data))

    def take_notification(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002 - ncclient's
        """The next notification.

        Args:
            block: Whether to wait for one.
            timeout: Seconds to wait; None for ever.

        Returns:
            ncclient's ``Notification``; None where there is none in time.
        """
        try:
            return Notification(self._notification_q.get(block, timeout))
        except queue.Empty:
            return None

    @property
    def notifications_lost(self) -> int:
        """Notifications that were dropped: nobody took them, and ten thousand others waited."""
        return self._exchange.lost if self._exchange is not None else 0

    @property
    def host(self) -> str | None:
        """Whom it is connected to; None before."""
        return self._host

    @property
    def transport(self) -> Transport | None:
        """What answers as a ``paramiko.Transport`` does; None before ``connect``."""
        return self._transport

    # A thread's, without one.

    def start(self) -> None:
        """Nothing: ``connect`` has begun it."""

    def is_alive(self) -> bool:
        """Whether the session is up."""
        return self._connected

    def join(self, timeout: float | None = None) -> None:
        """Wait until the session has ended.

        Args:
            timeout: Seconds; None as long as it takes.
        """
        if self._exchange is not None:
            self._over.wait(timeout)

    def run(self) -> None:
        """Wait until the session has ended."""
        self.join()

    # What its exchange tells, on the loop.

    def greeted(self, session_id: str, capabilities: list[str]) -> None:
        """The server said hello."""
        self._id = session_id
        self._server_capabilities = Capabilities(capabilities)

    def stands(self, *, up: bool) -> None:
        """Whether messages may be sent."""
        self._connected = up
        if not up:
            self._over.set()

    def notify(self, text: str) -> bool:
        """Keep a notification, and say whether an older one had to go."""
        dropped = False
        while True:
            try:
                self._notification_q.put_nowait(text)
            except queue.Full:
                dropped = True
                with contextlib.suppress(queue.Empty):
                    self._notification_q.get_nowait()
            else:
                return dropped
