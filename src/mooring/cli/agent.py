"""``mooring agent``: this host, managed from a server that it dials."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..model.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Be an agent until SIGTERM, and return 0."""
    if sys.platform == "win32":
        raise InvalidInput("there is no agent for Windows")
    from ..agent.program import main as run  # noqa: PLC0415 - Unix only

    return run(words)
