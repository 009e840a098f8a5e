"""What the commands write: columns fitted to the terminal, short durations, colours where somebody looks at them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "Column",
    "after_mending",
    "ago",
    "brief",
    "coloured",
    "coloured_diff",
    "columns",
    "hint",
    "live",
    "next_step",
    "paint",
    "printable",
    "summary",
    "tell",
    "width",
]

_BY_HAND: Final = ("trust it: ", "trust the key: ", "forget the old: ")
_GAP: Final = "  "
_FALLBACK: Final = 80
_COLOURS: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        title: Its heading.
        cells: Its texts, one for each row.
        right: Whether they are numbers, which stand to the right.
        paint: What colours a cell after it was brought to its width; None leaves it.
    """

    title: str
    cells: Sequence[str]
    right: bool = False
    paint: Callable[[str], str] | None = None


def columns(table: Sequence[Column], room: int | None) -> Iterator[str]:
    """The lines of a table, the heading first.

    Where the room is short, columns go from the right, so that the first are the ones that matter most. What is too
    long even then is cut in the first column, whose cells are names.

    Args:
        table: The columns; one without any text is left out.
        room: Columns of the terminal; None where it need not fit.
    """
    kept = [column for column in table if any(column.cells)] or list(table[:1])
    sizes = [max(len(column.title), *map(len, column.cells)) for column in kept]
    if room is not None:
        while len(kept) > 2 and sum(sizes) + len(_GAP) * (len(sizes) - 1) > room:
            kept.pop()
            sizes.pop()
        over = sum(sizes) + len(_GAP) * (len(sizes) - 1) - room
        if over > 0:
            sizes[0] = max(8, sizes[0] - over)
    yield _row([(column.title, size, column.right, None) for column, size in zip(kept, sizes, strict=True)])
    shapes = [(size, column.right, column.paint) for column, size in zip(kept, sizes, strict=True)]
    for cells in zip(*(column.cells for column in kept), strict=True):
        yield _row([(cell, *shape) for cell, shape in zip(cells, shapes, strict=True)])


def _row(cells: Sequence[tuple[str, int, bool, Callable[[str], str] | None]]) -> str:
    parts = []
    for cell, size, right, colour in cells:
        text = cell if len(cell) <= size else f"{cell[: size - 1]}~"
        padded = text.rjust(size) if right else text.ljust(size)
        parts.append(colour(padded) if colour else padded)
    return _GAP.join(parts).rstrip()


def width(stream: IO[str]) -> int | None:
    """Columns of the terminal behind a stream; None where there is none, and nothing need be fitted."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _FALLBACK
    except (OSError, ValueError):
        return None


def live(stream: IO[str]) -> bool:
    """Whether a line there can be drawn again."""
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def coloured(stream: IO[str]) -> bool:
    """Whether colours are wanted there: on a terminal that has some, and not against ``NO_COLOR``."""
    return not os.environ.get("NO_COLOR") and live(stream)


def paint(text: str, colour: str) -> str:
    """The text in ``red``, ``green``, ``yellow``, ``cyan``, ``bold`` or ``dim``."""
    return f"\033[{_COLOURS[colour]}m{text}\033[0m"


def coloured_diff(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a diff in its usual colours."""
    for line in lines:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        yield paint(line, colour) if colour else line


def printable(text: str) -> str:
    """The text without what would move the cursor: a peer may have sent it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char in "\r\n\t" else repr(char)[1:-1] for char in text)


def ago(seconds: float) -> str:
    """How long something has lasted, in the one unit that counts: ``41s``, ``12m``, ``3h``, ``5d``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{max(seconds, 0.0) // 1:.0f}s"


def brief(seconds: float) -> str:
    """A short time, to two digits or so: ``0.8 ms``, ``12 ms``, ``1.2 s``, ``45 s``."""
    value, unit = (seconds * 1000, "ms") if seconds < 1 else (seconds, "s")
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def summary(sessions: Sequence[Mapping[str, Any]]) -> str:
    """How many there are and stand in each state: ``13 sessions: 12 up, 1 parked``."""
    states = Counter(session["state"] for session in sessions)
    number = "1 session" if len(sessions) == 1 else f"{len(sessions)} sessions"
    return f"{number}: {', '.join(f'{count} {state}' for state, count in states.most_common())}"


def next_step(session: Mapping[str, Any]) -> str | None:
    """What to do about a session that is not up; None where it needs nobody. A command to copy stands last."""
    advice: str | None = session["hint"]
    if session["state"] != "parked":
        return advice
    return after_mending(session["alias"], advice)


def after_mending(alias: str, advice: str | None) -> str:
    """What to do about a parked session: what its error says, then have it tried again.

    Where it says how a key would be trusted by hand, the daemon does that: ``mooring trust``.
    """
    for by_hand in _BY_HAND:
        before, found, rest = (advice or "").partition(by_hand)
        if found and not rest.startswith("host_key="):
            return f"{before}`mooring trust {alias}` trusts it"
    again = f"`mooring start {alias}` tries again"
    return f"after this, {again}: {advice}" if advice else f"mend it, then {again}"


def tell(text: str, advice: str | None = None) -> None:
    """A line for people, on stderr, and under it what to do."""
    sys.stderr.write(f"{printable(text)}\n" + (f"{hint(advice)}\n" if advice else ""))
    sys.stderr.flush()


def hint(text: str) -> str:
    """The line under a complaint that says what to do. Never wrapped by us: it may be a command to copy."""
    return f"  hint: {printable(text)}"
