"""A reply element by element: what is given, and what is held meanwhile."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator

import pytest
from lxml import etree

from mooring import MalformedMessage, RpcError
from mooring.session.netconf.stream import ReplyStream, elements

pytestmark = pytest.mark.anyio
HEAD = b'<rpc-reply xmlns="urn:x"><data>'
TAIL = b"</data></rpc-reply>"
MEGABYTE = 1024 * 1024


class Sent(ReplyStream):
    """A reply that comes in given batches."""

    def __init__(self, *batches: bytes, times: int = 1) -> None:
        super().__init__("odd1", lambda _: None)
        self._sent = HEAD, *batches * times, TAIL

    async def batches(self, timeout: float | None) -> AsyncIterator[bytes]:
        del timeout
        for batch in self._sent:
            yield batch


async def taken(stream: ReplyStream, tag: str, most: int = MEGABYTE) -> list[bytes]:
    return [etree.tostring(element, with_tail=False) async for element in elements(stream, tag, None, most)]


GROUPS = b"<group><name>outer</name><group><name>inner</name></group><v>x</v></group>tail"


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("tag", ["group", "{urn:x}group", "{*}group"])
async def test_one_inside_another_of_its_name_comes_with_it(size: int, tag: str) -> None:
    text = GROUPS * 3
    found = await taken(Sent(*(text[at : at + size] for at in range(0, len(text), size))), tag)
    assert found == [GROUPS.removesuffix(b"tail").replace(b"<group>", b'<group xmlns="urn:x">', 1)] * 3


async def test_a_name_that_is_not_there_holds_nothing() -> None:
    part = b"<item><a>1</a><b>2</b></item>" * (MEGABYTE // 29)
    assert await taken(Sent(part), "itme") == []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await taken(Sent(part, times=12), "itme") == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 * 1024


@pytest.mark.parametrize("begin", [b"<item>", b"", b"<![CDATA[<", b"<!--<", b"<item a='"])
async def test_what_has_no_end_is_bounded(begin: bytes) -> None:
    with pytest.raises(MalformedMessage, match="more than 1048576 bytes"):
        await taken(Sent(begin, *[b"x" * 65_536] * 20), "item")


async def test_many_elements_are_no_large_one() -> None:
    text = b"<item>1</item>" * 200_000
    found = await taken(Sent(*(text[at : at + 9001] for at in range(0, len(text), 9001))), "item", 100_000)
    assert len(found) == 200_000


async def test_an_error_anywhere_is_raised() -> None:
    error = b"<rpc-error><error-tag>in-use</error-tag><error-severity>error</error-severity></rpc-error>"
    seen = []

    async def take() -> None:
        async for element in elements(Sent(b"<item>1</item>" + error), "item", None, MEGABYTE):
            seen.append(element.text)  # noqa: PERF401 - it raises half-way

    with pytest.raises(RpcError, match="in-use"):
        await take()
    assert seen == ["1"]
