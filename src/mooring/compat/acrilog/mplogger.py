"""One logger for all processes of a program."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import multiprocessing as mp
import socket
import sys
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from .formatter import LevelBasedFormatter
from .handler import TimedSizedRotatingHandler

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MpLogger"]

_FILE: Final = ("file_mode", "maxBytes", "backupCount", "encoding", "delay", "when", "interval", "utc", "atTime")
_MAX_OPEN: Final = 64
_MAX_DEPTH: Final = 16
_MAX_NAME: Final = 160  # bytes: a file's name has at most 255, and rolled ones are longer
_UNFIT: Final = frozenset('/\\:*?"<>|')


class MpLogger:
    """Processes log to a queue, and a thread of the process that called ``start`` writes the files.

    ::

        mplogger = MpLogger(name="main", logging_level=logging.DEBUG, consolidate=True)
        logger = mplogger.start()
        mp.Process(target=work, args=(mplogger.logger_info(),))     # MpLogger.get_logger(info, name="work")
        mplogger.stop()

    A logger ``acrilog.subproc`` writes to ``acrilog.log`` and ``acrilog.subproc.log``: to the file of each name above
    it, and its own.

    Args:
        name: The consolidated log's name, and the main process's logger's where ``start`` is given none.
        logging_level: The least level that is written.
        handlers: Further handlers for all records.
        verbose: Say on standard error what it does.
        level_formats: As LevelBasedFormatter has them.
        datefmt: Likewise.
        console: Show the records on standard error, too.
        logdir: The files' folder; the working folder by default.
        process_key: Fields of records (``processName``, ``process``, ``threadName``...), one or several: a file of
            its own for each of their values, whose name has it after the logger's. ``name`` alone is the default.
        key: The field that names the files; ``name``.
        separator: What cuts that into the names above it; ``.``.
        consolidate: One more file with all records, under this name; with True, under ``name``, or ``start``'s.
        file_prefix: Stands before each file's name, and a dot.
        file_suffix: Stands after it, and a dot.
        options: As TimedSizedRotatingHandler has them: file_mode, maxBytes, backupCount, encoding, delay, when,
            interval, utc, atTime.
    """

    def __init__(
        self,
        name: str | None = None,
        logging_level: int = logging.INFO,
        handlers: Sequence[logging.Handler] = (),
        verbose: bool = False,  # noqa: FBT001, FBT002 - the old signature
        *,
        level_formats: Mapping[int | str, str] | None = None,
        datefmt: str | None = None,
        console: bool = False,
        logdir: str = ".",
        process_key: str | Iterable[str] = (),
        key: str = "name",
        separator: str = ".",
        consolidate: str | bool = "",
        file_prefix: str = "",
        file_suffix: str = "",
        **options: Any,
    ) -> None:
        if unknown := set(options) - set(_FILE):
            raise TypeError(f"MpLogger has no argument {min(unknown)!r}")
        self.name = name
        self.logging_level = logging_level
        self.handlers = list(handlers)
        self.verbose = verbose
        self.level_formats = level_formats
        self.datefmt = datefmt
        self.console = console
        self.loggerq: Any = None
        self._formatter = LevelBasedFormatter(level_formats, datefmt)
        self._files = _Files(
            folder=Path(logdir),
            formatter=self._formatter,
            key=key,
            separator=separator,
            process_keys=[process_key] if isinstance(process_key, str) else list(process_key),
            around=(file_prefix, file_suffix),
            options=options,
        )
        self._consolidate = consolidate
        self._listener: QueueListener | None = None
        self._started_name = name or ""

    def start(self, name: str | None = None) -> logging.Logger | None:
        """Begin to write, and return this process's logger; None where it had begun.

        Args:
            name: The logger's; by default the MpLogger's.
        """
        if self._listener is not None:
            return None
        self._started_name = name or self.name or mp.current_process().name
        consolidated = self._consolidate
        if consolidated is True:
            consolidated = self.name or self._started_name
        self._files.consolidated = consolidated or ""
        self._files.folder.mkdir(parents=True, exist_ok=True)
        handlers = [self._files, *self.handlers]
        if self.console:
            shown = logging.StreamHandler()
            shown.setFormatter(self._formatter)
            handlers.append(shown)
        self.loggerq = mp.Queue()
        self._listener = QueueListener(self.loggerq, *handlers, respect_handler_level=True)
        self._listener.start()
        self._say("started")
        return self.get_logger(self.logger_info(), self._started_name)

    def logger_info(self) -> dict[str, Any]:
        """What a child process needs: hand it over as an argument, and give it to ``get_logger`` there."""
        return {
            "name": self._started_name,
            "logging_level": self.logging_level,
            "level_formats": self.level_formats,
            "datefmt": self.datefmt,
            "server_host": socket.gethostname(),
            "loggerq": self.loggerq,
        }

    @classmethod
    def get_logger(cls, logger_info: Mapping[str, Any], name: str | None = None) -> logging.Logger:
        """A logger whose records go to the MpLogger, in any process.

        Args:
            logger_info: From ``logger_info``.
            name: The logger's; by default the main process's.
        """
        logger = logging.getLogger(name or logger_info["name"])
        logger.setLevel(logger_info["logging_level"])
        logger.propagate = False
        loggerq = logger_info["loggerq"]
        for handler in logger.handlers[:]:
            if isinstance(handler, _ToQueue):
                if handler.queue is loggerq:
                    return logger
                logger.removeHandler(handler)  # of an MpLogger before this one
        logger.addHandler(_ToQueue(loggerq))
        return logger

    def stop(self) -> None:
        """Write what has come, and end. Safe to call twice."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.stop()
        self._files.close()
        self.loggerq.close()
        self.loggerq.join_thread()
        self._say("stopped")

    def _say(self, what: str) -> None:
        if self.verbose:
            sys.stderr.write(f"mplogger {what}\n")

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self.stop()


class _ToQueue(QueueHandler):
    """Puts records on the queue, and the host's name on records; remote ones have their own."""

    _host = socket.gethostname()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record as it travels: told in words, since its arguments may not be fit to."""
        if not hasattr(record, "host"):
            record.host = self._host
        prepared: logging.LogRecord = super().prepare(record)
        return prepared


class _Files(logging.Handler):
    """A file for each name, made when it is first needed.

    Remote handlers choose names, too: so many are open at most, those used last, and whatever is wrong with one is
    told as logging tells it, and ends nothing.
    """

    def __init__(
        self,
        *,
        folder: Path,
        formatter: logging.Formatter,
        key: str,
        separator: str,
        process_keys: Iterable[str],
        around: tuple[str, str],
        options: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.folder = folder
        self.consolidated = ""
        self._formatter = formatter
        self._key = key
        self._separator = separator
        self._process_keys = [field for field in process_keys if field != key]  # the name has that one already
        self._around = around
        self._options = dict(options)
        self._open: dict[str, logging.Handler] = {}
        self._begun: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            names = self._names(record)
        except Exception:  # noqa: BLE001 - as logging has it: no record ends the thread that writes
            self.handleError(record)
            return
        for name in names:
            try:
                self._file(name).handle(record)
            except Exception:  # noqa: BLE001 - likewise
                self.handleError(record)

    def _names(self, record: logging.LogRecord) -> list[str]:
        parts = str(getattr(record, self._key, record.name)).split(self._separator, _MAX_DEPTH - 1)
        names = [self._separator.join(parts[: count + 1]) for count in range(len(parts))]
        if self._process_keys:
            values = [str(getattr(record, field, "")) for field in self._process_keys]
            names = [self._separator.join([names[-1], *values])]
        if self.consolidated and self.consolidated not in names:
            names.append(self.consolidated)
        return names

    def _file(self, name: str) -> logging.Handler:
        before, after = self._around
        file = ".".join(part for part in (before, _fit(name), after, "log") if part)
        handler = self._open.pop(file, None)
        if handler is None:
            if len(self._open) >= _MAX_OPEN:
                self._open.pop(next(iter(self._open))).close()
            again = {"file_mode": "a"} if file in self._begun else {}
            handler = TimedSizedRotatingHandler(str(self.folder / file), **{**self._options, **again})
            handler.setFormatter(self._formatter)
            self._begun.add(file)
        self._open[file] = handler
        return handler

    def close(self) -> None:
        """Close all files; the next begin as the first did."""
        for handler in self._open.values():
            with contextlib.suppress(OSError):  # a full disk: told when the record was written
                handler.close()
        self._open.clear()
        self._begun.clear()
        super().close()


def _fit(name: str) -> str:
    """A name as a part of a file's: inside the folder, and short enough; what is cut off still tells two apart."""
    fit = "".join(char if char.isprintable() and char not in _UNFIT else "_" for char in name)
    encoded = fit.encode()
    if len(encoded) <= _MAX_NAME:
        return fit
    told_apart = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{encoded[:_MAX_NAME].decode('utf-8', 'ignore')}~{told_apart}"
