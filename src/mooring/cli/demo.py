"""``mooring demo``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from ..model.errors import MooringError
from ..simulate.demo import demo

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration and return 0, or 1 when it did not go as it should have."""
    program = argparse.ArgumentParser(
        prog="mooring demo",
        description="Hold sessions to simulated hosts and to a throwaway OpenSSH server, run commands over them, "
        "cut a link and see it heal. Everything is on this machine, and gone at the end.",
    )
    program.parse_args(arguments)
    try:
        asyncio.run(demo())
    except MooringError as error:
        sys.stderr.write(f"mooring demo: {error}\n")
        return 1
    return 0
