"""The only place where XML is parsed: UTF-8, without document types, entities and network, up to any size.

libxml2's own limits on depth stay (2,048); its limit on the size of a text does not, since devices send large ones.
What lets a small text grow large is refused before it is parsed: a NETCONF message has no document type (RFC 6241
section 3).
"""

from __future__ import annotations

import re
from typing import Final, Protocol, TypeAlias

from lxml import etree

from ...model.errors import InvalidInput, MalformedMessage

__all__ = [
    "Element",
    "Feeder",
    "Source",
    "check_prolog",
    "feeder",
    "first_tags",
    "fragment",
    "local_name",
    "parse",
    "single",
    "strip_namespaces",
]

Element: TypeAlias = etree._Element  # noqa: SLF001 - lxml gives it no other name
Source: TypeAlias = str | bytes | Element
"""XML as a caller may have it."""

_PROLOG: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_DECLARATION: Final = re.compile(r"\s*<\?xml\s.*?\?>", re.DOTALL)


class Feeder(Protocol):
    """What a message is fed to as it comes, as lxml's parsers are; both methods raise its XMLSyntaxError."""

    def feed(self, data: bytes, /) -> None:
        """Take more of it."""

    def close(self) -> Element:
        """Its root."""


def feeder() -> etree.XMLParser:
    """A parser to feed."""
    return etree.XMLParser(encoding="utf-8", huge_tree=True, resolve_entities=False, no_network=True)


_WHOLE: Final = feeder()


def check_prolog(head: bytes) -> None:
    """Make sure that a message, or as much of it as must hold its first tag, has no document type.

    Raises:
        MalformedMessage: It has one, or no tag.
    """
    found = _PROLOG.match(head)
    rest = head[found.end() : found.end() + 2] if found else b""
    if rest == b"<!":
        raise MalformedMessage("a document type, which no NETCONF message may have")
    if rest == b"<?":  # what comes after it has not been seen
        raise MalformedMessage("a processing instruction that has no end")
    if len(rest) < 2 or not rest.startswith(b"<"):
        raise MalformedMessage("a message that begins with no tag")


def parse(text: bytes) -> Element:
    """The root of a whole message.

    Raises:
        MalformedMessage: It is no XML that we read.
    """
    text = text.strip()
    check_prolog(text)
    try:
        return etree.fromstring(text, _WHOLE)
    except etree.XMLSyntaxError as error:
        raise MalformedMessage(f"a message that is not XML: {error}") from None


def first_tags(head: bytes) -> list[Element]:
    """The root and its first child, as far as their start tags are in ``head``, whatever comes after them."""
    parser = etree.XMLPullParser(("start",), encoding="utf-8", huge_tree=True, resolve_entities=False, no_network=True)
    try:
        check_prolog(head)
        parser.feed(head)
    except (etree.XMLSyntaxError, MalformedMessage):
        pass
    tags: list[Element] = []
    try:
        for _, element in parser.read_events():
            tags.append(element)
            if len(tags) == 2:
                break
    except etree.XMLSyntaxError:
        pass
    return tags


def local_name(element: Element) -> str:
    """Its name without the namespace; empty for a comment or processing instruction."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def fragment(source: Source) -> list[Element]:
    """The elements that a caller wrote: several may stand beside each other.

    Raises:
        InvalidInput: It is no well-formed XML.
    """
    if isinstance(source, Element):
        return [source]
    try:
        text = source.decode() if isinstance(source, bytes) else source
        root = etree.fromstring(f"<_>{_DECLARATION.sub('', text, count=1)}</_>".encode(), feeder())
    except (etree.XMLSyntaxError, UnicodeError) as error:
        raise InvalidInput(f"this is not XML: {error}") from None
    except (AttributeError, TypeError):
        raise InvalidInput(f"XML is str, bytes or an element of lxml, and not {type(source).__name__}") from None
    if (root.text or "").strip() or any((child.tail or "").strip() for child in root):
        raise InvalidInput("text stands beside the elements")
    return [child for child in root if isinstance(child.tag, str)]


def single(source: Source) -> Element:
    """The one element that a caller wrote.

    Raises:
        InvalidInput: It is no well-formed XML, or not one element.
    """
    elements = fragment(source)
    if len(elements) != 1:
        raise InvalidInput(f"one element is wanted, and these are {len(elements)}")
    return elements[0]


def strip_namespaces(root: Element) -> None:
    """Take all namespaces from the names of elements and attributes, in place."""
    for element in root.iter(etree.Element):
        element.tag = local_name(element)
        for name, value in element.items():
            if "}" in name:
                del element.attrib[name]
                element.set(name.rpartition("}")[2], value)
    etree.cleanup_namespaces(root)
