"""A pipe to a handler through the daemon, for a loop around ``poll``: the daemon carries bytes, the frames are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..model.errors import SessionLost
from ..model.problem import from_problem
from ..wire.channel import Kind, read_exit, read_problem
from ..wire.near import Answered, Logged, NearEnd, Said, Wrote, fitting
from ..wire.pipe import FrameError

if TYPE_CHECKING:
    from ..model.errors import MooringError
    from ..model.result import PipeEnd
    from .channel import Channel

__all__ = ["Answered", "Ended", "Handler", "Logged", "Said", "Wrote"]

_JSON: Final = 2
_CHUNK: Final = 64 * 1024


class Ended(NamedTuple):
    """Nothing more comes: the error, or None where the handler ended as it was asked to; its status and signal."""

    error: MooringError | None
    end: PipeEnd
    signal: str | None


class Handler:
    """A handler at the far end.

    Nothing here blocks. Wait as ``Channel`` says, and call ``receive``; after ``ask``, ``send`` and ``terminate``, and
    where the socket can be written, ``flush``. Ask while there is ``room``: what is asked without any waits here.

    Args:
        channel: On which its command was opened.
        alias: The session.
        program: What its command wants to read before the frames.
        level: The least level of a log record that is wanted.
    """

    def __init__(self, channel: Channel, alias: str, program: bytes, level: int) -> None:
        self.alias = alias
        self.channel = channel
        self.state = NearEnd(alias)
        """What it was sent, and has said."""
        self.ended = False
        self._out = bytearray(program + self.state.hello(level))

    @property
    def acknowledged(self) -> bool:
        """Whether it has taken the pipe."""
        return self.state.acknowledged is not None

    @property
    def room(self) -> bool:
        """Whether it takes something now."""
        state = self.state
        return self.acknowledged and state.room > 0 and not state.closing and not self.ended

    def ask(self, line: bytes) -> int:
        """Ask for the answer to a message; the number of the request.

        Args:
            line: The message, as JSON.

        Raises:
            InvalidInput: It is too long.
        """
        number, data = self.state.ask(_JSON, fitting(line))
        self._out += data
        return number

    def send(self, line: bytes) -> None:
        """Send a message without asking for an answer.

        Args:
            line: The message, as JSON.

        Raises:
            InvalidInput: It is too long.
        """
        self._out += self.state.send(_JSON, fitting(line))

    def terminate(self) -> None:
        """Have it end, after all that it was sent."""
        if not self.state.closing:
            self._out += self.state.terminate()

    def flush(self) -> None:
        """Send of what waits as much as is taken.

        Raises:
            DaemonUnreachable: The daemon has gone.
        """
        if self.ended:
            return
        channel = self.channel
        channel.flush()
        while self._out and channel.opened and channel.window and not channel.unsent:
            size = min(channel.window, _CHUNK)
            channel.stdin(bytes(self._out[:size]))
            del self._out[:size]

    def receive(self) -> list[Answered | Said | Logged | Wrote | Ended]:
        """What has come; nothing after ``Ended``.

        Raises:
            DaemonUnreachable: The daemon has gone.
            DaemonMismatch: What it says is not understood.
        """
        events: list[Answered | Said | Logged | Wrote | Ended] = []
        self.flush()
        for kind, payload in self.channel.receive():
            if self.ended:
                break
            if kind is Kind.STDOUT:
                self._take(payload, events)
            elif kind is Kind.STDERR:
                self.state.errors.add(payload)
                events.append(Wrote(payload))
            elif kind is Kind.EXIT:
                events.append(self._exited(*read_exit(payload)))
            elif kind is Kind.ERROR:
                events.append(self._failed(from_problem(read_problem(payload))))
        self.flush()
        return events

    def given_up(self, error: MooringError) -> Ended:
        """How it ended where we did not wait for its end."""
        return Ended(error, self.state.end(None), None)

    def close(self) -> None:
        """Leave it; the daemon sends TERM to what still runs."""
        self.ended = True
        self.channel.close()

    def _take(self, data: bytes, events: list[Answered | Said | Logged | Wrote | Ended]) -> None:
        try:
            for event in self.state.receive(data):
                events.append(event)
                if isinstance(event, Said):
                    self._out += self.state.taken(event.size)
        except FrameError as error:
            events.append(self._broken(error, None, None))

    def _exited(self, status: int | None, signal: str | None) -> Ended:
        try:
            self.state.finish()
        except FrameError as error:
            return self._broken(error, status, signal)
        self.ended = True
        end = self.state.end(status)
        return Ended(self.state.ending(end, signal), end, signal)

    def _failed(self, error: MooringError) -> Ended:
        self.ended = True
        return self.given_up(self.state.lost() if isinstance(error, SessionLost) else error)

    def _broken(self, why: FrameError, status: int | None, signal: str | None) -> Ended:
        self.ended = True
        return Ended(self.state.broken(why, status), self.state.end(status), signal)
