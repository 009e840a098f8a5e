"""A file that is rolled over by time or by size, whichever comes first."""

from __future__ import annotations

import re
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    import logging

__all__ = ["TimedSizedRotatingHandler"]


class TimedSizedRotatingHandler(TimedRotatingFileHandler):
    """TimedRotatingFileHandler that minds the size as well.

    A file that is full before its time keeps the name that its time would give it, and a number.

    Args:
        filename: The file.
        file_mode: ``a`` goes on with what is there, ``w`` begins anew.
        maxBytes: Size at which it is rolled over; 0 for none.
        backupCount: Rolled files that are kept; 0 keeps all.
        encoding: Of the text.
        delay: Whether the file is made with the first record.
        when: As TimedRotatingFileHandler has it.
        interval: Likewise.
        utc: Likewise.
        atTime: Likewise.
    """

    def __init__(  # noqa: PLR0917 - the old signature
        self,
        filename: str = "app.log",
        file_mode: str = "a",
        maxBytes: int = 0,  # noqa: N803 - logging's name
        backupCount: int = 0,  # noqa: N803 - likewise
        encoding: str = "utf-8",
        delay: bool = False,  # noqa: FBT001, FBT002 - the old signature
        when: str = "h",
        interval: int = 1,
        utc: bool = False,  # noqa: FBT001, FBT002 - likewise
        atTime: dt.time | None = None,  # noqa: N803 - likewise
    ) -> None:
        if file_mode.startswith("w"):
            Path(filename).unlink(missing_ok=True)
        self.maxBytes = maxBytes  # before the base, which may be asked at once
        super().__init__(filename, when, interval, backupCount, encoding, delay, utc, atTime)

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Whether the file is due, or the record would make it too large."""
        if super().shouldRollover(record):
            return True
        if not self.maxBytes:
            return False
        if self.stream is None:
            self.stream = self._open()
        self.stream.seek(0, 2)
        size = self.stream.tell()
        more = len(f"{self.format(record)}{self.terminator}".encode(self.encoding or "utf-8", "replace"))
        return size > 0 and size + more > self.maxBytes

    def rotation_filename(self, default_name: str) -> str:
        """A name that no earlier file has."""
        name = super().rotation_filename(default_name)
        number = 0
        while Path(name if not number else f"{name}.{number}").exists():
            number += 1
        return f"{name}.{number}" if number else name

    def getFilesToDelete(self) -> list[str]:  # noqa: N802 - logging's name
        """All but the newest ``backupCount``, whichever way they were rolled."""
        base, named = Path(self.baseFilename), super().rotation_filename
        digits = {"%Y": r"\d{4}"}
        moment = re.compile(re.sub("%.", lambda part: digits.get(part[0], r"\d\d"), re.escape(self.suffix)))

        def is_rolled(path: Path) -> bool:
            moments = [found[0] for found in moment.finditer(path.name)]
            names = [re.escape(named(f"{base}.{one}")) for one in moments]
            return any(re.fullmatch(rf"{name}(\.\d+)?", str(path)) for name in names) and path.is_file()

        rolled = sorted(filter(is_rolled, base.parent.iterdir()), key=lambda path: path.stat().st_mtime_ns)
        return [str(path) for path in rolled[: max(0, len(rolled) - self.backupCount)]]
