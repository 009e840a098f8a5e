"""Programs of a user, run whole: how they start and end is what is tested."""

from __future__ import annotations

import subprocess
import sys

LOOPS = {"uvloop": "", "asyncio": "import sys; sys.modules['uvloop'] = None\n"}
"""What to write before a program so that it runs on either loop."""

SLOW = """
import logging
logging.getLogger("asyncio").addFilter(lambda record: not record.getMessage().startswith("Executing "))
"""
"""That a step takes longer than 0.1 s is the machine's affair; what else the mode for developers says is ours."""


def program(loop: str, code: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", LOOPS[loop] + SLOW + code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
