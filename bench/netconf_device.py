"""A NETCONF server as sshd's subsystem, as fast as Python can be: what is measured is the client.

It answers ``ok``, and where a request names ``<big size="N" kind="items|text"/>``, with that many bytes.
Standard library only, on its stdin and stdout.
"""

from __future__ import annotations

import os
import re
from itertools import groupby

BASE = b'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
URIS = (b"urn:ietf:params:netconf:base:1.0", b"urn:ietf:params:netconf:base:1.1")
ITEM = (
    b"<interface><name>ge-0/0/%d</name><admin-status>up</admin-status><description>caf\xc3\xa9 uplink</description>"
    b"<mtu>1514</mtu><statistics><in>1234567</in><out>7654321</out></statistics></interface>\n"
)
ID = re.compile(rb'message-id="([^"]+)"')
BIG = re.compile(rb'<(?:\w+:)?big[^>]*size="(\d+)"[^>]*kind="(\w+)"')
LARGE = 65_536
HEADER = re.compile(rb"\s*#(?:(\d+)|#)\n")


def body(size: int, kind: bytes) -> bytes:
    """So many bytes of data."""
    if kind == b"text":
        return b"<text>" + b"x" * size + b"</text>"
    items = b"".join(ITEM % number for number in range(100))
    return b"<interfaces>" + items * (size // len(items)) + b"</interfaces>"


def write(parts: list[bytes]) -> None:
    """All of it: what is small in one piece, what is large as it is."""
    for large, together in groupby(parts, lambda part: len(part) > LARGE):
        for data in together if large else (b"".join(together),):
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]


def answer(message: bytes, kept: dict[tuple[int, bytes], bytes]) -> tuple[bytes, bytes, bytes]:
    """The reply to a request, framed, in parts: what is large is copied nowhere."""
    inside = b"<data/>" if b"get-config" in message else b"<ok/>"
    if big := BIG.search(message):
        wanted = int(big[1]), big[2]
        inside = kept[wanted] = kept.get(wanted) or b"<data>%b</data>" % body(*wanted)
    head = b'<rpc-reply %b message-id="%b">' % (BASE, ID.search(message)[1])  # type: ignore[index] # all send one
    tail = b"</rpc-reply>"
    return b"\n#%d\n%b" % (len(head) + len(inside) + len(tail), head), inside, tail + b"\n##\n"


def main() -> None:
    """Serve until the end of the input."""
    listed = b"".join(b"<capability>%b</capability>" % uri for uri in URIS)
    write([b"<hello %b><capabilities>%b</capabilities><session-id>1</session-id></hello>]]>]]>" % (BASE, listed)])
    data = b""
    while b"]]>]]>" not in data:
        data += os.read(0, 65_536)
    data = data.partition(b"]]>]]>")[2]
    kept: dict[tuple[int, bytes], bytes] = {}
    message = b""
    while True:
        out: list[bytes] = []
        while found := HEADER.match(data):
            end = found.end() + int(found[1] or 0)
            if len(data) < end:
                break
            message += data[found.end() : end]
            data = data[end:]
            if not found[1]:
                out += answer(message, kept)
                message = b""
        write(out)
        more = os.read(0, 65_536)
        if not more:
            break
        data += more


if __name__ == "__main__":
    main()
