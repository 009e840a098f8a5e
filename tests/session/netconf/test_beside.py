"""Large messages parsed on a thread: the same trees and errors, and no thread is left."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from lxml import etree

from mooring import MalformedMessage
from mooring.session.netconf import beside
from mooring.wire.netconf.incoming import Incoming

ITEMS = b"<item>\xc3\xa9</item>" * 300_000


@pytest.fixture(autouse=True)
def one(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.BoundedSemaphore]:
    """Room for one."""
    idle = threading.BoundedSemaphore(1)
    monkeypatch.setattr(beside, "_idle", idle)
    yield idle
    assert idle.acquire(timeout=50)  # the thread has ended
    for thread in threading.enumerate():
        if thread.name == "mooring parser":
            thread.join(50)


def fed(text: bytes, size: int = 10_000) -> Incoming:
    incoming = Incoming(beside.parser)
    for at in range(0, len(text), size):
        incoming.add(text[at : at + size])
    return incoming


@pytest.mark.parametrize("size", [1_001, 70_000, 10_000_000])
def test_the_tree_is_whole(size: int) -> None:
    root = fed(b"<data>" + ITEMS + b"</data>", size).close()
    assert len(root) == 300_000
    assert {item.text for item in root} == {"é"}
    root[0].tag = "other"  # its names belong to nobody else
    assert etree.tostring(root)[:30].startswith(b"<data><other>")


@pytest.mark.parametrize("text", [b"<data>" + ITEMS, b"<data></item>" + ITEMS, b"<data>" + ITEMS + b"</data><x/>"])
def test_what_is_no_xml(text: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not XML"):
        fed(text).close()


def test_one_that_nobody_wants_any_more_ends() -> None:
    fed(b"<data>" + ITEMS)
    gc.collect()


def test_more_than_there_is_room_for_are_parsed_by_who_feeds(one: threading.BoundedSemaphore) -> None:
    first = fed(b"<data>" + ITEMS + b"</data>")
    assert not one.acquire(blocking=False)
    assert len(fed(b"<data>" + ITEMS + b"</data>").close()) == 300_000
    assert len(first.close()) == 300_000
