"""The hellos of ncclient's sessions, and what a device handler may do about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lxml import etree

from ...model.errors import HelloError
from ...wire.netconf.hello import BASE
from ...wire.netconf.xml import local_name, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Fallback", "build", "read"]


def build(capabilities: Iterable[str], handler: Any) -> bytes:  # noqa: ANN401 - ncclient's device handler
    """Our hello."""
    root = etree.Element(f"{{{BASE}}}hello", nsmap=handler.get_xml_base_namespace_dict() or {"nc": BASE})
    listed = etree.SubElement(root, f"{{{BASE}}}capabilities")
    for uri in capabilities:
        etree.SubElement(listed, f"{{{BASE}}}capability").text = uri
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def read(raw: bytes) -> tuple[str, list[str]] | None:
    """The server's session-id and capabilities; None where it is no hello.

    Raises:
        MalformedMessage: It is no XML.
        HelloError: It is a hello without a session-id, which RFC 6241 section 8.1 has every server send.
    """
    root = parse(raw)
    if local_name(root) != "hello":
        return None
    ids = [(child.text or "").strip() for child in root if local_name(child) == "session-id"]
    if not any(ids):
        raise HelloError("the server's hello has no session-id")
    return ids[0], ["".join((uri.text or "").split()) for uri in root.iter("{*}capability")]


class Fallback:
    """What ``handle_connection_exceptions`` of a device handler takes for a session, to see what it would run instead.

    A handler opens another channel there, and starts a command on it that speaks NETCONF.

    Attributes:
        command: That command; None where it does nothing.
    """

    def __init__(self) -> None:
        self.command: str | None = None
        self._transport = self
        self._channel: object = None
        self._channel_id = 0

    def open_channel(self, kind: str = "session", *_: object, **__: object) -> Fallback:
        """A channel, as far as the handler knows."""
        del kind
        return self

    open_session = open_channel

    def set_name(self, name: str) -> None:
        """Nothing."""

    def exec_command(self, command: str) -> None:
        """Note what to run."""
        self.command = command

    def ask(self, handle: Callable[[Fallback], object]) -> str | None:
        """What the handler runs; None where it does nothing."""
        return self.command if handle(self) else None
