"""The results of many sessions: equal ones together, how others differ, and of those that failed what to do next."""

from __future__ import annotations

import difflib
import re
import shlex
import sys
from typing import IO, TYPE_CHECKING, Any, Final

from ..model.problem import from_problem
from .failures import advice
from .terminal import coloured, coloured_diff, paint, tell, width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Groups", "ending", "natural"]

_FEW: Final = 10
"""So many sessions can be named in a command to copy."""
_LONG: Final = 2000
"""Lines beyond which no difference is looked for: that takes their square."""
_KEPT: Final = 64 * 1024 * 1024
"""Characters of unlike outputs that are kept to be put together."""
_BESIDE: Final = 1
"""Lines shown before and after a difference."""


class Groups:
    """Outcomes gathered, then shown. Equal outputs are kept once; when many are kept, unlike ones are shown at once.

    Args:
        command: The command line, for the hint at the end.
        outputs: Whether outputs are shown; else it is only told what failed.
        diff: Whether the most common output is shown whole, and of others how they differ from it.
        failed: The file that gets the names of those that failed; empty where none does.
        before: Called before something is shown while outcomes are still gathered.
    """

    def __init__(
        self,
        command: str,
        *,
        outputs: bool = True,
        diff: bool = False,
        failed: str = "",
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self._command = command
        self._outputs = outputs
        self._diff = diff
        self._file = failed
        self._equal: dict[tuple[str, str, str], list[str]] = {}
        self._failed: dict[str, list[str]] = {}
        self._errors: dict[str, tuple[str, str | None]] = {}
        self._cut: list[str] = []
        self._before = before
        self._kept = 0
        self._early: list[str] = []
        self._count = 0

    def add(self, outcome: dict[str, Any]) -> None:
        """Take one outcome as the daemon tells it."""
        alias = outcome["alias"]
        self._count += 1
        if error := outcome.get("error"):
            self._failed.setdefault(error["code"], []).append(alias)
            self._errors.setdefault(error["code"], (error["detail"], advice(from_problem(error))))
            return
        result = outcome["result"]
        ended = ending(result)
        if self._outputs:
            self._gather(alias, (ended, result["stdout"], result["stderr"]))
        if result.get("dropped"):
            self._cut.append(alias)
        if ended:
            self._failed.setdefault(ended, []).append(alias)

    def _gather(self, alias: str, output: tuple[str, str, str]) -> None:
        if aliases := self._equal.get(output):
            aliases.append(alias)
            return
        ended, stdout, stderr = output
        size = len(stdout) + len(stderr)
        if self._kept + size > _KEPT:
            self._before()
            self._early.append(alias)
            for stream, text in ((sys.stdout, stdout), (sys.stderr, stderr)):
                if text:
                    _block(stream, [alias], [ended, "on stderr" if stream is sys.stderr else ""], text)
        else:
            self._kept += size
            self._equal[output] = [alias]

    def show(self) -> None:
        """Print the outputs, the largest group first, on stdout and stderr as they were, and what failed on stderr."""
        first: dict[IO[str], str] = {}
        for (ended, output, errors), aliases in sorted(self._equal.items(), key=_largest_first):
            for stream, whole in ((sys.stdout, output), (sys.stderr, errors)):
                text, note = whole, ""
                if self._diff and stream in first:
                    text, note = _against(first[stream], whole, colour=coloured(stream))
                first.setdefault(stream, text)
                if text or note:
                    _block(stream, aliases, [ended, "on stderr" if stream is sys.stderr else "", note], text)
        if self._early:
            names = _names(self._early, _room(sys.stderr, 80))
            what = "what equalled nothing was shown as it came, since much is kept already"
            tell(f"mooring run: {what}: {names}", "--out DIR writes files")
        if self._cut:
            names = _names(self._cut, _room(sys.stderr, 40))
            tell(f"mooring run: not all output was kept of {names}", "--max-output keeps more")
        if self._failed:
            self._show_failed()

    def _show_failed(self) -> None:
        failed = natural(alias for aliases in self._failed.values() for alias in aliases)
        heading = f"mooring run: {len(failed)} of {self._count} failed"
        sys.stderr.write(f"{paint(heading, 'red') if coloured(sys.stderr) else heading}\n")
        for what, aliases in self._failed.items():
            tell(f"  {what}: {_names(aliases, _room(sys.stderr, len(what) + 4))}")
            if what in self._errors:
                tell(f"    {self._errors[what][0]}", self._errors[what][1])
        if self._file:
            tell(f"  hint: `mooring run @{shlex.quote(self._file)} -- {shlex.quote(self._command)}` tries them again")
        elif len(failed) <= _FEW:
            again = f"mooring run {','.join(failed)} -- {shlex.quote(self._command)}"
            tell(f"  hint: `{again}` tries them again")
        else:
            tell("  hint: --failed FILE writes their names down; `mooring status` shows how the sessions stand")


def natural(aliases: Iterable[str]) -> list[str]:
    """Sorted as people count: edge2 before edge10."""
    return sorted(aliases, key=lambda alias: [_rank(part) for part in _PARTS.findall(alias)])


def _rank(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


_PARTS: Final = re.compile(r"\d+|\D+")


def ending(result: dict[str, Any]) -> str:
    """How it ended, unless well."""
    if result["exit_signal"]:
        return f"ended by {result['exit_signal']}"
    if result["exit_status"] is None:
        return "told no status"
    return f"status {result['exit_status']}" if result["exit_status"] else ""


def _largest_first(group: tuple[object, list[str]]) -> tuple[int, str]:
    return -len(group[1]), natural(group[1])[0]


def _against(common: str, text: str, *, colour: bool) -> tuple[str, str]:
    """What is shown of a text beside the most common one, and what it is then: how it differs, if that is shorter."""
    if common == text:
        return "", "the same" if text else ""
    if not text:
        return "", "nothing"
    before, after = common.splitlines(), text.splitlines()
    if max(len(before), len(after)) > _LONG:
        return text, ""
    lines = list(difflib.unified_diff(before, after, lineterm="", n=_BESIDE))[2:]
    changed = sum(line[0] not in "@ " for line in lines)
    if not 0 < changed <= len(before):
        return text, ""
    return "\n".join(coloured_diff(lines) if colour else lines), "differs"


def _block(stream: IO[str], aliases: list[str], said: list[str], text: str) -> None:
    after = ", ".join(note for note in said if note)
    after = f": {after}" if after else ""
    heading = f"== {_names(aliases, _room(stream, len(after) + 3))}{after}"
    stream.write(f"{paint(heading, 'bold') if coloured(stream) else heading}\n")
    stream.write(text if text.endswith("\n") or not text else f"{text}\n")
    stream.flush()


def _room(stream: IO[str], taken: int) -> int | None:
    columns = width(stream)
    return None if columns is None else columns - taken


def _names(aliases: list[str], room: int | None) -> str:
    """The aliases; as many as fit where there is only so much room."""
    ordered = natural(aliases)
    text = ", ".join(ordered)
    if room is None or len(text) <= room:
        return text
    kept = 0
    while len(_short(ordered, kept + 1)) <= room:
        kept += 1
    return _short(ordered, kept)


def _short(ordered: list[str], kept: int) -> str:
    return f"{', '.join(ordered[:kept])} and {len(ordered) - kept} more" if kept else f"{len(ordered)} sessions"
