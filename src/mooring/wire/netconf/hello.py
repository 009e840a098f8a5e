"""The hellos, which come before all else (RFC 6241 section 8.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from lxml import etree

from ...model.errors import HelloError, MalformedMessage, RpcError
from .capabilities import BASE_10, BASE_11, Capabilities
from .reply import RpcReply
from .xml import feeder, local_name, parse

if TYPE_CHECKING:
    from .xml import Element

__all__ = ["BASE", "client_hello", "read_hello"]

BASE: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
"""The namespace of NETCONF itself, in all its versions."""

_MOST: Final = 4_294_967_295


def client_hello(capabilities: Capabilities) -> bytes:
    """Our hello, without its framing."""
    listed = "".join(f"<capability>{escape(uri)}</capability>" for uri in capabilities)
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{head}<hello xmlns="{BASE}"><capabilities>{listed}</capabilities></hello>'.encode()


def read_hello(raw: bytes, ours: Capabilities) -> tuple[int, Capabilities, Element]:
    """What the server's hello says: its session-id and capabilities, and the hello itself.

    Raises:
        RpcError: The server sent errors in its place, or before it in the same message, as Junos does.
        HelloError: It is none that we can go on with.
    """
    try:
        root = parse(raw)
    except MalformedMessage as error:
        _raise_errors(raw)
        raise HelloError(f"the server's hello is unreadable: {error.message}") from None
    if local_name(root) != "hello":
        _raise_errors(raw)
        raise HelloError(f"the server began with {local_name(root)!r} and not with a hello")
    ids = [(child.text or "").strip() for child in root if local_name(child) == "session-id"]
    if not ids:
        raise HelloError("the server's hello has no session-id")
    if len(ids) > 1 or not re.fullmatch(r"[0-9]{1,10}", ids[0]) or not 0 < int(ids[0]) <= _MOST:
        raise HelloError(f"the server's session-id is {', '.join(ids)!r}, which is none")
    theirs = Capabilities("".join((uri.text or "").split()) for uri in root.iter("{*}capability"))
    if not any(base in ours and base in theirs for base in (BASE_10, BASE_11)):
        raise HelloError("the server speaks no version of NETCONF that we speak", hint="see RFC 6241 section 8.1")
    return int(ids[0]), theirs, root


def _raise_errors(raw: bytes) -> None:
    """Raise the errors that stand where the hello should, if any do."""
    text = re.sub(rb"<\?xml\s.*?\?>", b"", raw, flags=re.DOTALL)
    parser = feeder()
    try:
        if b"<!DOCTYPE" in text:
            return
        root = etree.fromstring(b"<_>" + text + b"</_>", parser)
    except etree.XMLSyntaxError:
        return
    reply = RpcReply(root, [raw], deep=True)
    if reply.errors:
        words = next((fault.message or fault.tag for fault in reply.errors), "")
        raise RpcError(f"the server answered before its hello: {' '.join(words.split())}", errors=reply.errors, xml=raw)
