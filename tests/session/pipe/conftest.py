"""Handlers at the far end of the shared sshd."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mooring.far

HANDLERS = Path(__file__).parent / "handlers"


@pytest.fixture
def installed(peers_folder: Path) -> Path:
    """A folder on the far host with our far end and the handlers in it, which the account may read."""
    package = peers_folder / "handlers" / "mooring" / "far"
    package.mkdir(parents=True, exist_ok=True)
    (package.parent / "__init__.py").touch()
    shutil.copy(str(mooring.far.__file__), package / "__init__.py")
    for handler in HANDLERS.glob("*.py"):
        shutil.copy(handler, peers_folder / "handlers")
    return peers_folder / "handlers"
