"""Figures as rows and tables of Markdown, and verdicts on those that were asked for."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Spread", "at_least", "at_most", "table"]


@dataclass(frozen=True)
class Spread:
    """The median of some figures, with the least and the greatest of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """That of some figures."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Its lines."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def at_least(what: str, asked: float, measured: Spread) -> list[str]:
    """A row: what was asked for as a ratio, and whether its median reaches it."""
    return [what, f"at least {asked} x", str(measured), "short" if measured.median < asked else "pass"]


def at_most(what: str, asked: str, measured: str, *, short: bool) -> list[str]:
    """A row: what was to stay below something, and whether it fell short of that."""
    return [what, f"at most {asked}", measured, "short" if short else "pass"]
