"""The daemon's log: lines of text or JSON, in UTC, that a program can take apart."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys

import pytest

_PROGRAM = """
import logging, sys
from mooring.daemon import logs
logs.start(sys.argv[1], sys.argv[2])
log = logging.getLogger("mooring.test")
log.debug("detail")
log.info("two\\nlines and %s", "arguments")
log.info("\\x1b[2Jfrom\\rafar\\x85")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
for name in ("aiosqlite", "uvicorn.error", "websockets.server", "asyncssh"):
    logging.getLogger(name).debug("hunter2")
logging.getLogger("asyncssh").info("hunter2")
import warnings
warnings.warn("careful")
"""


def _lines(form: str, level: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, form, level], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("level", "names"), [("debug", ["debug", "info", "info", "error", "warning"]), ("error", ["error"])]
)
def test_every_line_of_json_is_one_object(level: str, names: list[str]) -> None:
    found = [json.loads(line) for line in _lines("json", level)]
    assert [record["level"] for record in found] == names
    assert all(dt.datetime.fromisoformat(record["time"]).utcoffset() == dt.timedelta() for record in found)
    assert "hunter2" not in str(found)
    by_level = {record["level"]: record for record in reversed(found)}
    assert "ZeroDivisionError" in by_level["error"]["exception"]
    if "info" in by_level:
        assert by_level["info"]["message"] == "two\nlines and arguments"
        assert by_level["info"]["logger"] == "mooring.test"


def test_a_line_of_text_begins_with_its_time() -> None:
    lines = _lines("text", "info")
    assert lines[0].endswith("Z INFO mooring.test: two")
    assert lines[1] == "    lines and arguments"
    assert lines[2].endswith("Z INFO mooring.test: \\x1b[2Jfrom\\rafar\\x85")
    # Nothing in a message can look like another line of the log.
    assert all(line[:4] in {"    ", lines[0][:4]} for line in lines)
    assert "hunter2" not in "".join(lines)
