"""What the numbers were measured on."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

import mooring

__all__ = ["Machine"]

_LIBRARIES = [
    *("asyncssh", "cryptography", "uvloop", "lxml", "litestar", "uvicorn"),
    *("paramiko", "parallel-ssh", "flask", "ncclient", "scrapli", "junos-eznc", "execnet", "mitogen"),
]


@dataclass(frozen=True)
class Machine:
    """One machine at one moment.

    Attributes:
        hardware: Processor, cores and memory.
        system: Kernel and Python.
        versions: Of the libraries and of OpenSSH.
        load: Processes that wanted to run in the minute before.
        date: Day, UTC.
    """

    hardware: str
    system: str
    versions: str
    load: float
    date: str

    def rows(self) -> list[list[str]]:
        """As rows of a table."""
        return [
            ["machine", self.hardware],
            ["system", self.system],
            ["versions", self.versions],
            ["date", f"{self.date}, load average {self.load:.1f} before the run"],
        ]

    @classmethod
    def here(cls) -> Self:
        """This one, now."""
        memory = psutil.virtual_memory().total / 2**30
        libraries = [f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES]
        ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.split(",")[0]
        return cls(
            hardware=f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
            system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
            versions=", ".join([f"mooring {mooring.__version__}", *libraries, ssh.strip()]),
            load=os.getloadavg()[0],
            date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
