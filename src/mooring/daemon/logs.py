"""The daemon's log on stderr: lines of text or of JSON, UTC. A reader that stands still does not stop the daemon."""

from __future__ import annotations

import datetime as dt
import json
import logging
import queue
import re
import sys
import threading
from typing import TYPE_CHECKING, Final

from ..transport.logs import keep_quiet

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["FORMATS", "LEVELS", "start"]

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

_TELLING: Final = {"aiosqlite": logging.INFO, "uvicorn.error": logging.ERROR, "websockets": logging.WARNING}
"""Loggers that print at lower levels what passes through them, parameters of SQL and the frames of a WebSocket, or a
line for whatever a stranger sends."""


_CONTROL: Final = re.compile("[^\n -~\xa0-\U0010ffff]|[\u2028\u2029]")


def start(form: str, level: str) -> None:
    """Log to stderr from now on, and nowhere else; a program that set up its log already keeps it.

    Args:
        form: One of FORMATS.
        level: One of LEVELS.
    """
    if not logging.getLogger().handlers:
        handler = _Lines(sys.stderr)
        handler.setFormatter(_Json() if form == "json" else _Text())
        logging.basicConfig(handlers=[handler], level=level.upper())
    for name, least in _TELLING.items():
        logging.getLogger(name).setLevel(least)
    logging.captureWarnings(capture=True)
    keep_quiet()


class _Lines(logging.Handler):
    """Writes in a thread of its own: a full pipe would hold the whole loop. Lines that find no room are counted."""

    _ROOM: Final = 10_000
    _PATIENCE: Final = 1.0
    """Seconds for what is waiting to be written when the program ends."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: queue.Queue[logging.LogRecord] = queue.Queue(self._ROOM)
        self._lost = 0
        threading.Thread(target=self._write, name="mooringd log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; its text is made now, since what it tells of may change."""
        try:
            record.msg, record.args = record.getMessage(), None
            self._waiting.put_nowait(record)
        except queue.Full:
            self._lost += 1
        except Exception:  # noqa: BLE001 - as every handler does
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all is written, for a second at most."""
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, self._PATIENCE)

    def _write(self) -> None:
        while True:
            record = self._waiting.get()
            lost, self._lost = self._lost, 0
            if lost:
                words = f"{lost} lines of the log found no room, since nobody took them"
                self._print(logging.LogRecord(__name__, logging.WARNING, "", 0, words, None, None))
            self._print(record)
            self._waiting.task_done()

    def _print(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self.format(record) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return  # nobody is there to be told


def _time(record: logging.LogRecord) -> str:
    return dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class _Text(logging.Formatter):
    """``2026-11-21T10:00:00.000Z INFO mooring.daemon: ...``; a message of several lines is indented after the first.

    Control characters are shown and not sent: a far side may have had its say in a message.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().format(record)).replace("\n", "\n    ")
        return f"{_time(record)} {record.levelname} {record.name}: {text}"


class _Json(logging.Formatter):
    """One object a line: ``time``, ``level``, ``logger``, ``message``, and ``exception`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)
