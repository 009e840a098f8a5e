"""Folders that both ends can write into."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def far(peers_folder: Path) -> Iterator[str]:
    """A folder at the far end, which whoever logs in may write into."""
    folder = Path(tempfile.mkdtemp(prefix="far-", dir=peers_folder))
    folder.chmod(0o777)
    yield str(folder)
    shutil.rmtree(folder)


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory, peers_folder: Path) -> Iterator[Path]:
    """A file system of one megabyte, for both ends."""
    folder = Path(tempfile.mkdtemp(prefix="small-", dir=peers_folder))
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root, to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
