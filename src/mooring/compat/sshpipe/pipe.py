"""sshpipe's near end: one pipe to one host."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal

from ... import blocking
from ...model.errors import MooringError, PipeClosed, PipeError, SessionLost
from ...session.arguments import check_seconds
from ...wire.pipe import MESSAGE, FrameError, frame
from ...wire.pipe import pack as pack_message

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ...model.result import PipeEnd

__all__ = ["SSHPipe", "handler_command", "response_of"]

Response = tuple[int, str, str]

_FAILED: Final = 255
"""ssh's own status where it could not connect."""
_SCRIPT: Final = re.compile(r"[A-Za-z0-9_./~+-]+\.py")
_RUN_SCRIPT: Final = (
    'exec sh -c \'{ read -r line < "$0"; } 2>/dev/null; '
    'case "$line" in "#!"*) [ -x "$0" ] && exec "$0";; esac; exec python3 "$0"\' '
)


class SSHPipe:
    """A pipe to a handler (SSHPipeHandler) on a host, on a connection of its own.

    Any thread may use it. ``with`` starts and closes it.

    Args:
        host: A host, address or ``Host`` of ssh_config.
        command: The handler's command, a line or words that the far shell joins. A path that ends in ``.py`` and
            is not executable, or has no ``#!``, is run by ``python3``.
        name: Its name.
        user: The login; ssh_config's by default.
        term_message: What ends the handler.
        config: An ssh_config file; ssh's own by default.
        encoding: Kept; text travels as UTF-8.
        callback: Called with ``(returncode, stdout, stderr)`` when the handler has ended, in a thread of its own.
        logger: Gets the handler's log records.
        codec: ``pickle`` where the handler was made with it as well: Python's objects then travel as they are.
        options: Further keywords of ``mooring.connect``.
    """

    def __init__(  # noqa: PLR0917 - the old signature
        self,
        host: str,
        command: str | Sequence[str],
        name: str | None = None,
        user: str | None = None,
        term_message: str = "TERM",
        config: str | None = None,
        encoding: str = "utf8",
        callback: Callable[[int, str, str], object] | None = None,
        logger: logging.Logger | None = None,
        *,
        codec: Literal["json", "pickle"] = "json",
        **options: Any,
    ) -> None:
        self.host = host
        self.command = command
        self.name = name or host
        self.user = user
        self.term_message = term_message
        self.config = config
        self.encoding = encoding
        self.callback = callback
        self.logger = logger
        self.pid: int | None = None
        """The handler's process id at the far end."""
        self._codec: Literal["json", "pickle"] = codec
        self._options = options if user is None else {**options, "username": user}
        self._context: AbstractContextManager[blocking.Session] | None = None
        self._pipe: blocking.Pipe | None = None
        self._watch: threading.Thread | None = None
        self._response: Response | None = None
        self._ended = threading.Event()
        self._told = False

    def start(self, wait: float = 1) -> None:  # noqa: ARG002 - it is acknowledged, and not waited for by looking
        """Connect, start the handler and wait for its acknowledgement; ``response`` says why where it is not alive.

        Args:
            wait: Taken and not used.
        """
        if self._context is not None:
            return
        try:
            config = () if self.config is None else self.config
            context = blocking.connect(self.host, config=config, **self._options)
            session = context.__enter__()
            self._context = context
            line = handler_command(self.command)
            pipe = session.pipe(line, codec=self._codec, logger=self.logger).start()
        except MooringError as error:
            self._watch_by(self._finish, response_of(error, self.term_message))
            self._ended.wait()
            return
        self.pid = pipe.status().pid
        self._pipe = pipe
        self._watch_by(self._watch_it, pipe)

    def _watch_by(self, function: Callable[..., None], *args: object) -> None:
        self._watch = threading.Thread(target=function, args=args, name=f"sshpipe {self.name}", daemon=True)
        self._watch.start()

    def _watch_it(self, pipe: blocking.Pipe) -> None:
        try:
            response = response_of(pipe.wait(), self.term_message)
        except MooringError as error:
            response = response_of(error, self.term_message)
        self._finish(response)

    def _finish(self, response: Response) -> None:
        self._response = response
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)
        self._ended.set()
        if self.callback is not None:
            self.callback(*response)

    def is_alive(self) -> bool:
        """Whether the handler is there."""
        return self._pipe is not None and self._response is None

    def prepare(self, msg: object, pack: bool = True) -> bytes:  # noqa: FBT001, FBT002 - the old signature
        """The frame of a message: its length, kind and content.

        Args:
            msg: Text, bytes, or what JSON can write.
            pack: False for bytes that are sent as they are.

        Raises:
            FrameError: It cannot be sent.
        """
        codec, payload = pack_message(_checked(msg, pack=pack), pickled=pack and self._codec == "pickle")
        return frame(MESSAGE, payload, codec)

    def send(self, msg: object, pack: bool = True, *, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002 - the old signature
        """Send a message at once; waits while the handler is a long way behind.

        Args:
            msg: As ``prepare`` has it.
            pack: Likewise.
            timeout: Seconds to wait then; None as long as it lives.

        Raises:
            PipeError, SessionLost: The handler is not there, or did not take it in time.
        """
        if self._pipe is None:
            why = f"did not start: {self._response}" if self._response else "has not been started"
            raise PipeClosed(f"the pipe to {self.host} {why}")
        self._pipe.send(_checked(msg, pack=pack), timeout=timeout)
        if isinstance(msg, str) and msg == self.term_message:
            self._told = True

    def response(self, timeout: float | None = None) -> Response | None:
        """Exit status, output and errors, when the handler has ended; empty output is told as the term message.

        Args:
            timeout: Seconds to wait for the end; None as long as it takes.

        Returns:
            None where it has not ended in time, or was never started.
        """
        if self._watch is not None:
            self._ended.wait(timeout)
        return self._response

    def close(self, msg: object = None, *, timeout: float | None = None) -> Response | None:
        """Tell the handler to end, wait until it has, and return its response. Safe to call twice.

        Args:
            msg: The last message; by default the term message, unless it was sent before.
            timeout: Seconds that it has for that; then it is sent TERM, and half a second later KILL. None as long as
                it takes, as in sshpipe.
        """
        check_seconds(timeout)
        if self._pipe is not None and self._response is None:
            deadline = None if timeout is None else time.monotonic() + timeout
            if msg is not None or not self._told:
                with contextlib.suppress(PipeError, SessionLost):
                    self.send(self.term_message if msg is None else msg, timeout=timeout)
                    self._told = True
            with contextlib.suppress(PipeError, SessionLost):
                self._pipe.close(timeout=None if deadline is None else max(0.001, deadline - time.monotonic()))
        return self.response()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the handler has ended, at most ``timeout`` seconds."""
        if self._watch is not None:
            self._watch.join(timeout)

    def __enter__(self) -> SSHPipe:  # noqa: PYI034 - the old API has no subclasses in mind
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; after an error in the block, without waiting for what was sent."""
        if error is None or self._pipe is None:
            self.close()
        else:
            self._pipe.__exit__(kind, error, trace)
            self.response()


def _checked(msg: object, *, pack: bool) -> object:
    if not pack and not isinstance(msg, (bytes, bytearray, memoryview)):
        raise FrameError(f"a {type(msg).__name__} must be packed")
    return msg


def handler_command(command: str | Sequence[str]) -> str:
    """The command line that starts a handler."""
    line = command if isinstance(command, str) else " ".join(command)
    return _RUN_SCRIPT + line if _SCRIPT.fullmatch(line) else line


def response_of(end: PipeEnd | MooringError, term_message: str) -> Response:
    """What sshpipe tells of an end."""
    if isinstance(end, MooringError):
        known = end.end if isinstance(end, PipeError) else None
        if known is None or known.exit_status is None:
            return _FAILED, term_message, str(end)
        end = known
    status = _FAILED if end.exit_status is None else end.exit_status
    return status, _less(end.stdout) or term_message, _less(end.stderr)


def _less(text: str) -> str:
    """Less one newline at the end."""
    return text.removesuffix("\n")
