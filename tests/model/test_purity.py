"""The model knows no I/O, no clock and no dice, and nothing of ours outside itself."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import mooring.model

FILES = sorted(Path(path) for folder in mooring.model.__path__ for path in Path(folder).glob("*.py"))
FORBIDDEN = {"asyncio", "socket", "threading", "time", "random", "secrets", "subprocess", "os", "pathlib", "logging"}


def imported(source: str) -> set[str]:
    """The top names of what a module imports; one of ours with its dots."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level or (node.module or "").partition(".")[0])
    return names


def test_the_reader_sees_every_form() -> None:
    source = "import a.b\nfrom c.d import e\ndef f():\n    from . import g\n    from ..h import i\n"
    assert imported(source) == {"a", "c", ".", ".."}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_imports_values_only(file: Path) -> None:
    names = imported(file.read_text("utf-8"))
    assert not names & FORBIDDEN
    assert names <= sys.stdlib_module_names | {"."}
    assert "open(" not in file.read_text("utf-8")


def test_all_modules_are_looked_at() -> None:
    assert {file.stem for file in FILES} >= {
        "errors",
        "event",
        "options",
        "result",
        "secret",
        "selector",
        "status",
        "target",
    }
