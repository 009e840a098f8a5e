"""A command on all sessions that a selector means: progress for who looks on, the outcomes together or one a line."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from ..client import Daemon
from ..model.errors import DaemonUnreachable, InvalidInput
from ..model.problem import from_problem
from .failures import exit_code
from .grouped import Groups, ending, natural
from .progress import Progress
from .saved import FailedFile, Outputs
from .selection import selected
from .terminal import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .run import Wanted

__all__ = ["run_many"]

_INTERRUPTED: Final = 130
_MAX_INPUT: Final = 8 * 1024 * 1024
"""Bytes of standard input for all: they are held here and in the daemon until the last session has its turn."""


def run_many(wanted: Wanted) -> int:
    """Run a command on many sessions and return the exit code.

    Raises:
        MooringError: The daemon could not be asked, or went away meanwhile; what had come is shown before.
    """
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # what Python made is a TextIOWrapper
    outcomes = _Outcomes(selected(wanted.selector), wanted)
    progress = Progress(0, shown=not wanted.json or not sys.stdout.isatty())
    groups = Groups(
        wanted.command,
        outputs=not wanted.json and not wanted.out,
        diff=wanted.diff,
        failed=wanted.failed,
        before=progress.clear,
    )
    with _ended_in_order(), contextlib.ExitStack() as stack:
        outputs = Outputs(wanted.out) if wanted.out else None
        failed = stack.enter_context(FailedFile(wanted.failed)) if wanted.failed else None
        try:
            with progress:
                for outcome in outcomes.follow(progress):
                    _take(outcome, outputs, groups, wanted)
        except KeyboardInterrupt:
            groups.show()
            tell(f"mooring run: interrupted: {outcomes.left()}")
            return _INTERRUPTED
        except BaseException:
            groups.show()
            raise
        finally:
            if failed is not None and outcomes.standing:
                failed.write(outcomes.reasons(), len(outcomes.standing))
    groups.show()
    return outcomes.code if wanted.single else int(outcomes.failed > 0)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP are as Ctrl-C, unless somebody ignores them: what had come is shown and written down."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for name in names if signal.getsignal(number := getattr(signal, name)) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _take(outcome: dict[str, Any], outputs: Outputs | None, groups: Groups, wanted: Wanted) -> None:
    if outputs is not None:
        outputs.keep(outcome)
    if wanted.json:
        sys.stdout.write(f"{json.dumps(outcome, ensure_ascii=False)}\n")
        sys.stdout.flush()
    else:
        groups.add(outcome)


class _Outcomes:
    """The daemon's lines as they come, and how each session stands.

    Attributes:
        standing: Why each session must be tried again, by its alias; empty for those that need not.
        done: How many have ended.
        failed: How many of these not well.
        code: The exit code of the last one alone.
    """

    def __init__(self, selector: str, wanted: Wanted) -> None:
        options = {
            "timeout": wanted.timeout,
            "concurrency": wanted.concurrency,
            "batch": wanted.batch,
            "max_failures": wanted.max_failures,
            "max_output": wanted.max_output,
            "encoding": "base64" if wanted.out else None,
            "input": {"base64": _input()} if wanted.stdin_to_all else None,
        }
        self._body: dict[str, object] = {"selector": selector, "command": wanted.command, "progress": True}
        self._body |= {name: value for name, value in options.items() if value is not None}
        self.standing: dict[str, str] = {}
        self.done = 0
        self.failed = 0
        self.code = 0
        self._running: set[str] = set()

    def follow(self, progress: Progress) -> Iterator[dict[str, Any]]:
        """Run it, and yield each outcome.

        Raises:
            MooringError: The daemon could not be asked, ended it early, or went away.
        """
        with contextlib.closing(Daemon().lines("POST", "/v1/run", self._body)) as lines:
            for line in lines:
                if "alias" in line:
                    yield line  # and only then count it: Ctrl-C comes at any moment
                    self._ended(line)
                    progress.step(failed=self.failed, running=len(self._running))
                elif "selected" in line:
                    self.standing = dict.fromkeys(line["selected"], "not run")
                    progress.begin(len(self.standing))
                elif "begun" in line:
                    self.standing[line["begun"]] = "no outcome: it may have run"
                    self._running.add(line["begun"])
                    progress.running(len(self._running), failed=self.failed)
                elif "summary" in line:
                    return
                else:
                    raise from_problem(line["error"])
        raise DaemonUnreachable(
            "the daemon went away before all had ended", hint="what was under way may have run; see `mooring status`"
        )

    def _ended(self, line: dict[str, Any]) -> None:
        self.code = _code(line)
        self.done += 1
        self.failed += self.code != 0
        self._running.discard(line["alias"])
        self.standing[line["alias"]] = _why(line)

    def reasons(self) -> dict[str, str]:
        """Why each session must be tried again, of those that must."""
        return {alias: why for alias, why in self.standing.items() if why}

    def left(self) -> str:
        """What becomes of those that had not ended."""
        words = [f"{self.done} had ended"]
        if self._running:
            words.append(f"sent TERM: {', '.join(natural(self._running))}")
        if waiting := len(self.standing) - self.done - len(self._running):
            words.append(f"{waiting} not run")
        return "; ".join(words)


def _why(outcome: dict[str, Any]) -> str:
    """What went wrong, in a word or two; nothing where nothing did."""
    if "result" in outcome:
        return ending(outcome["result"])
    code = str(outcome["error"]["code"])
    return f"not run: {code}" if code == "budget-spent" else code


def _input() -> str:
    """Standard input, whole, as JSON can carry it.

    Raises:
        InvalidInput: It is too large.
    """
    data = sys.stdin.buffer.read(_MAX_INPUT + 1)
    if len(data) > _MAX_INPUT:
        raise InvalidInput(
            f"standard input is more than {_MAX_INPUT // 1024**2} MiB, which is too much for --stdin",
            hint="`mooring cp FILE 'SELECTOR:PATH'` brings a file of any size there",
        )
    return base64.b64encode(data).decode("ascii")


def _code(outcome: dict[str, Any]) -> int:
    """The exit code of one session's part."""
    if "error" in outcome:
        code = exit_code(from_problem(outcome["error"]))
        return 255 if code == 1 else code
    status, name = outcome["result"]["exit_status"], outcome["result"]["exit_signal"]
    if name:
        return 128 + int(getattr(signal, f"SIG{name}", 127))
    return 255 if status is None else int(status)
