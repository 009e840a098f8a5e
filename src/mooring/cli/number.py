"""Numbers with fractions, as options of click's commands take them."""

from __future__ import annotations

import math
from typing import Any

import click

__all__ = ["Number"]


class Number(click.FloatRange):
    """A finite number in a range; ``nan`` is in every one of click's."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's
        """Read it."""
        try:
            found: float = super().convert(value, param, ctx)
        except click.BadParameter:
            found = math.nan
        if not math.isfinite(found):
            self.fail(f"must be a number {self._range()}, not {value!r}", param, ctx)
        return found

    def _range(self) -> str:
        if self.min_open:
            return f"more than {self.min:g}" + ("" if self.max is None else f" and at most {self.max:.12g}")
        return f"from {self.min:g}" + ("" if self.max is None else f" to {self.max:.12g}")
