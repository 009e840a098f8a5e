"""The layers must be able to fail: each trespass on a copy of the tree breaks the build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-logo", "--no-cache", "--config", tree / "pyproject.toml"],
        cwd=tree,
        env={"PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "text", "complaint"),
    [
        ("nobody/__init__.py", "", "mooring.nobody"),
        ("nobody.py", "", "mooring.nobody"),
        ("model/trespasser.py", "from ..pool import Pool", "mooring.model.trespasser -> mooring.pool"),
        ("model/trespasser.py", "import asyncio", "mooring.model.trespasser -> asyncio"),
        ("sshconfig/trespasser.py", "import time", "mooring.sshconfig.trespasser -> time"),
        ("session/trespasser.py", "import asyncssh", "mooring.session.trespasser -> asyncssh"),
        ("blocking/trespasser.py", "from ..simulate import link", "mooring.blocking.trespasser -> mooring.simulate"),
    ],
)
def test_a_trespass_breaks_the_build(tree: Path, module: str, text: str, complaint: str) -> None:
    path = tree / "src" / "mooring" / module
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()  # a folder without one is no package to the linter: ruff's INP001 sees it
    path.write_text(text)
    result = lint(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    assert complaint in result.stdout


def test_the_tree_itself_passes(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout
