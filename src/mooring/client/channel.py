"""A remote process at the other end of the daemon's WebSocket, for a loop around ``poll``."""

from __future__ import annotations

from ..model.errors import DaemonUnreachable
from ..wire.channel import ClientSide, Frame, Kind, Opening
from .websocket import BINARY, CLOSE, PING, PONG, Assembler, encode

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    import socket
    from typing import Final, Self

    from .connection import Connection

__all__ = ["Channel", "Frame", "Kind", "Opening"]

_CHUNK: Final = 256 * 1024
_PATIENCE: Final = 3
_GOING: Final = (1000).to_bytes(2, "big")
_NOT_NOW: Final = {"SSLWantReadError", "SSLWantWriteError"}


class Channel:
    """A remote process.

    Nothing here blocks. Wait until the socket can be read and call ``receive``; while ``unsent``, wait until it can be
    written too and call ``flush``. Stop calling ``receive`` and the far side stands still: nothing piles up. Send
    standard input once ``opened``, never more than ``window``.

    Every method but ``close`` raises ``DaemonUnreachable`` when the connection is gone.

    Args:
        connection: Over which a WebSocket was agreed on.
        opening: What to open.
    """

    def __init__(self, connection: Connection, opening: Opening) -> None:
        self._address = connection.address
        self._socket: socket.socket
        self._socket, rest = connection.hand_over()
        self._socket.settimeout(0)
        self._assembler = Assembler(rest)
        self._side = ClientSide()
        self._unsent = bytearray()
        self._silences = 0
        self._reason = ""
        self.opened = False
        """Whether the far side has started."""
        self._send(self._side.open(opening))

    @property
    def window(self) -> int:
        """Bytes of standard input that may be sent now."""
        return self._side.window

    @property
    def unsent(self) -> bool:
        """Whether something waits until the socket can be written."""
        return bool(self._unsent)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    # What is meant for a far side that has just ended is for nobody: its end may come in one read with its beginning.

    def stdin(self, data: bytes) -> None:
        """Send standard input."""
        if not self._side.ended:
            self._send(self._side.stdin(data))

    def stdin_eof(self) -> None:
        """End standard input."""
        if not self._side.ended:
            self._send(self._side.stdin_eof())

    def signal(self, name: str) -> None:
        """Send a signal, named without ``SIG``."""
        if not self._side.ended:
            self._send(self._side.signal(name))

    def resize(self, columns: int, rows: int) -> None:
        """Tell of the terminal's new size."""
        if not self._side.ended:
            self._send(self._side.resize(columns, rows))

    def take(self) -> None:
        """Drive the terminal from now on."""
        if not self._side.ended:
            self._send(self._side.take())

    def nudge(self) -> None:
        """Ask the daemon for a sign of life: call it when nothing came for some ten seconds.

        Raises:
            DaemonUnreachable: Several in a row were not answered.
        """
        if self._silences >= _PATIENCE:
            raise DaemonUnreachable(
                f"the daemon at {self._address} has gone silent", hint="its log may tell why; it may have to be killed"
            )
        self._silences += 1
        self._unsent += encode(PING, b"")
        self.flush()

    def flush(self) -> None:
        """Send of what waits as much as the socket takes."""
        while self._unsent:
            try:
                with memoryview(self._unsent) as view:
                    sent = self._socket.send(view[:_CHUNK])
            except OSError as error:
                if _not_now(error):
                    return
                raise self._gone(error) from error
            del self._unsent[:sent]

    def receive(self) -> list[Frame]:
        """What has come: OPENED, output, and at last EXIT, or ERROR with problem details.

        Raises:
            DaemonMismatch: What came is not understood.
        """
        data = self._read()
        if data is None:
            return []
        self._silences = 0
        self._assembler.feed(data)
        messages = self._assembler.messages()
        frames = [self._taken(payload) for opcode, payload in messages if self._is_ours(opcode, payload)]
        if not data and not self._side.ended:
            raise self._gone(None)
        return frames

    def close(self) -> None:
        """Leave: what still runs at the far side is sent TERM by the daemon."""
        try:  # noqa: SIM105 - contextlib would be imported for this alone
            self._socket.send(encode(CLOSE, _GOING))
        except OSError:
            pass
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: bytes) -> None:
        self._unsent += encode(BINARY, message)
        self.flush()

    def _read(self) -> bytes | None:
        """What is there, b"" at the end; None where nothing is there yet."""
        try:
            data = self._socket.recv(_CHUNK)
            # TLS holds the rest of a record, of which the descriptor knows nothing.
            while rest := getattr(self._socket, "pending", int)():
                data += self._socket.recv(rest)
        except OSError as error:
            if _not_now(error):
                return None
            raise self._gone(error) from error
        return data

    def _is_ours(self, opcode: int, payload: bytes) -> bool:
        """Whether a message is a frame of the channel; the others are answered here."""
        if opcode == PING:
            self._unsent += encode(PONG, payload)
            self.flush()
        elif opcode == CLOSE:
            self._reason = payload[2:].decode("utf-8", "replace") or f"code {int.from_bytes(payload[:2], 'big')}"
            self._unsent += encode(CLOSE, payload)
            self.flush()
        return opcode == BINARY

    def _taken(self, message: bytes) -> Frame:
        frame = self._side.receive(message)
        self.opened = self.opened or frame.kind is Kind.OPENED
        return frame

    def _gone(self, error: OSError | None) -> DaemonUnreachable:
        reason = self._reason or ("it ended the connection" if error is None else error.strerror or str(error))
        return DaemonUnreachable(f"the daemon at {self._address} has gone: {reason}", hint=self._address.hint)


def _not_now(error: OSError) -> bool:
    return isinstance(error, BlockingIOError) or type(error).__name__ in _NOT_NOW
