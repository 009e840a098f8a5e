"""XML as people read it on a terminal, and what differs between two configurations."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from lxml import etree

from ..wire.netconf.xml import local_name, parse
from .terminal import paint, printable

if TYPE_CHECKING:
    from ..wire.netconf.xml import Element

__all__ = ["difference", "pretty", "shown"]

_LARGE: Final = 4 * 1024 * 1024
"""Bytes beyond which nobody reads them on a terminal."""
_TAG: Final = re.compile(r"(<!--.*?-->)|(</?)([\w:.-]+)([^<>]*?)(/?>)", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"([\w:.-]+)(=\"[^\"]*\")")


def shown(raw: bytes | Element, *, colour: bool) -> str:
    """A message for a terminal: indented, and with nothing in it that would move the cursor."""
    if isinstance(raw, bytes) and len(raw) > _LARGE:
        return "".join(f"{printable(line)}\n" for line in raw.decode("utf-8", "replace").split("\n"))
    text = "\n".join(map(printable, pretty(parse(raw) if isinstance(raw, bytes) else raw)))
    return (_TAG.sub(_painted, text) if colour else text) + "\n"


def pretty(element: Element) -> list[str]:
    """The lines of an element, each child indented, whatever white space stood between them."""
    for each in element.iter():
        if len(each) and not (each.text or "").strip():
            each.text = None
        if not (each.tail or "").strip():
            each.tail = None
    etree.indent(element)
    return etree.tostring(element, encoding="unicode").split("\n")


def difference(before: bytes, after: bytes) -> list[str]:
    """What differs between the ``data`` of two replies, as a unified diff; nothing where nothing does."""
    lines = difflib.unified_diff(_data(before), _data(after), "running", "candidate", lineterm="", n=3)
    return [printable(line) for line in lines]


def _data(raw: bytes) -> list[str]:
    root = parse(raw)
    data = next((child for child in root if local_name(child) == "data"), root)
    return [line for child in data for line in pretty(child)]


def _painted(found: re.Match[str]) -> str:
    comment, opened, name, attributes, closed = found.groups()
    if comment:
        return paint(comment, "dim")
    inside = _ATTRIBUTE.sub(lambda each: paint(each[1], "yellow") + each[2], attributes)
    return f"{paint(opened, 'dim')}{paint(name, 'cyan')}{inside}{paint(closed, 'dim')}"
