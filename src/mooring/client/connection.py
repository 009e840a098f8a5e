"""One blocking connection to the daemon: bytes out, lines and bytes in, by a deadline; every fault an error of ours."""

from __future__ import annotations

import errno
import socket
import time

from ..model.errors import DaemonError, DaemonMismatch, DaemonUnreachable, Unauthenticated

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Final, Self

    from .address import Address

__all__ = ["Connection", "connect"]

_CHUNK: Final = 256 * 1024
_LINE: Final = 64 * 1024
_PROBE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 3))
"""Seconds, seconds, times: a machine that has gone is noticed within a minute."""


def connect(places: Sequence[Address], timeout: float) -> Connection:
    """Connect to the first place where somebody listens.

    Args:
        places: Where to try.
        timeout: Seconds for each.

    Raises:
        DaemonUnreachable: Nobody listens at any of them; it tells of the first.
        Unauthenticated: The Unix socket is another user's.
        DaemonMismatch: What listens there speaks no TLS that we trust.
    """
    failure: OSError | None = None
    for address in places:
        try:
            return Connection(_dial(address, timeout), address, timeout)
        except OSError as error:
            failure = failure or error
    raise _unreached(places[0], failure) from failure


class Connection:
    """A connection to the daemon.

    Args:
        sock: The connected socket.
        address: Where it leads.
        timeout: Seconds until ``deadline``.

    Attributes:
        address: Where it leads.
        deadline: The monotonic instant by which every call must be done.
    """

    __slots__ = ("_alive", "_buffer", "_sock", "_timeout", "address", "deadline")

    def __init__(self, sock: socket.socket, address: Address, timeout: float) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self.address = address
        self.allow(timeout)

    def allow(self, timeout: float, alive: Callable[[], None] | None = None) -> None:
        """Give what follows so many seconds, from now on.

        Args:
            timeout: Seconds.
            alive: What to do when they are over without a byte: it raises where waiting on is in vain, and else as
                many seconds are given again. None gives up.
        """
        self._timeout = timeout
        self._alive = alive
        self.deadline = time.monotonic() + timeout

    def send(self, data: bytes) -> None:
        """Send everything.

        Raises:
            DaemonUnreachable: The daemon has gone or does not read.
        """
        try:
            self._sock.settimeout(self._left())
            self._sock.sendall(data)
        except OSError as error:
            raise self._lost(error) from error

    def line(self) -> bytes:
        """The next line, without its end.

        Raises:
            DaemonMismatch: No line comes to an end: this is no HTTP.
            DaemonUnreachable: The daemon has gone or says nothing.
        """
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LINE:
                raise DaemonMismatch(f"what answers at {self.address} is no mooringd")
            self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def exactly(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes, in parts.

        Raises:
            DaemonUnreachable: The daemon has gone or says nothing.
        """
        while size > 0:
            if not self._buffer:
                self._more()
            part = bytes(self._buffer[:size])
            del self._buffer[:size]
            size -= len(part)
            yield part

    def rest(self) -> Iterator[bytes]:
        """What comes until the daemon ends the connection, in parts.

        Raises:
            DaemonUnreachable: The connection broke, or the daemon says nothing.
        """
        while self._buffer or self._receive():
            part = bytes(self._buffer)
            self._buffer.clear()
            yield part

    def hand_over(self) -> tuple[socket.socket, bytes]:
        """The socket, and what came over it and was not taken. Nothing else here may be called any more."""
        return self._sock, bytes(self._buffer)

    def close(self) -> None:
        """End it. More than once is fine."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _more(self) -> None:
        if not self._receive():
            raise DaemonUnreachable(
                f"the daemon at {self.address} ended the connection before its answer was whole",
                hint=self.address.hint,
            )

    def _receive(self) -> bool:
        while True:
            try:
                self._sock.settimeout(self._left())
                part = self._sock.recv(_CHUNK)
            except TimeoutError as error:
                if self._alive is None:
                    raise self._lost(error) from error
                self._alive()
                self.allow(self._timeout, self._alive)
            except OSError as error:
                raise self._lost(error) from error
            else:
                self._buffer += part
                return bool(part)

    def _left(self) -> float:
        """Seconds left; a socket without time would not wait at all."""
        return max(self.deadline - time.monotonic(), 0.001)

    def _lost(self, error: OSError) -> DaemonUnreachable:
        if isinstance(error, TimeoutError):
            return DaemonUnreachable(
                f"the daemon at {self.address} did not answer in time",
                hint="its log may tell why; it may have to be killed",
            )
        return DaemonUnreachable(
            f"the connection to the daemon at {self.address} broke: {_reason(error)}", hint=self.address.hint
        )


def _dial(address: Address, timeout: float) -> socket.socket:
    if address.path:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(timeout)
            sock.connect(address.path)
        except BaseException:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((address.host, address.port), timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return _secured(sock, address) if address.tls else sock
    except BaseException:
        sock.close()
        raise


def _secured(sock: socket.socket, address: Address) -> socket.socket:
    import ssl  # noqa: PLC0415 - costs as much as all else here

    return ssl.create_default_context().wrap_socket(sock, server_hostname=address.host)


def _unreached(address: Address, error: OSError | None) -> DaemonError | Unauthenticated:
    if isinstance(error, PermissionError):
        return Unauthenticated(
            f"the daemon's socket {address.path} belongs to somebody else",
            hint="ask as the user who runs mooringd, or over TCP with MOORING_URL and MOORING_TOKEN",
        )
    if type(error).__module__ == "ssl":
        return DaemonMismatch(
            f"TLS with {address} failed: {_reason(error)}",
            hint="SSL_CERT_FILE names the certificates to trust" if "CERTIFICATE" in str(error) else None,
        )
    return DaemonUnreachable(f"no daemon answers at {address}: {_reason(error)}", hint=address.hint)


def _reason(error: OSError | None) -> str:
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    if error is not None and error.errno == errno.ENOENT:
        return "there is no such socket"
    return (error and (error.strerror or str(error))) or type(error).__name__
