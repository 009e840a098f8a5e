"""acrilog's documented programs and parameters."""

from __future__ import annotations

import datetime as dt
import logging
import logging.handlers
import multiprocessing as mp
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.compat.acrilog import (
    LevelBasedFormatter,
    MicrosecondsDatetimeFormatter,
    MpLogger,
    TimedSizedRotatingHandler,
)
from mooring.compat.sshpipe import SSHPipe

from .conftest import Far

README = """
import time
import random
import logging
from mooring.compat.acrilog import MpLogger
import os
import multiprocessing as mp

def subproc(limit=1, logger_info=None):
    logger=MpLogger.get_logger(logger_info, name="acrilog.subproc", )
    for i in range(limit):
        sleep_time=3/random.randint(1,10)
        time.sleep(sleep_time)
        logger.info("proc [%s]: %s/%s - sleep %4.4ssec" % (os.getpid(), i, limit, sleep_time))

level_formats={logging.DEBUG:"[ %(asctime)s ][ %(levelname)s ][ %(message)s ][ %(module)s.%(funcName)s(%(lineno)d) ]",
                'default':   "[ %(asctime)s ][ %(levelname)s ][ %(message)s ]",
                }

mplogger=MpLogger(logging_level=logging.DEBUG, level_formats=level_formats, datefmt='%Y-%m-%d,%H:%M:%S.%f')
logger=mplogger.start(name='main_process')

logger.debug("starting sub processes")
procs=list()
for limit in [1, 1]:
    proc=mp.Process(target=subproc, args=(limit, mplogger.logger_info(),))
    procs.append(proc)
    proc.start()

for proc in procs:
    if proc:
        proc.join()

logger.debug("sub processes completed")

mplogger.stop()
"""
SAMPLE = """
import logging
from mooring.compat.acrilog import TimedSizedRotatingHandler

# create logger
logger = logging.getLogger('simple_example')
logger.setLevel(logging.DEBUG)

# create console handler and set level to debug
ch = TimedSizedRotatingHandler()
ch.setLevel(logging.DEBUG)

# create formatter
formatter = logging.Formatter('%(asctime)s - %(name)s - %(levelname)s - %(message)s')

# add formatter to ch
ch.setFormatter(formatter)

# add ch to logger
logger.addHandler(ch)

# 'application' code
logger.debug('debug message')
logger.info('info message')
logger.warn('warn message')
logger.error('error message')
logger.critical('critical message')
"""
TIME = r"\[ \d{4}-\d\d-\d\d,\d\d:\d\d:\d\d\.\d{6} \]"


@pytest.fixture(autouse=True)
def plain_loggers() -> Iterator[None]:
    """What a test's loggers were given goes with it."""
    yield
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith(("acri", "far-handler")):
            logger = logging.getLogger(name)
            for handler in logger.handlers[:]:
                logger.removeHandler(handler)
            logger.propagate = True


def program(text: str, folder: Path) -> None:
    file = folder / "mplogger.py"
    file.write_text(text)
    python = [sys.executable, "-W", "ignore::DeprecationWarning"]  # the sample calls warn()
    done = subprocess.run([*python, file], cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".log" or ".log." in path.name)


def test_the_readme_runs_as_written(tmp_path: Path) -> None:
    program(README, tmp_path)
    assert files(tmp_path) == ["acrilog.log", "acrilog.subproc.log", "main_process.log"]
    main = (tmp_path / "main_process.log").read_text().splitlines()
    assert re.fullmatch(TIME + r"\[ DEBUG \]\[ starting sub processes \]\[ mplogger\.<module>\(\d+\) \]", main[0])
    assert re.fullmatch(TIME + r"\[ DEBUG \]\[ sub processes completed \]\[ mplogger\.<module>\(\d+\) \]", main[1])
    work = (tmp_path / "acrilog.subproc.log").read_text().splitlines()
    assert len(work) == 2
    assert all(re.fullmatch(TIME + r"\[ INFO \]\[ proc \[\d+\]: 0/1 - sleep .{4}sec \]", line) for line in work)
    assert (tmp_path / "acrilog.log").read_text().splitlines() == work


def test_the_sample_runs_as_written(tmp_path: Path) -> None:
    program(SAMPLE, tmp_path)
    lines = (tmp_path / "app.log").read_text().splitlines()
    assert [line.split(" - ", 1)[1] for line in lines] == [
        f"simple_example - {level.upper()} - {said} message"
        for level, said in (("debug", "debug"), ("info", "info"), ("warning", "warn"), ("error", "error"),
                            ("critical", "critical"))
    ]  # fmt: skip


@pytest.fixture
def spawned() -> Iterator[None]:
    """Processes start from nothing, as everywhere but on Linux: a fork takes no threads along."""
    before = mp.get_start_method()
    mp.set_start_method("spawn", force=True)
    yield
    mp.set_start_method(before, force=True)


def _work(info: dict[str, object], name: str) -> None:
    MpLogger.get_logger(info, name=name).info("from %s", mp.current_process().name)


def in_processes(mplogger: MpLogger, *names: str) -> None:
    for number, name in enumerate(names):
        process = mp.Process(target=_work, args=(mplogger.logger_info(), name), name=f"P{number}", daemon=True)
        process.start()
        process.join(60)
        assert process.exitcode == 0


def logged(folder: Path) -> dict[str, int]:
    return {name: len((folder / name).read_text().splitlines()) for name in files(folder)}


def test_one_file_for_each_process_key_and_one_for_all(tmp_path: Path, spawned: None) -> None:
    mplogger = MpLogger(name="acri", logdir=str(tmp_path), process_key="processName", consolidate=True)
    logger = mplogger.start()
    assert logger is not None
    assert mplogger.start() is None
    logger.info("here")
    in_processes(mplogger, "acri.work", "acri.work")
    mplogger.stop()
    mplogger.stop()
    assert logged(tmp_path) == {
        "acri.MainProcess.log": 1, "acri.work.P0.log": 1, "acri.work.P1.log": 1, "acri.log": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("name", ["acri.log", "acri.work.log"]),
        (["name", "processName"], ["acri.MainProcess.log", "acri.work.MainProcess.log"]),
        (["processName", "threadName"], ["acri.MainProcess.MainThread.log", "acri.work.MainProcess.MainThread.log"]),
    ],
)
def test_a_process_key_that_is_the_name_adds_nothing(tmp_path: Path, key: str | list[str], expected: list[str]) -> None:
    with MpLogger(name="acri", logdir=str(tmp_path), process_key=key) as mplogger:
        MpLogger.get_logger(mplogger.logger_info()).info("x")
        MpLogger.get_logger(mplogger.logger_info(), "acri.work").info("x")
    assert files(tmp_path) == expected


def from_afar(*names: str) -> list[logging.LogRecord]:
    """Records by names that somebody else chose."""
    return [logging.LogRecord(name, logging.INFO, "f", 1, "m", None, None) for name in names]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "name", ["acri" + "n" * 300, "acri\ud800", "acri/../../out", "/acri/out", "..", "acri\n\0", "ä" * 200, "." * 5000]
)
def test_no_name_ends_the_writing_or_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "logs" / "here"
    mplogger = MpLogger(name="acri", logdir=str(folder), consolidate="acriall")
    logger = mplogger.start()
    assert logger is not None
    for one in from_afar(name, "acri"):
        logger.handle(one)
    for _ in range(1000):  # more than a pipe holds: the queue is emptied, or stop() would wait for ever
        logger.info("after %s", "y" * 100)
    mplogger.stop()
    assert logged(folder)["acriall.log"] == 1002
    assert logged(folder)["acri.log"] >= 1001
    assert 2 <= len(files(folder)) <= 18
    assert [path.name for path in tmp_path.rglob("*") if path.parent != folder] == ["logs", "here"]


def test_long_names_are_told_apart(tmp_path: Path) -> None:
    with MpLogger(name="acri", logdir=str(tmp_path)) as mplogger:
        for one in from_afar("acri" * 90 + "a", "acri" * 90 + "b"):
            MpLogger.get_logger(mplogger.logger_info()).handle(one)
    assert list(logged(tmp_path).values()) == [1, 1]


@pytest.mark.timeout(30)
def test_files_that_cannot_be_opened_or_written_end_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acri.taken.log").mkdir()
    (tmp_path / "acri.full.log").symlink_to("/dev/full")  # every write is refused
    mplogger = MpLogger(name="acri", logdir=str(tmp_path))
    logger = mplogger.start()
    assert logger is not None
    for one in from_afar("acri.taken", "acri.full", "acri"):
        logger.handle(one)
    mplogger.stop()
    assert len((tmp_path / "acri.log").read_text().splitlines()) == 3
    errors = capsys.readouterr().err
    assert "IsADirectoryError" in errors
    assert "No space left on device" in errors


def open_now() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.parametrize("mode", ["a", "w"])
def test_open_files_are_bounded_and_all_is_written(tmp_path: Path, mode: str) -> None:
    before = open_now()
    counts = []

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            counts.append(open_now())

    with MpLogger(name="acri", logdir=str(tmp_path), file_mode=mode, handlers=[Counting()]) as mplogger:
        logger = MpLogger.get_logger(mplogger.logger_info())
        for one in 2 * from_afar(*(f"acri{number}" for number in range(300))):
            logger.handle(one)
    assert max(counts) - before < 100
    assert len(logged(tmp_path)) == 300
    assert set(logged(tmp_path).values()) == {2}


def test_names_of_files(tmp_path: Path) -> None:
    options = {"file_prefix": "pre", "file_suffix": "suf", "consolidate": "all", "logdir": str(tmp_path)}
    with MpLogger(name="acri", **options) as mplogger:  # type: ignore[arg-type]
        MpLogger.get_logger(mplogger.logger_info(), "acri.one").warning("x")
        MpLogger.get_logger(mplogger.logger_info(), "acri.one").debug("not at this level")
    assert logged(tmp_path) == {"pre.acri.suf.log": 1, "pre.acri.one.suf.log": 1, "pre.all.suf.log": 1}


def test_consolidated_into_the_name_given_at_start(tmp_path: Path) -> None:
    mplogger = MpLogger(logdir=str(tmp_path), consolidate=True)
    logger = mplogger.start("acrimain")
    assert logger is not None
    logger.info("x")
    MpLogger.get_logger(mplogger.logger_info(), "acriother").info("y")
    mplogger.stop()
    assert logged(tmp_path) == {"acrimain.log": 2, "acriother.log": 1}


def test_text_in_any_script_and_hosts(tmp_path: Path) -> None:
    with MpLogger(name="acri", logdir=str(tmp_path)) as mplogger:
        MpLogger.get_logger(mplogger.logger_info()).info("Привет %s", "⚓")
    line = (tmp_path / "acri.log").read_text("utf-8")
    assert "[ Привет ⚓ ]" in line
    assert f"[ {os.uname().nodename} ]" in line


def test_files_begin_anew_where_asked(tmp_path: Path) -> None:
    for mode, expected in (("a", 1), ("a", 2), ("w", 1)):
        with MpLogger(name="acri", logdir=str(tmp_path), file_mode=mode) as mplogger:
            MpLogger.get_logger(mplogger.logger_info()).info("x")
        assert logged(tmp_path) == {"acri.log": expected}


def test_files_are_rolled_as_they_are_asked(tmp_path: Path) -> None:
    with MpLogger(name="acri", logdir=str(tmp_path), maxBytes=200, backupCount=2) as mplogger:
        logger = MpLogger.get_logger(mplogger.logger_info())
        for number in range(30):
            logger.info("message %02d", number)
    assert len(files(tmp_path)) == 3
    assert max((tmp_path / name).stat().st_size for name in files(tmp_path)) <= 200
    assert "message 29" in (tmp_path / "acri.log").read_text()


def test_the_encoding_of_the_files(tmp_path: Path) -> None:
    with MpLogger(name="acri", logdir=str(tmp_path), encoding="latin-1") as mplogger:
        MpLogger.get_logger(mplogger.logger_info()).info("grüße")
    assert b"gr\xfc\xdfe" in (tmp_path / "acri.log").read_bytes()


def test_handler_arguments_are_those_of_the_handler(tmp_path: Path) -> None:
    at = dt.time(3, 30)
    options = {"when": "MIDNIGHT", "interval": 2, "utc": True, "atTime": at, "delay": True, "backupCount": 7}
    handler = TimedSizedRotatingHandler(str(tmp_path / "a.log"), **options)  # type: ignore[arg-type]
    assert not (tmp_path / "a.log").exists()
    moment = dt.datetime.fromtimestamp(handler.rolloverAt, dt.UTC)
    assert (moment.hour, moment.minute) == (3, 30)
    assert (handler.when, handler.interval, handler.utc, handler.backupCount) == ("MIDNIGHT", 2 * 86_400, True, 7)
    handler.handle(record(logging.INFO))
    handler.close()
    assert (tmp_path / "a.log").read_text() == "m\n"


def test_the_main_process_is_consolidated_where_no_name_is_given(tmp_path: Path) -> None:
    mplogger = MpLogger(logdir=str(tmp_path), consolidate=True, when="s", interval=3600, utc=True, delay=True)
    mplogger.start()
    MpLogger.get_logger(mplogger.logger_info(), "acri.one").info("x")
    mplogger.stop()
    assert logged(tmp_path) == {"MainProcess.log": 1, "acri.log": 1, "acri.one.log": 1}


def test_further_handlers_and_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = logging.handlers.BufferingHandler(10)
    with MpLogger(name="acri", logdir=str(tmp_path), handlers=[kept], console=True, verbose=True) as mplogger:
        MpLogger.get_logger(mplogger.logger_info()).info("seen")
    assert [one.getMessage() for one in kept.buffer] == ["seen"]
    errors = capsys.readouterr().err
    assert "[ seen ]" in errors
    assert errors.startswith("mplogger started\n")
    assert errors.endswith("mplogger stopped\n")


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="no argument 'maxbytes'"):
        MpLogger(maxbytes=1)


def test_records_of_remote_handlers_come_home(far: Far, tmp_path: Path) -> None:
    handler = far.write(
        "logging_handler.py",
        "from mooring.compat.sshpipe import SSHPipeHandler\n"
        "class H(SSHPipeHandler):\n    def handle(self, received): self.mlogger.info('did %s', received)\n"
        "H('far-handler').service_loop()\n",
    )
    mplogger = MpLogger(name="acri", logdir=str(tmp_path), consolidate="acriall")
    logger = mplogger.start()
    with SSHPipe("web1", f"python3 {handler}", config=str(far.config), logger=logger) as pipe:
        pipe.send("ü")
        pipe.close()
    mplogger.stop()
    (line,) = (tmp_path / "far-handler.log").read_text("utf-8").splitlines()
    assert "[ INFO    ][ web1 ][ MainProcess ][ did ü ]" in line
    assert (tmp_path / "acriall.log").read_text("utf-8") == line + "\n"


def record(level: int, message: str = "m") -> logging.LogRecord:
    made = logging.LogRecord("n", level, "file.py", 7, message, None, None, "function")
    made.created = dt.datetime(2016, 12, 19, 11, 39, 44, 953189, tzinfo=dt.UTC).timestamp()
    return made


def test_formats_by_level() -> None:
    formatter = LevelBasedFormatter({logging.DEBUG: "D %(message)s", "default": "%(levelname)s %(message)s"})
    assert formatter.format(record(logging.DEBUG)) == "D m"
    assert formatter.format(record(logging.ERROR)) == "ERROR m"
    assert "file.function(7)" in LevelBasedFormatter().format(record(logging.DEBUG))
    assert "file.function(7)" not in LevelBasedFormatter().format(record(logging.INFO))


def test_microseconds() -> None:
    formatter = MicrosecondsDatetimeFormatter("%(asctime)s", "%S.%f")
    assert formatter.format(record(logging.INFO)) == "44.953189"


def test_a_file_is_rolled_over_by_size(tmp_path: Path) -> None:
    handler = TimedSizedRotatingHandler(str(tmp_path / "a.log"), maxBytes=100, backupCount=3)
    for number in range(60):
        handler.handle(record(logging.INFO, f"message {number:02}"))
    handler.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 4
    assert max(sizes) <= 100
    assert "message 59" in (tmp_path / "a.log").read_text()


def test_a_file_is_rolled_over_by_time(tmp_path: Path) -> None:
    handler = TimedSizedRotatingHandler(str(tmp_path / "a.log"), when="h", utc=True)
    handler.handle(record(logging.INFO, "before"))
    handler.rolloverAt = 0
    handler.handle(record(logging.INFO, "after"))
    handler.close()
    assert (tmp_path / "a.log").read_text() == "after\n"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("when", ["s", "m", "h", "midnight", "w0"])
@pytest.mark.parametrize("name", ["a.log", "[prod].log", "a.2001-02-03_04-05-06.log"])
def test_rolled_files_are_told_from_those_of_others(tmp_path: Path, when: str, name: str) -> None:
    moment = "2026-01-02" + {"s": "_03-04-05", "m": "_03-04", "h": "_03"}.get(when, "")
    others = [f"{name}.README", f"{name}.handlers.log", f"{name}.{moment}.log", f"b.log.{moment}", f"{name}.20260102"]
    own = [f"{name}.{moment}", f"{name}.{moment}.1"]
    for number, file in enumerate([*others, *own]):
        (tmp_path / file).write_text("kept")
        os.utime(tmp_path / file, (number, number))
    handler = TimedSizedRotatingHandler(str(tmp_path / name), when=when, interval=9, maxBytes=60, backupCount=1)
    for _ in range(4):
        handler.handle(record(logging.INFO, "z" * 40))
    handler.close()
    left = {path.name for path in tmp_path.iterdir()}
    assert left > set(others)
    assert len(left) == len(others) + 2


def test_rolled_files_with_names_of_ones_own(tmp_path: Path) -> None:
    handler = TimedSizedRotatingHandler(str(tmp_path / "a.log"), maxBytes=60, backupCount=2)
    handler.namer = lambda name: f"{name}.old"
    for _ in range(6):
        handler.handle(record(logging.INFO, "z" * 40))
    handler.close()
    assert len(files(tmp_path)) == 3
