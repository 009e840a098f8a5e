"""What a NETCONF server sends: replies and notifications, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from lxml import etree

from ...model.errors import RpcError
from ...model.result import RpcFault
from .xml import local_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .xml import Element

__all__ = ["Notification", "RpcReply", "faults"]

_FIELDS: Final = {
    "error-type": "type",
    "error-tag": "tag",
    "error-severity": "severity",
    "error-app-tag": "app_tag",
    "error-path": "path",
    "error-message": "message",
}


class RpcReply:
    """The reply to one request (RFC 6241 section 4.2).

    Args:
        element: The ``rpc-reply``.
        raw: The message as it came, in pieces.
        deep: Whether an ``rpc-error`` may stand anywhere in it.

    Attributes:
        element: The ``rpc-reply``, parsed.
        errors: Each ``rpc-error`` in it, warnings included.
    """

    __slots__ = ("_raw", "element", "errors")

    def __init__(self, element: Element, raw: list[bytes], *, deep: bool = False) -> None:
        self._raw = raw
        self.element = element
        self.errors = faults(element, deep=deep)

    @property
    def xml(self) -> bytes:
        """The message as it came."""
        self._raw[:] = [b"".join(self._raw)]
        return self._raw[0]

    @property
    def ok(self) -> bool:
        """Whether there is nothing worse in it than warnings."""
        return all(fault.severity == "warning" for fault in self.errors)

    @property
    def data(self) -> Element | None:
        """The ``data`` element, which holds what ``get``, ``get_config`` and ``get_data`` ask for; None without one."""
        return next((child for child in self.element if local_name(child) == "data"), None)

    def check(self, alias: str) -> None:
        """Raise what is wrong.

        Raises:
            RpcError: There are errors that are no warnings.
        """
        if not self.ok:
            first = next(fault for fault in self.errors if fault.severity != "warning")
            what = " ".join(f"{first.tag} {first.message}".split()) or "no reason given"
            raise RpcError(f"{alias} answered: {what}", errors=self.errors, xml=self.xml)

    def __repr__(self) -> str:
        """What it comes to."""
        return f"<RpcReply {'ok' if self.ok else self.errors[0].tag}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One event notification (RFC 5277 section 4).

    Attributes:
        event_time: When it happened, as the server writes it (RFC 3339).
        element: The ``notification``; what happened is its child after ``eventTime``.
        xml: The message as it came.
        lost: How many before this one came and were dropped, because nobody took them from the full queue.
        gap: Whether others may have been lost before this one and not been counted: the connection was lost, and the
            server could not say again what happened meanwhile.
    """

    event_time: str
    element: Element = field(repr=False)
    xml: bytes = field(repr=False)
    lost: int = 0
    gap: bool = False

    @property
    def event(self) -> Element | None:
        """What happened: the element after ``eventTime``."""
        return next((child for child in self.element if local_name(child) not in {"", "eventTime"}), None)


def faults(root: Element, *, deep: bool = False) -> tuple[RpcFault, ...]:
    """Every ``rpc-error`` at the top of a reply and one below it, or wherever it stands."""
    found: Iterable[Element]
    if deep:
        found = root.iter("{*}rpc-error")
    elif local_name(root) == "rpc-error":
        found = (root,)
    else:
        found = chain(root.iterchildren("{*}rpc-error"), root.iterfind("*/{*}rpc-error"))
    return tuple(map(_fault, found))


def _fault(element: Element) -> RpcFault:
    values: dict[str, str] = {}
    for child in element:
        name = local_name(child)
        if name in _FIELDS:
            values[_FIELDS[name]] = "".join(child.itertext()).strip()
        elif name == "error-info":
            values["info"] = etree.tostring(child, encoding="unicode", with_tail=False)
    return RpcFault(**values)
