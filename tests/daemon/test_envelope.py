"""What is written together leaves together, and nothing waits for what does not come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mooring.daemon.envelope import Envelope

pytestmark = pytest.mark.anyio


class Wire(asyncio.Transport):
    """Notes each write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"closed")


def enveloped(wire: Wire) -> Envelope:
    cycle: Any = None  # what is tested here never asks it
    return Envelope(wire, asyncio.get_running_loop(), cycle)


async def test_head_and_content_are_one_write() -> None:
    wire = Wire()
    envelope = enveloped(wire)
    for part in (b"head,", b"content", b"more"):
        envelope.write(part)
    await asyncio.sleep(0)
    assert wire.written == [b"head,content", b"more"]


async def test_a_head_waits_no_longer_than_its_turn() -> None:
    wire = Wire()
    envelope = enveloped(wire)
    envelope.write(b"head")
    await asyncio.sleep(0)
    envelope.write(b"content")
    assert wire.written == [b"head", b"content"]


async def test_a_head_leaves_before_the_end() -> None:
    wire = Wire()
    envelope = enveloped(wire)
    envelope.write(b"head")
    envelope.close()
    await asyncio.sleep(0)
    assert wire.written == [b"head", b"closed"]


async def test_who_watches_is_told_that_the_client_left() -> None:
    envelope = enveloped(Wire())
    told: list[str] = []
    assert envelope.watch(lambda: told.append("one"))
    envelope.watch(None)
    assert envelope.watch(lambda: told.append("two"))
    envelope.lost()
    assert told == ["two"]
    assert not envelope.watch(lambda: told.append("three"))
