"""One operation as XML, with what must be known of it to send it: made by ``operations``, or as a caller wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from lxml import etree

from ...model.errors import InvalidInput, MissingCapability
from .framing import DELIMITER
from .xml import Element, local_name, single

if TYPE_CHECKING:
    from .capabilities import Capabilities
    from .xml import Source

__all__ = ["Defaults", "Operation", "WithDefaults", "custom", "xml"]

Defaults: TypeAlias = Literal["report-all", "report-all-tagged", "trim", "explicit"]
WithDefaults: TypeAlias = Defaults | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, ready to be sent.

    Attributes:
        name: As the RFC has it.
        xml: What stands inside the ``rpc``.
        needs: Capabilities that the server must have: of each entry one.
        defaults: The mode of with-defaults that it must know; None for any.
        attributes: More attributes of the ``rpc`` element, each after a space.
        locks: What it locks; empty where it does not.
        unlocks: Likewise.
        binds: Whether what it does belongs to the NETCONF session that it is made on, so that it is not for one that
            several share: locks, subscriptions, a confirmed commit that nobody else may confirm, the session's end.
    """

    name: str
    xml: bytes
    needs: tuple[tuple[str, ...], ...] = ()
    defaults: WithDefaults = None
    attributes: bytes = b""
    locks: str = ""
    unlocks: str = ""
    binds: bool = False

    def check(self, server: Capabilities, alias: str) -> None:
        """Make sure that a server can do it.

        Raises:
            MissingCapability: It cannot.
        """
        for alternatives in self.needs:
            if not any(capability in server for capability in alternatives):
                missing = alternatives[0]
                raise MissingCapability(
                    f"{alias} does not offer {missing}, which {self.name} takes", capability=missing
                )
        if self.defaults and self.defaults not in server.default_modes():
            modes = ", ".join(sorted(server.default_modes()))
            raise MissingCapability(
                f"{alias} does not know the with-defaults mode {self.defaults}",
                capability=":with-defaults",
                hint=f"it knows {modes}",
            )


def custom(source: Source) -> Operation:
    """Any operation, as its caller wrote it: without a namespace it is in NETCONF's own. A whole ``rpc`` will do.

    Raises:
        InvalidInput: It is not one well-formed element.
    """
    element = single(source)
    if local_name(element) != "rpc":
        return _known(element, b"")
    inner = [child for child in element if isinstance(child.tag, str)]
    if len(inner) != 1:
        raise InvalidInput(f"an rpc holds one operation, and this one has {len(inner)}")
    bare = etree.Element("rpc", {name: value for name, value in element.items() if name != "message-id"}, element.nsmap)
    written = etree.tostring(bare)
    attributes = written.removeprefix(b"<rpc").removesuffix(b"/>")
    default = f' xmlns="{element.nsmap.get(None, "")}"'.encode()
    return _known(inner[0], attributes.replace(default, b""))


# By the operation that takes it: RFC 6241 section 7.5, RFC 5717, and Junos' own two.
_UNLOCKED: Final = {
    "lock": "unlock",
    "partial-lock": "partial-unlock",
    "lock-configuration": "unlock-configuration",
    "open-configuration": "close-configuration",
}
_LOCKED: Final = {unlock: lock for lock, unlock in _UNLOCKED.items()}
_BINDING: Final = {
    *_UNLOCKED,
    *_LOCKED,
    "close-session",
    "request-end-session",
    "create-subscription",
    "establish-subscription",
    "modify-subscription",
    "delete-subscription",
}


def _known(element: Element, attributes: bytes) -> Operation:
    """An operation, with what its name tells of it."""
    name = local_name(element)
    inside = {local_name(child): child for child in element}
    stores = [local_name(store) for store in inside["target"] if local_name(store)] if "target" in inside else []
    what = stores[0] if stores else _LOCKED.get(name, name)
    alone = name == "commit" and "confirmed" in inside and not {"persist", "persist-id"} & inside.keys()
    return Operation(
        name,
        xml(element),
        attributes=attributes,
        locks=what if name in _UNLOCKED else "",
        unlocks=what if name in _LOCKED else "",
        binds=alone or name in _BINDING,
    )


def xml(element: Element) -> bytes:
    """An element as it is sent: in ASCII, so that nothing can be lost on the way."""
    text: bytes = etree.tostring(element, encoding="ascii", with_tail=False, xml_declaration=False)
    if DELIMITER in text:
        raise InvalidInput("a comment or instruction has ]]>]]> in it, which ends a message")
    return text
