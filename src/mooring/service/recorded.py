"""A process on a terminal that is recorded: with the face of a process, and what its reader takes is on the tape."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from .recordings import status_of

if TYPE_CHECKING:
    from ..model.errors import StateError
    from ..store.recordings.tape import Tape
    from ..transport.channel import HeldProcess

__all__ = ["RecordedProcess"]


class RecordedProcess:
    """What a process offers.

    Args:
        process: It.
        tape: Where it is recorded, until ``close``.

    Attributes:
        stdin: Where bytes go.
        stdout: Where they come from: StateError there, where it can be recorded no longer and must not go on.
        stderr: Likewise.
    """

    def __init__(self, process: HeldProcess, tape: Tape) -> None:
        self._process = process
        self._tape = tape
        self.error: StateError | None = None
        self.stdin = _Typed(process.stdin, tape)
        self.stdout = _Shown(process.stdout, tape, self)
        self.stderr = _Shown(process.stderr, tape, self)

    @property
    def exit_status(self) -> int | None:
        """As the process has it."""
        return self._process.exit_status

    @property
    def status(self) -> int | None:
        """Likewise."""
        return self._process.status

    @property
    def signal(self) -> str | None:
        """Likewise."""
        return self._process.signal

    @property
    def terminated(self) -> bool:
        """Likewise."""
        return self._process.terminated

    @property
    def complete(self) -> bool:
        """Likewise."""
        return self._process.complete

    def fail(self, error: StateError) -> None:
        """It can be recorded no longer."""
        self.error = error
        self._process.close()

    def close(self) -> None:
        """Close it, and end its recording."""
        self._process.close()
        self._tape.end(status_of(self._process.status, self._process.signal))

    def terminate(self) -> None:
        """Have it end."""
        self._process.terminate()

    def send_signal(self, signal: str) -> None:
        """Send it a signal."""
        self._process.send_signal(signal)

    def change_terminal_size(self, width: int, height: int) -> None:
        """Its terminal has another size."""
        self._tape.resize(width, height)
        self._process.change_terminal_size(width, height)

    async def wait_closed(self) -> None:
        """Wait until it is closed. Cancelling is safe."""
        await self._process.wait_closed()


class _Shown:
    """A reader of what is recorded as it is read."""

    def __init__(self, reader: Any, tape: Tape, process: RecordedProcess) -> None:  # noqa: ANN401 - AsyncSSH's
        self._reader = reader
        self._tape = tape
        self._process = process

    async def read(self, n: int = -1) -> bytes:
        """What comes next. Cancelling is safe."""
        data: bytes = await self._reader.read(n)
        self._tape.output(data)
        if self._process.error is not None:
            raise copy.copy(self._process.error)
        return data


class _Typed:
    """A writer of what is recorded as it is written, where that was asked for."""

    def __init__(self, writer: Any, tape: Tape) -> None:  # noqa: ANN401 - AsyncSSH's
        self._writer = writer
        self._tape = tape

    def write(self, data: bytes) -> None:
        """Type something."""
        self._tape.input(data)
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until it is taken. Cancelling is safe."""
        await self._writer.drain()

    def write_eof(self) -> None:
        """Nothing more comes."""
        self._writer.write_eof()

    @property
    def channel(self) -> Any:  # noqa: ANN401 - AsyncSSH's
        """The channel beneath."""
        return self._writer.channel

    def get_extra_info(self, name: str) -> object:
        """As the process has it."""
        return self._writer.get_extra_info(name)
