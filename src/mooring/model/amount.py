"""How many of some are meant: a number, or a share of them in percent."""

from __future__ import annotations

import re
from typing import Final

from .errors import InvalidInput

__all__ = ["amount"]

_PERCENT: Final = re.compile(r"([0-9]{1,3})%")


def amount(value: int | str, total: int, what: str) -> int:
    """The number that is meant, at least 1.

    Args:
        value: A number, or a percentage as in ``25%``, which is rounded down.
        total: Of how many.
        what: Its name, for the error.

    Raises:
        InvalidInput: It is neither, less than 1, or more than all.
    """
    if isinstance(value, str):
        match = _PERCENT.fullmatch(value)
        if match is not None and 1 <= int(match[1]) <= 100:
            return max(1, total * int(match[1]) // 100)
    elif not isinstance(value, bool) and value >= 1:
        return value
    raise InvalidInput(f"{what} must be at least 1, or a percentage from 1% to 100%")
