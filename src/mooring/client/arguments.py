"""A parser of command lines that complains without repeating a password, which may stand where none belongs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from .hidden import masked_in

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Parser"]


class Parser(argparse.ArgumentParser):
    """As ``argparse`` has it, but for what it shows of a wrong word."""

    def take(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the words; where they are wrong, say so and end with exit code 2."""
        self._words = words
        return self.parse_args(words)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with exit code 2."""
        super().error(masked_in(message, self._words))
