"""``mooring run``: a command on one session as ``ssh`` would run it, or on all that a selector means.

This path is what a script calls in a loop: it imports no more than it needs, and parses its words itself.
"""

from __future__ import annotations

import sys

from ..model.errors import InvalidInput

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Final

__all__ = ["main"]

_HELP: Final = """\
usage: mooring run [OPTION]... SELECTOR [--] COMMAND...

Run a command. On one session it is as with ssh: standard input goes there,
output comes as it is printed, and the exit status is the command's. With more,
equal results are shown together once all have come.

SELECTOR   an alias; or several: a,b  edge*  site:ams  all  !excluded  @file
COMMAND    its words are joined by spaces and go to the far side's shell

  -n, --no-stdin        standard input does not go there
  --stdin               with more sessions: it goes to each (at most 8 MiB)
  --timeout SECONDS     for each session
  --concurrency N       sessions at once (default: 100)
  --batch N[%]          begin others only when so many have ended
  --max-failures N[%]   try no more sessions after so many failed
  --json                one object a line, as they come
  --diff                the most common result, and how others differ from it
  --out DIR             write DIR/ALIAS.out and DIR/ALIAS.err, show no output
  --failed FILE         write down where it failed or did not run, for @FILE
  --max-output SIZE     kept of each output with more (default: 1M)
  -h, --help            this

Examples:
  mooring run edge1 uptime
  mooring run edge1 -- tar cz /etc > etc.tgz
  mooring run 'site:ams,!edge9' --timeout 10 -- show version
  mooring run all --batch 10% --max-failures 1 --failed bad -- ./upgrade
  mooring run @bad --stdin -- sh -s < mend.sh

Exit codes: one session: the command's, 128 and the signal's number where one
ended it; more: 0 all well, 1 some failed. 2 usage, 124 timeout, 130 Ctrl-C,
141 nobody reads the output, 255 no session.
"""
_DASHES: Final = "--"
_MAX_OUTPUT: Final = 64 * 1024**2


class Wanted:
    """What the words of a command line ask for."""

    def __init__(self) -> None:
        self.selector = ""
        self.command = ""
        self.help = False
        self.stdin = True
        self.stdin_to_all = False
        self.json = False
        self.diff = False
        self.out = ""
        self.failed = ""
        self.timeout: float | None = None
        self.concurrency: int | None = None
        self.batch: int | str | None = None
        self.max_failures: int | str | None = None
        self.max_output: int | None = None

    @property
    def gathered(self) -> bool:
        """Whether more is made of the outcome than ``ssh`` would."""
        return self.json or self.out != "" or self.failed != ""

    @property
    def single(self) -> bool:
        """Whether the selector is one alias, outright."""
        first, rest = self.selector[:1], self.selector[1:]
        plain = rest.replace(".", "").replace("_", "").replace("-", "")
        return self.selector.isascii() and self.selector != "all" and (first + plain).isalnum() and first.isalnum()


def main(words: Sequence[str]) -> int:
    """Run ``mooring run`` and return its exit code."""
    wanted = _parse(words)
    if wanted.help:
        sys.stdout.write(_HELP)
        return 0
    if wanted.single and not wanted.gathered and sys.platform != "win32":  # whose consoles cannot be polled
        from ..client import Daemon  # noqa: PLC0415 - one of the two is needed

        with Daemon().upgrade(wanted.selector) as upgrade:
            from .run_one import run_one  # noqa: PLC0415 - loaded while the daemon works on its answer

            return run_one(upgrade, wanted)
    from .run_many import run_many  # noqa: PLC0415

    return run_many(wanted)


def _parse(words: Sequence[str]) -> Wanted:
    """The words' meaning. Options end where the command begins: what follows is the far side's."""
    wanted = Wanted()
    rest = iter(words)
    for word in rest:
        if word == _DASHES:
            wanted.command = " ".join(rest)
        elif word.startswith("-") and word != "-":
            _option(wanted, word, rest)
        elif not wanted.selector:
            wanted.selector = word
        else:
            wanted.command = " ".join((word, *rest))
        if wanted.help:
            return wanted
    if not wanted.selector:
        raise _usage("no SELECTOR: on which sessions?")
    if not wanted.command.strip():
        raise _usage("no COMMAND: what is to be run?")
    return wanted


def _option(wanted: Wanted, word: str, rest: Iterator[str]) -> None:
    name, equals, value = word.partition("=")
    if name in _FLAGS and not equals:
        setattr(wanted, *_FLAGS[name])
    elif name in _VALUES:
        attribute, read, what = _VALUES[name]
        text = value if equals else next(rest, "")
        try:
            setattr(wanted, attribute, read(text))
        except ValueError:
            raise _usage(f"{name} must be {what}, not {text!r}") from None
    else:
        raise _usage(f"there is no option {word!r}")


def _usage(message: str) -> InvalidInput:
    return InvalidInput(message, hint="`mooring run -h` tells more")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e9:
        raise ValueError
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _amount(text: str) -> int | str:
    if not text.endswith("%"):
        return _count(text)
    if not 1 <= int(text[:-1]) <= 100:
        raise ValueError
    return text


def _size(text: str) -> int:
    unit = {"K": 1024, "M": 1024**2}.get(text[-1:].upper(), 1)
    size = _count(text if unit == 1 else text[:-1]) * unit
    if size > _MAX_OUTPUT:
        raise ValueError
    return size


def _name(text: str) -> str:
    if not text:
        raise ValueError
    return text


_FLAGS: Final[Mapping[str, tuple[str, bool]]] = {
    "-h": ("help", True),
    "--help": ("help", True),
    "-n": ("stdin", False),
    "--no-stdin": ("stdin", False),
    "--stdin": ("stdin_to_all", True),
    "--json": ("json", True),
    "--diff": ("diff", True),
}
_VALUES: Final[Mapping[str, tuple[str, Callable[[str], float | str], str]]] = {
    "--timeout": ("timeout", _seconds, "seconds"),
    "--concurrency": ("concurrency", _count, "a number of sessions"),
    "--batch": ("batch", _amount, "a number of sessions, or 1% to 100% of them"),
    "--max-failures": ("max_failures", _amount, "a number of sessions, or 1% to 100% of them"),
    "--max-output": ("max_output", _size, "bytes, as in 64K or 2M, at most 64M"),
    "--out": ("out", _name, "a folder"),
    "--failed": ("failed", _name, "a file"),
}
