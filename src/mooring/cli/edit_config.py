"""``mooring edit-config``: configurations changed, tried without a change, or changed on trial."""

from __future__ import annotations

import contextlib
import json
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..client import Daemon
from ..model.errors import InvalidInput, MooringError
from ..model.problem import to_problem
from .calls import Command, call
from .failures import exit_code
from .fanout import CONCURRENCY, aliases, each
from .number import Number
from .progress import Progress
from .request import complained, text_of
from .terminal import coloured, coloured_diff, printable, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .editing import Change, Editing

__all__ = ["main"]

_MARGIN: Final = 2.0
"""Seconds before a device takes a change back in which it is not confirmed any more: it would be too late."""
_EXAMPLES: Final = """\b
Examples:
  mooring edit-config edge1 change.xml --dry-run
  mooring edit-config edge1 change.xml
  mooring edit-config site:ams change.xml --confirmed 120
  mooring get-config edge1 --filter '<system/>' | mooring edit-config edge2 -

\b
FILE has elements of a configuration, with or without `config` around them, or a
reply to get-config; - is standard input.

\b
Exit codes: 0 done, and kept; 1 refused, taken back, or some failed; 2 usage,
124 timeout, 130 Ctrl-C: what was not kept is taken back; 255 no session.
"""


def main(words: Sequence[str]) -> int:
    """Change configurations and return the exit code."""
    return call(_edit_config, words)


@click.command("edit-config", cls=Command, epilog=_EXAMPLES)
@click.argument("selector")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Have it checked, show what would change, and change nothing.")
@click.option(
    "--confirmed",
    metavar="SECONDS",
    type=click.IntRange(5, 86_400),
    help="Devices take it back by themselves, unless it is confirmed in this time.",
)
@click.option("--yes", is_flag=True, help="Do not ask: confirm when all devices still answer.")
@click.option("--target", type=click.Choice(["candidate", "running"]), help="Default: candidate, if there is one.")
@click.option(
    "--default-operation", type=click.Choice(["merge", "replace", "none"]), help="For elements that name none."
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=Number(0, 86_400, min_open=True),
    default=60.0,
    show_default=True,
    help="Without anything of a reply.",
)
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=CONCURRENCY,
    show_default=True,
    help="Sessions at once.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def _edit_config(
    selector: str,
    file: str,
    *,
    dry_run: bool,
    confirmed: int | None,
    yes: bool,
    as_json: bool,
    concurrency: int,
    **how: Any,
) -> int:
    """Change the configuration of one session, or of all that SELECTOR means.

    It is locked meanwhile, checked where the device can, and committed. Nothing is left behind by what fails, on no
    device: a lock and what was not committed go with the channel, even if this program is killed.
    """
    from .editing import Change, configuration  # noqa: PLC0415 - lxml is loaded by who needs it

    if dry_run and confirmed:
        raise InvalidInput("--dry-run changes nothing, so there is nothing to confirm")
    if not sys.stdin.isatty() and file == "-" and confirmed and not yes and sys.stdout.isatty():
        raise InvalidInput("standard input holds the change and cannot answer too", hint="add --yes, or name a file")
    text = text_of("-" if file == "-" else f"@{Path(file)}")
    change = Change(configuration(text), how["target"], how["default_operation"], how["timeout"])
    daemon = Daemon()
    names = aliases(daemon, selector)
    run = _Run(daemon, names, change, as_json=as_json, concurrency=concurrency)
    if dry_run:
        return run.try_out()
    if confirmed:
        return run.make_confirmed(confirmed, ask=not yes and sys.stdin.isatty())
    return run.make()


class _Run:
    """A change of many devices: what becomes of each is told as it comes.

    Args:
        daemon: Who holds the sessions.
        names: Which.
        change: What to do.
        as_json: Whether objects are printed.
        concurrency: Sessions at once.
    """

    def __init__(
        self, daemon: Daemon, names: Sequence[str], change: Change, *, as_json: bool, concurrency: int
    ) -> None:
        self._daemon = daemon
        self._names = names
        self._change = change
        self._json = as_json
        self._concurrency = concurrency
        self._codes: dict[str, int] = {}

    def try_out(self) -> int:
        """Change nothing, and show what would be."""

        def work(alias: str) -> dict[str, object]:
            with self._editing(alias) as editing:
                return {"outcome": "valid", "difference": editing.try_out()}

        return self._all(work)

    def make(self) -> int:
        """Change it for good."""

        def work(alias: str) -> dict[str, object]:
            with self._editing(alias) as editing:
                editing.make()
            return {"outcome": "changed"}

        return self._all(work)

    def make_confirmed(self, seconds: int, *, ask: bool) -> int:
        """Change it, and keep it once that is confirmed: by a person, or since all devices still answer."""
        held: dict[str, Editing] = {}
        with contextlib.ExitStack() as stack:

            def work(alias: str) -> None:
                editing = self._editing(alias)
                editing.__enter__()
                stack.push(editing)
                editing.make_confirmed(seconds)
                held[alias] = editing

            deadline = time.monotonic() + seconds - _MARGIN
            self._each(self._names, work, shown=True)
            keep = bool(held) and self._wanted(held, deadline, seconds, ask=ask)

            def settle(alias: str) -> dict[str, object]:
                late = time.monotonic() >= deadline  # each anew: those before it may have taken long
                if keep and not late:
                    held[alias].confirm()
                    return {"outcome": "confirmed"}
                self._codes[alias] = 1
                at_once = not late and held[alias].take_back()
                return {"outcome": "taken back" if at_once else f"taken back by the device within {seconds} s"}

            self._each(list(held), settle)
        return self._code()

    def _wanted(self, held: dict[str, Editing], deadline: float, seconds: int, *, ask: bool) -> bool:
        """Whether to keep it."""
        silent = []
        for outcome in each(list(held), lambda alias: held[alias].verify(), self._concurrency):
            if outcome.error is not None:
                silent.append(outcome.alias)
                tell(f"{outcome.alias} answers no more: {outcome.error}")
        if silent and not ask:
            return False
        if not ask:
            return len(held) == len(self._names)
        some = f"{len(held)} of {len(self._names)} changed" + (f", {len(silent)} answer no more" if silent else "")
        sys.stderr.write(f"{some}; they take it back in {seconds} s. Keep it? [y/N] ")
        sys.stderr.flush()
        ready, _, _ = select.select([sys.stdin], [], [], max(deadline - time.monotonic(), 0.0))
        if not ready:
            tell("\nno answer in time")
            return False
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def _editing(self, alias: str) -> Editing:
        from .editing import Editing  # noqa: PLC0415 - lxml is loaded by who needs it

        return Editing(self._daemon, alias, self._change)

    def _all(self, work: Callable[[str], dict[str, object]]) -> int:
        self._each(self._names, work)
        return self._code()

    def _each(
        self, names: Sequence[str], work: Callable[[str], dict[str, object] | None], *, shown: bool = False
    ) -> None:
        several = len(self._names) > 1
        shown = several and (shown or not sys.stdout.isatty())
        with Progress(len(names), shown=shown) as progress:
            for outcome in each(names, work, self._concurrency):
                progress.clear()
                if isinstance(outcome.error, MooringError):
                    self._failed(outcome.alias, outcome.error, several=several)
                elif outcome.value is not None:
                    self._codes.setdefault(outcome.alias, 0)
                    self._told(outcome.alias, outcome.value)
                progress.step(failed=sum(map(bool, self._codes.values())))

    def _failed(self, alias: str, error: MooringError, *, several: bool) -> None:
        self._codes[alias] = exit_code(error)
        if self._json:
            self._print({"alias": alias, "error": to_problem(error)})
        else:
            complained("edit-config", alias, error, several=several)

    def _told(self, alias: str, told: dict[str, object]) -> None:
        if self._json:
            self._print({"alias": alias, **told})
            return
        lines = told.get("difference")
        if not isinstance(lines, list):
            sys.stdout.write(f"{alias}  {told['outcome']}\n")
        elif not lines:
            sys.stdout.write(f"{alias}  nothing would change\n")
        else:
            sys.stdout.write(f"{alias}  would change\n" if len(self._names) > 1 else "")
            lines = coloured_diff(list(map(printable, lines))) if coloured(sys.stdout) else map(printable, lines)
            sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()

    def _print(self, told: dict[str, object]) -> None:
        sys.stdout.write(f"{json.dumps(told, ensure_ascii=False)}\n")
        sys.stdout.flush()

    def _code(self) -> int:
        codes = list(self._codes.values())
        return codes[0] if len(self._names) == 1 else int(any(codes))
