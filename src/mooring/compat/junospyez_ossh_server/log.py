"""The logger of all that the server does."""

from __future__ import annotations

import logging
from typing import Final

from .about import package_name

__all__ = ["basic", "logger"]

logger: Final = logging.getLogger(package_name)


def basic() -> None:
    """Show what is logged, from INFO on, on standard error."""
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler())
