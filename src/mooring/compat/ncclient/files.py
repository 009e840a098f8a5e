"""A channel's streams as files, as paramiko has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from .channels import Channel

__all__ = ["ChannelFile"]


class ChannelFile:
    """One stream of a channel. What is read whole is bytes; lines are text, unless the mode has a ``b``.

    Args:
        channel: Whose.
        sock: What carries it.
        mode: ``r`` or ``w``, with or without ``b``.
        bufsize: Bytes of its buffer; 0 for none, -1 for the usual.
        ends: Whether closing the file ends the channel's standard input.

    Attributes:
        channel: Whose it is; ``file.channel.recv_exit_status()`` waits for the command.
    """

    def __init__(
        self, channel: Channel, sock: socket.socket, mode: str, bufsize: int = -1, *, ends: bool = False
    ) -> None:
        self.channel = channel
        self._text = "b" not in mode
        self._ends = ends
        # socket.makefile knows the three of them, each with a type of its own
        self._file: Any = sock.makefile(mode.replace("b", "").replace("U", "") + "b", bufsize)  # type: ignore[call-overload]

    def read(self, size: int | None = None) -> bytes:
        """So many bytes, or all there are until the end."""
        return bytes(self._file.read(-1 if size is None else size))

    def readline(self, size: int | None = None) -> str | bytes:
        """A line; empty at the end."""
        line: bytes = self._file.readline(-1 if size is None else size)
        return line.decode() if self._text else line

    def readlines(self, sizehint: int | None = None) -> list[str | bytes]:
        """All lines."""
        del sizehint
        return list(self)

    def __iter__(self) -> Iterator[str | bytes]:
        """The lines."""
        return iter(self.readline, "" if self._text else b"")

    def write(self, data: str | bytes) -> None:
        """Write."""
        self._file.write(data.encode() if isinstance(data, str) else data)

    def writelines(self, lines: Iterable[str | bytes]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Send what was written."""
        self._file.flush()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return bool(self._file.closed)

    def close(self) -> None:
        """Close it. Safe to call twice."""
        if not self.closed:
            self._file.close()
            if self._ends:
                self.channel.shutdown_write()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
