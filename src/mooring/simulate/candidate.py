"""The configuration of a simulated device: loaded, compared, committed and rolled back, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree import ElementTree as ET

__all__ = ["Candidate"]


class Candidate:
    """Lines that were loaded, those that were committed, and what they were before.

    What is loaded is not understood: ``delete X`` takes out ``set X`` and what begins with it, and all else is a line,
    as is each leaf of XML.
    """

    def __init__(self) -> None:
        self.committed: list[str] = []
        self.lines: list[str] = []
        self._history: list[list[str]] = []

    def answer(self, tag: str, operation: ET.Element) -> str | None:
        """The content of the reply to an operation on the configuration; None for any other."""
        if tag == "get-configuration" and operation.get("compare") == "rollback":
            return f"<configuration-information><configuration-output>{escape(self.diff())}" + _DIFF_END
        if tag in {"load-configuration", "edit-config"}:
            self._load(operation)
        elif tag in {"commit-configuration", "commit"}:
            self._commit(check=any(_tag(each) == "check" for each in operation))
        elif tag == "discard-changes":
            self.lines = list(self.committed)
        return _ANSWERS.get(tag)

    def diff(self) -> str:
        """What a commit would change."""
        added = [f"+  {line}" for line in self.lines if line not in self.committed]
        gone = [f"-  {line}" for line in self.committed if line not in self.lines]
        return "\n".join(["", "[edit]", *gone, *added, ""]) if added or gone else ""

    def _load(self, operation: ET.Element) -> None:
        back = operation.get("rollback")
        if back is not None:
            past = [self.committed, *reversed(self._history)]
            self.lines = list(past[min(int(back), len(past) - 1)]) if back.isdecimal() else self.lines
            return
        trees = [each for each in operation.iter() if _tag(each) == "configuration" and len(each)]
        text = [line for tree in trees for line in _leaves(tree, "")] or "".join(operation.itertext()).splitlines()
        for line in map(str.strip, text):
            self._take(line)

    def _take(self, text: str) -> None:
        if text.startswith("delete "):
            gone = f"set {text.removeprefix('delete ')}"
            self.lines = [each for each in self.lines if each != gone and not each.startswith(f"{gone} ")]
        elif text and text not in self.lines:
            self.lines.append(text)

    def _commit(self, *, check: bool) -> None:
        if not check and self.lines != self.committed:
            self._history = [*self._history[1 - _KEPT :], self.committed]
            self.committed = list(self.lines)


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _leaves(element: ET.Element, path: str) -> Iterator[str]:
    """What a tree says, a line for each leaf: ``set system host-name edge1``."""
    for child in element:
        here = f"{path} {_tag(child)}"
        if "delete" in {value for name, value in child.attrib.items() if name.rpartition("}")[2] in _DELETING}:
            yield f"delete{here}"
        elif len(child):
            yield from _leaves(child, here)
        else:
            yield f"set{here} {(child.text or '').strip()}".rstrip()


_DIFF_END: Final = "</configuration-output></configuration-information>"
_KEPT: Final = 49
"""Configurations that can be rolled back to, as on Junos."""
_DELETING: Final = frozenset({"operation", "delete"})
_ANSWERS: Final = {
    "load-configuration": "<load-configuration-results><ok/></load-configuration-results>",
    "commit-configuration": "<commit-results><routing-engine><name>re0</name></routing-engine></commit-results>",
    **dict.fromkeys(
        ("edit-config", "commit", "discard-changes", "lock", "unlock", "validate", "close-session"), "<ok/>"
    ),
    **dict.fromkeys((f"{verb}-configuration" for verb in ("lock", "unlock", "open", "close")), "<ok/>"),
}
