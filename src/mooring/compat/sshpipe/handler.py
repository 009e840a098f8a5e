"""sshpipe's handler, at the far end: standard library and ``mooring.far`` only, Python 3.8."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module

from ...far import FrameError, Pipe, connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Literal, NoReturn, Protocol

    class _Queue(Protocol):
        def put(self, item: object, /) -> object: ...

    class _Event(Protocol):
        def set(self) -> object: ...


__all__ = [
    "EXIT_MESSAGE",
    "SSHPipeCallableHandler",
    "SSHPipeHandler",
    "pipe_listener",
    "pipe_listener_forever",
    "set_logger",
]

EXIT_MESSAGE = "TERM"

_RECEPTION, _ATSTART, _HANDLE, _ATEXIT = 1, 2, 3, 4
_EARLY = 1000


class SSHPipeHandler:
    """The program at the far end of an SSHPipe: override ``atstart``, ``handle`` and ``atexit``, call ``service_loop``.

    It exits with status 1 when receiving fails, 2, 3 and 4 when those three do.

    Args:
        handler_id: Its name; by default ``sshpipe_handler_PID``.
        term_messages: What ends it; by default TERM, STOP, FINISH, EXIT and QUIT.
        unpack: Whether messages are given as they were sent; False gives their bytes.
        imports: ``[file]:module[:module...]``, imported before the first message, so that its classes are known.
        tolerance: Errors of ``handle`` to go on after; -1 for any number.
        caller_host: Kept and not used.
        caller_port: Likewise.
        codec: ``pickle`` where the SSHPipe was made with it as well: Python's objects then travel as they are.
    """

    TERM_MESSAGES = ("TERM", "STOP", "FINISH", "EXIT", "QUIT")

    def __init__(  # noqa: PLR0917 - the old signature
        self,
        handler_id: str | None = None,
        term_messages: Sequence[str] | None = None,
        unpack: bool = True,  # noqa: FBT001, FBT002 - the old signature
        imports: str | Sequence[str] | None = None,
        tolerance: int = 0,
        caller_host: str | None = None,
        caller_port: int | None = None,
        *,
        codec: Literal["json", "pickle"] = "json",
    ) -> None:
        self.handler_id = handler_id or f"sshpipe_handler_{os.getpid()}"
        self.term_messages = list(term_messages or self.TERM_MESSAGES)
        self.term_message = self.term_messages[0]
        self.unpack = unpack
        self.imports = imports
        self.tolerance = tolerance
        self.caller_host = caller_host
        self.caller_port = caller_port
        self.codec = codec
        self.mlogger = self.module_logger = logging.getLogger(self.handler_id)
        self.mlogger.setLevel(logging.DEBUG)
        self.mlogger.propagate = False
        self._early = _Early()
        self.mlogger.addHandler(self._early)
        self._errors = 0

    def atstart(self, received: Any) -> None:  # noqa: ANN401 - whatever was sent
        """Called with the first message, before ``handle`` is."""
        self.mlogger.debug("atstart: nothing to do, message: %s", received)

    def handle(self, received: Any) -> Any:  # noqa: ANN401 - whatever was sent
        """Called with each message. What it returns answers SSHMultiPipe's ``map``."""
        self.mlogger.debug("handle: nothing to do, message: %s", received)

    def atexit(self, received: Any) -> None:  # noqa: ANN401 - whatever was sent
        """Called with the message that ends it; prints that."""
        self.mlogger.debug("atexit: with message %s", received)
        print(received if received in self.term_messages else self.term_message)  # noqa: T201 - the old contract

    def service_loop(self) -> None:
        """Take messages until one of the ``term_messages`` comes, or the near end closes the pipe.

        Raises:
            SystemExit: Something failed; the status says what.
        """
        try:
            _import_all(self.imports)
            pipe = connect(self.handler_id, codec=self.codec)
        except Exception as error:  # noqa: BLE001 - as the status says
            _exit(_RECEPTION, error)
        self.mlogger.removeHandler(self._early)
        home = pipe.log_handler()
        self.mlogger.addHandler(home)
        self._early.flush_to(home)
        with pipe:
            self._serve(pipe)

    def _serve(self, pipe: Pipe) -> None:
        last: object = self.term_message
        started = False
        for received in self._messages(pipe):
            if isinstance(received, str) and received in self.term_messages:
                last = received
                break
            if not started:
                started = True
                self._call(_ATSTART, self.atstart, received)
            try:
                pipe.reply(self.handle(received))
            except Exception as error:  # noqa: BLE001 - it is counted
                self._tolerate(pipe, error)
        self._call(_ATEXIT, self.atexit, last)

    def _messages(self, pipe: Pipe) -> Iterator[Any]:
        while True:
            try:
                received = next(pipe)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - as the status says
                _exit(_RECEPTION, error)
            yield _given(pipe, received, self.term_messages, unpack=self.unpack)

    def _call(self, status: int, function: Any, received: object) -> None:  # noqa: ANN401 - one of three methods
        try:
            function(received)
        except Exception as error:
            self.mlogger.exception("%s failed", function.__name__)
            _exit(status, error)

    def _tolerate(self, pipe: Pipe, error: Exception) -> None:
        """Answer a request by its error; over any other message, go on as often as was said."""
        self.mlogger.error("handle failed", exc_info=error)
        if pipe.asked:
            pipe.fail(error)
            return
        self._errors += 1
        if 0 <= self.tolerance < self._errors:
            _exit(_HANDLE, error)


class SSHPipeCallableHandler:
    """A handler that calls what it receives; the SSHPipe must be made with ``codec="pickle"``.

    Args:
        term_message: What ends it.
    """

    def __init__(self, term_message: str = EXIT_MESSAGE) -> None:
        self.term_message = term_message

    def service_loop(self) -> None:
        """Call what comes until the term message does.

        Raises:
            SystemExit: Another text came, or receiving failed.
        """
        try:
            pipe = connect(codec="pickle")
        except FrameError as error:
            _exit(_RECEPTION, error)
        with pipe:
            for received in pipe:
                status = self.action(received)
                if status is not None:
                    sys.stdout.flush()
                    sys.exit(status)

    def action(self, received: Any) -> int | None:  # noqa: ANN401 - a callable or a text
        """Do it: call what can be called; the exit status for a text, None to go on."""
        if not isinstance(received, str):
            received()
            return None
        if received == self.term_message:
            print(received)  # noqa: T201 - as SSHPipeHandler
            return 0
        print(f"unknown message {received!r}", file=sys.stderr)  # noqa: T201 - it goes home
        return 2


def pipe_listener(queue: _Queue, term_messages: Sequence[str] = (EXIT_MESSAGE,), unpack: bool = False) -> bool:  # noqa: FBT001, FBT002 - the old signature
    """Put one message that comes by standard input on a queue, as ``(message, "")``.

    Args:
        queue: Anything with ``put``.
        term_messages: What ends the pipe.
        unpack: Whether the message is given as it was sent; False gives its bytes.

    Returns:
        Whether more may come. At the end, ``(term message, "")`` or ``(term message, exception)`` was put.
    """
    pipe = _listened.get("pipe") or _listened.setdefault("pipe", connect())
    try:
        received = next(pipe)
    except StopIteration:
        queue.put((term_messages[0], ""))
        return False
    except Exception as error:  # noqa: BLE001 - it is what is put
        queue.put((term_messages[0], error))
        return False
    received = _given(pipe, received, term_messages, unpack=unpack)
    queue.put((received, ""))
    return not (isinstance(received, str) and received in term_messages)


_listened: dict[str, Pipe] = {}


def pipe_listener_forever(  # noqa: PLR0917 - the old signature
    message_queue: _Queue,
    started_event: _Event,
    term_messages: Sequence[str] = (EXIT_MESSAGE,),
    unpack: bool = True,  # noqa: FBT001, FBT002 - the old signature
    imports: str | Sequence[str] | None = None,
    logger: logging.Logger | None = None,
) -> None:
    """Put every message that comes by standard input on a queue, until one ends it.

    Args:
        message_queue: As ``pipe_listener`` has it.
        started_event: Set when the pipe stands.
        term_messages: As ``pipe_listener`` has it.
        unpack: Likewise.
        imports: As SSHPipeHandler has it.
        logger: Told of the end.
    """
    _import_all(imports)
    _listened.setdefault("pipe", connect())
    started_event.set()
    while pipe_listener(message_queue, term_messages, unpack):
        pass
    if logger is not None:
        logger.debug("pipe_listener_forever ended")


def set_logger(name: str | None = None, logdir: str | None = None) -> logging.Logger:
    """The root logger, writing to a file of this process.

    Args:
        name: The file's name; by default ``sshpipe.PID.log``.
        logdir: Its folder; by default the working folder, where the original wrote to ``/tmp``.
    """
    file = os.path.join(logdir or ".", name or f"sshpipe.{os.getpid()}.log")  # noqa: PTH118 - pathlib costs a handler's start
    logger = logging.getLogger()
    logger.addHandler(logging.FileHandler(file, encoding="utf-8"))
    return logger


def _given(pipe: Pipe, received: Any, term_messages: Sequence[str], *, unpack: bool) -> Any:  # noqa: ANN401 - either
    """What was received, or its bytes as they came; what ends the pipe is never packed."""
    return received if unpack or (isinstance(received, str) and received in term_messages) else pipe.payload


class _Early(logging.Handler):
    """Keeps what is logged before the pipe stands."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._records) < _EARLY:
            self._records.append(record)

    def flush_to(self, home: logging.Handler) -> None:
        records, self._records = self._records, []
        for record in records:
            if record.levelno >= home.level:
                home.handle(record)


def _import_all(imports: str | Sequence[str] | None) -> None:
    for text in [imports] if isinstance(imports, str) else imports or ():
        file, *modules = text.split(":")
        if file:
            folder, name = os.path.split(os.path.abspath(file))  # noqa: PTH100 - as above
            sys.path.insert(0, folder)
            modules = modules or [name.partition(".")[0]]
        for module in modules:
            import_module(module)


def _exit(status: int, error: Exception) -> NoReturn:
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - whatever its class does
        text = type(error).__name__
    print(text, file=sys.stderr)  # noqa: T201 - it goes home
    sys.exit(status)
