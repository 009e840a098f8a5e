"""Answers what it is asked, and does what it is told."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mooring.far import RESULT, FrameError, Pipe, frame, serve


def handle(pipe: Pipe, message: object) -> object:
    if not (isinstance(message, list) and message and isinstance(message[0], str) and message[0].startswith("!")):
        if not pipe.asked:
            pipe.send(message)
        return message
    return COMMANDS[message[0][1:]](pipe, *message[1:])


class Untold(Exception):
    def __str__(self) -> str:
        raise ValueError


def raise_it(pipe: Pipe, text: str) -> object:
    raise ValueError(text) if text else Untold


def close_stdout(pipe: Pipe) -> object:
    sys.stdout.close()
    return None


def printing(pipe: Pipe, text: str) -> object:
    print(text)  # noqa: T201 - which is shown to disturb nothing
    print(text, file=sys.stderr)  # noqa: T201 - likewise
    sys.stdout.buffer.write(b"raw\n")
    subprocess.run(["echo", "from a child"], check=True)
    return sys.stdin.read()


def sleeping(pipe: Pipe, seconds: float) -> object:
    time.sleep(seconds)
    return None


def logged(pipe: Pipe, text: str) -> object:
    handler = pipe.log_handler()
    logger = logging.getLogger("far.away")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    logger.debug("hidden")
    try:
        raise KeyError(text)
    except KeyError:
        logger.exception("it was %s", text)
    logger.removeHandler(handler)
    return pipe.level


def many(pipe: Pipe, count: int, size: int) -> object:
    for _ in range(count):
        pipe.send(b"x" * size)
    return count


def leave(pipe: Pipe, status: int) -> object:
    sys.exit(status)


def kill(pipe: Pipe) -> object:
    os.kill(os.getpid(), 9)
    return None


def raw(pipe: Pipe, text: str) -> object:
    """Something else writes to the descriptor of the frames."""
    os.write(pipe._sink, text.encode("latin-1"))  # noqa: SLF001 - which is the fault
    return None


def unreadable(pipe: Pipe) -> object:
    os.write(pipe._sink, frame(RESULT, b"{", 2, pipe.asked))  # noqa: SLF001 - likewise
    pipe.asked = 0
    return None


def great(pipe: Pipe, what: str) -> object:
    size = (1 << 26) + 1
    if what == "send":
        pipe.send(bytes(size))
    elif what == "print":
        print("x" * size)  # noqa: T201 - which is shown to disturb nothing
    elif what == "raise":
        raise ValueError("x" * size)
    elif what == "log":
        return logged(pipe, "x" * size)
    return "x" * size if what == "reply" else what


def fork(pipe: Pipe) -> object:
    """Children print and send while the handler does."""
    child = os.fork()
    if not child:
        for _ in range(50):
            print("from a forked child", flush=True)  # noqa: T201 - as above
        told = 1
        try:
            pipe.send("from a forked child")
        except FrameError:
            told = int([*pipe] != [])
        os._exit(told)
    for number in range(50):
        print("from the handler")  # noqa: T201 - as above
        pipe.send(number)
    return os.waitpid(child, 0)[1]


def half(pipe: Pipe) -> object:
    os.write(pipe._sink, b"\0\0\1\0\3\1\0\0\0\0half")  # noqa: SLF001 - likewise
    os._exit(0)


def argv(pipe: Pipe) -> object:
    return [sys.argv, __name__, __file__, sorted(path.name for path in Path().iterdir())]


def pid(pipe: Pipe) -> object:
    return os.getpid()


COMMANDS: dict[str, Callable[..., object]] = {
    "raise": raise_it, "print": printing, "sleep": sleeping, "log": logged, "many": many, "leave": leave,
    "kill": kill, "raw": raw, "half": half, "argv": argv, "pid": pid,
    "unreadable": unreadable, "close": close_stdout, "great": great, "fork": fork,
}  # fmt: skip

if __name__ == "__main__":
    serve(handle, name="answering")
