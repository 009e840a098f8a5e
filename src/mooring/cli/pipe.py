"""``mooring pipe``: lines of JSON to a handler and its answers back, or a file of items shared out to many."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..client.pipe import Handler
from ..model.errors import InvalidInput, PipeError, PipeTimeout, SessionNotUp
from ..model.selector import ALIAS
from ..wire.channel import Opening
from ..wire.shipping import shipped
from .calls import Command, call
from .failures import advice, exit_code
from .lines import Lines, count
from .number import Number
from .selection import selected
from .terminal import tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..client.pipe import Ended
    from ..client.upgrade import Upgrade
    from .output import Output
    from .pipe_loop import Conversation
    from .pipe_shown import Shown

__all__ = ["main"]

_LEVEL: Final = 30
"""Log records from this level up are shown: logging.WARNING."""
_STREAM: Final = 1000
"""Lines on their way to a handler that nobody else could deal with: its credit bounds them before."""
_SIGNALLED: Final = 128
_EXAMPLES: Final = """\b
Examples:
  echo '"hello"' | mooring pipe edge1 --deploy upper.py
  mooring pipe edge1 -- python3 /opt/handler.py < jobs.jsonl
  mooring pipe 'role:worker' --deploy work.py --map items.jsonl > outcomes.jsonl
"""


def main(words: Sequence[str]) -> int:
    """Run ``mooring pipe`` and return its exit code."""
    return call(_pipe, words)


@click.command("pipe", cls=Command, epilog=_EXAMPLES)
@click.argument("selector")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--deploy", metavar="FILE", help="Ship this handler there; COMMAND's words are its arguments.")
@click.option("--python", default="python3", metavar="COMMAND", help="The far end's Python (default: python3).")
@click.option("--map", "items", metavar="FILE", help="Share its lines out to all that SELECTOR means; - is stdin.")
@click.option("--window", default=4, metavar="N", help="With --map: items on their way to each (default: 4).")
@click.option("--send", is_flag=True, help="Ask for no answers; what the handler sends by itself is printed.")
@click.option(
    "--timeout",
    type=Number(0, 10**9, min_open=True),
    metavar="SECONDS",
    help="What a handler may take for one line.",
)
@click.option("--json", "as_json", is_flag=True, help="Nothing changes: all output is JSON, a value a line.")
def _pipe(selector: str, command: tuple[str, ...], *, as_json: bool, **options: Any) -> int:  # noqa: ARG001
    """Speak with a handler: each line of standard input is a JSON value, and so is each answer.

    A handler is a program that takes messages (mooring.far.serve). What it prints goes to standard error. With --map,
    handlers on many sessions share a file's lines, and each line gets one object: its item, and a result or an error.
    """
    if sys.platform == "win32":
        raise InvalidInput("`mooring pipe` does not run on Windows", hint="session.pipe() does")
    wanted = Wanted(selector, command, **options)
    if wanted.items is None:
        return _converse(wanted)
    return _map(wanted)


class Wanted:
    """What was asked for, checked.

    Raises:
        InvalidInput: It cannot be meant.
    """

    def __init__(
        self,
        selector: str,
        words: tuple[str, ...],
        *,
        deploy: str | None,
        python: str,
        items: str | None,
        window: int,
        send: bool,
        timeout: float | None,
    ) -> None:
        self.selector = selector
        self.items = items
        self.window = window
        self.send = send
        self.timeout = timeout
        if items is None and (not ALIAS.fullmatch(selector) or selector == "all"):
            raise InvalidInput(f"{selector!r} may mean many sessions", hint="--map FILE shares lines out to many")
        if items is not None and send:
            raise InvalidInput("--send has no use with --map: each item has an outcome")
        if not 1 <= window <= 1000:
            raise InvalidInput("--window must be a number from 1 to 1000")
        self.line, self.program = " ".join(words), b""
        if deploy is not None:
            path = Path(deploy)
            try:
                source = path.read_bytes()
            except OSError as error:
                raise InvalidInput(f"the handler {path} cannot be read: {error.strerror or error}") from None
            self.line, self.program = shipped(python, path.name, source, words)
        if not self.line.strip():
            raise InvalidInput("no handler", hint="--deploy FILE ships one; `-- COMMAND` starts one that is there")

    @property
    def opening(self) -> Opening:
        """What is to be opened on each session."""
        return Opening("pipe", command=self.line)


def _converse(wanted: Wanted) -> int:
    """One handler and our standard streams."""
    from .output import Output  # noqa: PLC0415 - not there on Windows
    from .pipe_shown import Answers  # noqa: PLC0415 - likewise

    with Daemon().upgrade(wanted.selector) as upgrade:
        output = Output()
        shown = Answers(output)
        handler = _handler(upgrade, wanted, wanted.selector)
    lines = Lines(0, "standard input")
    conversation, left = _run([handler], lines, shown, output, wanted, window=_STREAM, retry=False)
    if left is not None:
        return left
    ended = conversation.ends[wanted.selector]
    if ended.error is not None:
        tell(f"mooring pipe: {ended.error.message}", advice(ended.error))
    if conversation.fault is not None:
        raise conversation.fault
    return _code(ended) or int(shown.failed > 0 or handler.state.busy)


def _code(ended: Ended) -> int:
    """The exit code that a handler's end means: its own, as far as it had one."""
    if isinstance(ended.error, PipeTimeout):
        return 124
    if isinstance(ended.error, PipeError) or ended.error is None:
        if ended.signal:
            return _SIGNALLED + int(getattr(signal, f"SIG{ended.signal}", 127))
        return max(ended.end.exit_status or 0, int(ended.error is not None))
    return exit_code(ended.error)


def _map(wanted: Wanted) -> int:
    """Many handlers and a file."""
    from .output import Output  # noqa: PLC0415 - not there on Windows
    from .pipe_shown import Outcomes  # noqa: PLC0415 - likewise

    with _items(wanted.items or "") as (lines, total):
        output = Output()
        shown = Outcomes(output, total)
        handlers = _handlers(wanted, shown)
        conversation, left = _run(handlers, lines, shown, output, wanted, window=wanted.window, retry=True)
    done = shown.answered + shown.failed
    if left is not None:
        if left == _SIGNALLED + signal.SIGINT:
            tell(f"mooring pipe: interrupted: {done} were done, what was under way may have been")
        return left
    untold = not lines.empty and conversation.fault is None
    if untold:
        error = next((ended.error for ended in conversation.ends.values() if ended.error is not None), None)
        if not done and error is not None:
            tell("mooring pipe: nothing was done", advice(error))
            return exit_code(error)
        tell(f"mooring pipe: no handler is left: {done} items are told of, the others were not tried")
    if conversation.fault is not None:
        raise conversation.fault
    return int(untold or shown.failed > 0)


@contextlib.contextmanager
def _items(name: str) -> Iterator[tuple[Lines, int | None]]:
    """The lines of a file, looked through before anything is done with them; or of standard input."""
    if name == "-":
        yield Lines(0, "standard input"), None
        return
    path = Path(name)
    try:
        total = count(path) if path.is_file() else None
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise InvalidInput(f"the items {path} cannot be read: {error.strerror or error}") from None
    try:
        yield Lines(descriptor, name), total
    finally:
        os.close(descriptor)


def _handlers(wanted: Wanted, shown: Shown) -> list[Handler]:
    """A handler on each session that is up; those that are not are told."""
    daemon = Daemon()
    sessions = daemon.request("GET", f"/v1/sessions?selector={quote(selected(wanted.selector))}")["sessions"]
    up = [session["alias"] for session in sessions if session["state"] == "up"]
    for session in sessions:
        if session["state"] != "up":
            shown.complained(f"{session['alias']} is not up, and goes without: {session['reason']}")
    if not up:
        raise SessionNotUp("none of the sessions is up", hint="`mooring status` tells why")
    with contextlib.ExitStack() as stack:
        upgrades = [stack.enter_context(daemon.upgrade(alias)) for alias in up]
        return [_handler(upgrade, wanted, alias) for upgrade, alias in zip(upgrades, up, strict=True)]


def _handler(upgrade: Upgrade, wanted: Wanted, alias: str) -> Handler:
    return Handler(upgrade.open(wanted.opening), alias, wanted.program, _LEVEL)


def _run(
    handlers: list[Handler],
    lines: Lines,
    shown: Shown,
    output: Output,
    wanted: Wanted,
    *,
    window: int,
    retry: bool,
) -> tuple[Conversation, int | None]:
    """Converse, and leave nothing open; the exit code where we left before the end."""
    from .pipe_loop import Conversation  # noqa: PLC0415 - not there on Windows
    from .run_one import Leave, Signals  # noqa: PLC0415 - likewise

    with contextlib.ExitStack() as stack:
        for handler in handlers:
            stack.callback(handler.close)
        signals = stack.enter_context(Signals())
        conversation = Conversation(
            handlers,
            lines,
            shown,
            output,
            signals,
            window=window,
            timeout=wanted.timeout,
            answers=not wanted.send,
            retry=retry,
        )
        try:
            conversation.run()
        except Leave as leave:
            return conversation, leave.code
        finally:
            shown.close()
            with contextlib.suppress(Leave):
                output.drain()
    return conversation, None
