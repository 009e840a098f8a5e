"""``mooring`` called as its users call it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MOORING = [sys.executable, "-W", "error", "-m", "mooring.cli"]


def mooring(
    *words: str, environment: Mapping[str, str], cwd: Path | None = None, timeout: float = 50.0
) -> subprocess.CompletedProcess[str]:
    """Run ``mooring`` to its end, without a terminal and without input."""
    return subprocess.run(
        [*MOORING, *words],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
