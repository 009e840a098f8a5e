"""Formats by level, and times to the microsecond."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DATEFMT", "LEVEL_FORMATS", "LevelBasedFormatter", "MicrosecondsDatetimeFormatter"]

DATEFMT = "%Y-%m-%d,%H:%M:%S.%f"
_USUAL = "[ %(asctime)-15s ][ %(levelname)-7s ][ %(host)s ][ %(processName)-11s ][ %(message)s ]"
LEVEL_FORMATS: Mapping[int | str, str] = {
    logging.DEBUG: _USUAL + "[ %(module)s.%(funcName)s(%(lineno)d) ]",
    "default": _USUAL,
}


class MicrosecondsDatetimeFormatter(logging.Formatter):
    """A formatter whose ``datefmt`` may have ``%f``."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """The record's time, local as logging has it."""
        moment = dt.datetime.fromtimestamp(record.created).astimezone()
        return moment.strftime(datefmt or DATEFMT)


class LevelBasedFormatter(MicrosecondsDatetimeFormatter):
    """A formatter with a format for each level.

    Args:
        level_formats: Formats by level, and under ``default`` for the levels without one.
        datefmt: As logging has it; ``%f`` are microseconds.
    """

    def __init__(self, level_formats: Mapping[int | str, str] | None = None, datefmt: str | None = None) -> None:
        formats = {**LEVEL_FORMATS, **(level_formats or {})}
        if level_formats and "default" in level_formats and logging.DEBUG not in level_formats:
            del formats[logging.DEBUG]
        super().__init__(formats["default"], datefmt)
        self.level_formats = formats
        self._formatters = {
            level: MicrosecondsDatetimeFormatter(text, datefmt) for level, text in formats.items() if level != "default"
        }

    def format(self, record: logging.LogRecord) -> str:
        """The record in its level's format."""
        if not hasattr(record, "host"):
            record.host = ""
        formatter = self._formatters.get(record.levelno)
        return super().format(record) if formatter is None else formatter.format(record)
