"""A selector from a command line: checked, and its ``@file`` terms read, since files are the caller's."""

from __future__ import annotations

from pathlib import Path

from ..model.selector import Selector

__all__ = ["selected"]


def selected(text: str) -> str:
    """The selector as the daemon takes it.

    Raises:
        InvalidSelector: It is malformed, or a file cannot be read.
    """
    selector = Selector.parse(text, read=lambda name: Path(name).expanduser().read_text(encoding="utf-8"))
    if "@" not in text:
        return text
    return ",".join([*selector.include, *(f"!{term}" for term in selector.exclude)])
