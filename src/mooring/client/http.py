"""As much of HTTP/1.1 (RFC 9112) as the daemon's API needs, over a ``Connection``."""

from __future__ import annotations

from ..model.errors import DaemonMismatch, DaemonUnreachable, InvalidInput

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Final

    from .connection import Connection

__all__ = ["Response", "answer", "exchange", "lines", "send"]

_HEADERS: Final = 100
_BODILESS: Final = {204, 304}


class Response:
    """A response whose head has come.

    Attributes:
        status: Its status code.
        headers: Its fields, names in lower case.
    """

    __slots__ = ("_connection", "headers", "status")

    def __init__(self, connection: Connection, status: int, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers

    def parts(self) -> Iterator[bytes]:
        """Its content as it comes.

        Raises:
            DaemonUnreachable: The connection ended before the content did.
            DaemonMismatch: It is not framed as HTTP/1.1 wants.
        """
        if self.status in _BODILESS:
            return iter(())
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = self.headers.get("content-length")
        if length is None:
            return self._connection.rest()
        return self._connection.exactly(_number(self._connection, length, 10))

    def content(self) -> bytes:
        """Its content, whole. Raises as ``parts``."""
        return b"".join(self.parts())

    def _chunks(self) -> Iterator[bytes]:
        """RFC 9112, section 7.1; extensions and trailers mean nothing to us."""
        connection = self._connection
        while size := _number(connection, connection.line().partition(b";")[0].decode("latin-1"), 16):
            yield from connection.exactly(size)
            connection.line()
        while connection.line():
            pass


def exchange(
    connection: Connection, method: str, path: str, body: bytes | None = None, fields: Mapping[str, str] | None = None
) -> Response:
    """Send a request and return its response, once the head is there.

    Args:
        connection: Over which; it is told that this is its last request.
        method: The method.
        path: The path and query, percent-encoded.
        body: The content, JSON where ``fields`` says nothing else; None for none.
        fields: Further header fields.

    Raises:
        DaemonUnreachable: The connection broke, or nothing came in time.
        DaemonMismatch: What came is no HTTP/1.1.
        InvalidInput: The path is none.
    """
    try:
        send(connection, method, path, body, {"connection": "close", **(fields or {})})
    except DaemonUnreachable:
        # Who refuses a request before it is whole has answered, and reads no further.
        try:
            return answer(connection)
        except (DaemonUnreachable, DaemonMismatch):
            pass
        raise
    return answer(connection)


def send(connection: Connection, method: str, path: str, body: bytes | None, fields: Mapping[str, str]) -> None:
    """Send a request. Raises as ``exchange``."""
    if not path.isascii() or not path.isprintable() or " " in path:
        raise InvalidInput(f"{path!r} is no path of a URL")
    address = connection.address
    head = [f"{method} {path} HTTP/1.1", f"host: {address.authority}", "user-agent: mooring"]
    if address.token:
        head.append(f"authorization: Bearer {address.token}")
    if body is not None:
        fields = {"content-type": "application/json", "content-length": str(len(body)), **fields}
    head += [f"{name}: {value}" for name, value in fields.items()]
    connection.send("\r\n".join([*head, "", ""]).encode("ascii") + (body or b""))


def answer(connection: Connection) -> Response:
    """Read a response's head. Raises as ``exchange``."""
    version, _, rest = connection.line().decode("latin-1").partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not status.isdecimal():
        raise _no_daemon(connection)
    headers: dict[str, str] = {}
    while line := connection.line():
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(headers) >= _HEADERS:
            raise _no_daemon(connection)
        headers[name.lower()] = value.strip()
    return Response(connection, int(status), headers)


def lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream, without their ends; a last one may lack its end."""
    kept: list[bytes] = []
    for part in parts:
        first, *others = part.split(b"\n")
        kept.append(first)
        if others:
            yield b"".join(kept).removesuffix(b"\r")
            for line in others[:-1]:
                yield line.removesuffix(b"\r")
            kept = [others[-1]]
    if last := b"".join(kept):
        yield last


def _number(connection: Connection, text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise _no_daemon(connection)
    return number


def _no_daemon(connection: Connection) -> DaemonMismatch:
    return DaemonMismatch(f"what answers at {connection.address} is no mooringd", hint=connection.address.hint)
