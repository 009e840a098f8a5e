"""The client without I/O: what comes gives the same events however it is cut, and each fault has a name."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import FramingError, HelloError, MalformedMessage, NetconfEnded, RpcError, UnexpectedReply
from mooring.wire.netconf.events import (
    Ended,
    Established,
    Event,
    Failed,
    Ignored,
    Late,
    Notified,
    Replied,
    ReplyBegan,
    ReplyEnded,
    ReplyPart,
)
from mooring.wire.netconf.framing import DELIMITER, chunked
from mooring.wire.netconf.hello import BASE
from mooring.wire.netconf.protocol import Protocol, State
from mooring.wire.netconf.quirks import QUIRKS, Quirks

BASE_10 = "urn:ietf:params:netconf:base:1.0"
BASE_11 = "urn:ietf:params:netconf:base:1.1"
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rpc-reply message-id="1">&b;</rpc-reply>'


def hello(*bases: str, session_id: str = "<session-id>4</session-id>") -> bytes:
    listed = "".join(f"<capability> {base} </capability>" for base in bases)
    return f'<hello xmlns="{BASE}"><capabilities>{listed}</capabilities>{session_id}</hello>'.encode() + DELIMITER


def opened(*, new: bool = True, quirks: Quirks = QUIRKS["default"], most: int = 1_000_000) -> Protocol:
    protocol = Protocol(quirks=quirks, max_message_size=most)
    assert protocol.data_to_send().endswith(b"</hello>]]>]]>")
    protocol.receive_data(hello(BASE_10, *[BASE_11] * new))
    (established,) = protocol.events_received()
    assert isinstance(established, Established)
    return protocol


def framed(protocol: Protocol, text: str | bytes) -> bytes:
    message = text.encode() if isinstance(text, str) else text
    return chunked(message) if protocol.framing == "chunked" else message + DELIMITER


def given_back(protocol: Protocol, *texts: str | bytes) -> list[Event]:
    for text in texts:
        protocol.receive_data(framed(protocol, text))
    return protocol.events_received()


def reply(message_id: int, inside: str = "<ok/>") -> str:
    return f'<rpc-reply xmlns="{BASE}" message-id="{message_id}">{inside}</rpc-reply>'


@pytest.mark.parametrize("new", [True, False])
def test_a_request_and_its_reply(new: bool) -> None:  # noqa: FBT001 - a parameter of the test
    protocol = opened(new=new)
    assert protocol.framing == ("chunked" if new else "end-of-message")
    assert (protocol.session_id, protocol.state) == (4, State.OPEN)
    assert protocol.send_rpc(b"<get/>") == "1"
    assert protocol.data_to_send() == framed(protocol, f'<rpc xmlns="{BASE}" message-id="1"><get/></rpc>')
    (event,) = given_back(protocol, "\n" + reply(1))
    assert isinstance(event, Replied)
    assert (event.message_id, event.reply.ok, event.reply.xml) == ("1", True, reply(1).encode())
    assert protocol.pending == 0


def test_replies_find_their_requests_in_any_order() -> None:
    protocol = opened()
    for _ in range(3):
        protocol.send_rpc(b"<get/>")
    found = given_back(protocol, reply(3), reply(1), reply(2))
    assert [event.message_id for event in found if isinstance(event, Replied)] == ["3", "1", "2"]


@given(st.lists(st.integers(0, 3000)), st.booleans(), st.text(st.characters(min_codepoint=0x80, codec="utf-8")))
def test_any_slices_give_the_same_events(cuts: list[int], new: bool, words: str) -> None:  # noqa: FBT001 - as above
    note = f'<notification xmlns="{BASE}"><eventTime>2026-01-01T00:00:00Z</eventTime><e>{words}</e></notification>'
    texts = [reply(1, f"<data>{words}</data>"), reply(9), note, "<rpc-reply>", reply(2, f"<data>{words}</data>")]

    def told(cuts: list[int]) -> list[object]:
        protocol = opened(new=new)
        protocol.send_rpc(b"<get/>", streams=True)
        protocol.send_rpc(b"<get/>")
        data = b"".join(framed(protocol, text) for text in texts)
        edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
        for at, end in pairwise(edges):
            protocol.receive_data(data[at:end])
        events = protocol.events_received()
        return [event.reply.xml if isinstance(event, Replied) else type(event) for event in events]

    assert told(cuts) == told([])


@given(st.binary(max_size=200), st.booleans())
def test_garbage_never_raises(data: bytes, new: bool) -> None:  # noqa: FBT001 - as above
    protocol = opened(new=new)
    protocol.send_rpc(b"<get/>")
    protocol.receive_data(data)
    protocol.receive_data(framed(protocol, data))
    protocol.receive_eof()
    assert isinstance(protocol.events_received()[-1], Ended)


def test_a_message_that_is_not_xml_fails_what_it_answers_and_the_stream_goes_on() -> None:
    protocol = opened()
    for _ in range(3):
        protocol.send_rpc(b"<get/>")
    first, second, third = given_back(protocol, reply(2, "<a></b>"), "no xml at all", reply(3))
    assert isinstance(first, Failed)
    assert first.message_id == "2"
    assert isinstance(second, Failed)
    assert second.message_id == "1"
    assert isinstance(third, Replied)


@pytest.mark.parametrize("size", [1, 100_000])
def test_an_xml_bomb_is_refused_before_it_is_parsed(size: int) -> None:
    protocol = opened()
    protocol.send_rpc(b"<get/>")
    (event,) = given_back(protocol, BOMB.replace("&b;", "&b;" * size))
    assert isinstance(event, Failed)
    assert "document type" in event.error.message


@pytest.mark.parametrize("size", [1, 5_000])
@pytest.mark.parametrize("before", ["<?x {}?>", "<!--{}-->", "<?x?>\n{}"])
def test_nothing_before_a_document_type_hides_it(before: str, size: int) -> None:
    protocol = opened()
    protocol.send_rpc(b"<get/>")
    text = before.format(" " * 70_000) + BOMB
    data = chunked(text.encode())
    events = []
    for at in range(0, len(data), size * 20):
        protocol.receive_data(data[at : at + size * 20])
        events += protocol.events_received()
    (event,) = events
    assert isinstance(event, Failed)
    assert any(words in event.error.message for words in ("document type", "no end", "no tag"))


def test_external_entities_are_not_fetched() -> None:
    protocol = opened()
    protocol.send_rpc(b"<get/>")
    text = '<?xml version="1.0"?><!-- x --><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + reply(1, "&b;")
    (event,) = given_back(protocol, text)
    assert isinstance(event, Failed)


def test_a_reply_to_no_request_is_ignored_by_name() -> None:
    protocol = opened()
    (event,) = given_back(protocol, reply(7))
    assert isinstance(event, Ignored)
    assert isinstance(event.error, UnexpectedReply)
    assert protocol.state is State.OPEN


def test_a_message_of_another_kind_is_ignored_by_name() -> None:
    protocol = opened()
    (event,) = given_back(protocol, "<hello/>")
    assert isinstance(event, Ignored)
    assert isinstance(event.error, MalformedMessage)


def test_a_reply_without_message_id_answers_the_oldest_request() -> None:
    protocol = opened()
    protocol.send_rpc(b"<a/>")
    protocol.send_rpc(b"<b/>")
    (event,) = given_back(protocol, "<rpc-reply><ok/></rpc-reply>")
    assert isinstance(event, Replied)
    assert event.message_id == "1"


def test_a_late_reply_is_told_and_dropped() -> None:
    protocol = opened()
    protocol.give_up(protocol.send_rpc(b"<get/>"))
    assert given_back(protocol, reply(1)) == [Late("1")]
    assert protocol.pending == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (hello(BASE_10, session_id=""), "no session-id"),
        (hello(BASE_10, session_id="<session-id>0</session-id>"), "'0', which is none"),
        (hello(BASE_10, session_id="<session-id>x</session-id>"), "'x', which is none"),
        (hello(BASE_10, session_id="<session-id>4294967296</session-id>"), "which is none"),
        (hello("urn:other"), "no version of NETCONF"),
        (b"Welcome!" + DELIMITER, "unreadable"),
        (DELIMITER, "unreadable"),
        (b"<rpc-reply/>" + DELIMITER, "began with 'rpc-reply'"),
        (BOMB.encode() + DELIMITER, "document type"),
    ],
)
def test_a_hello_that_is_none(data: bytes, words: str) -> None:
    protocol = Protocol()
    protocol.receive_data(data)
    (event,) = protocol.events_received()
    assert isinstance(event, Ended)
    assert isinstance(event.error, HelloError)
    assert words in event.error.message
    assert protocol.state is State.ENDED


def test_errors_before_the_hello_are_the_servers_errors() -> None:
    error = "<rpc-reply><rpc-error><error-severity>error</error-severity><error-message>no more</error-message>"
    protocol = Protocol()
    protocol.receive_data(f"{error}</rpc-error></rpc-reply>".encode() + hello(BASE_10))
    (event,) = protocol.events_received()
    assert isinstance(event, Ended)
    assert isinstance(event.error, RpcError)
    assert event.error.errors[0].message == "no more"


@pytest.mark.parametrize("new", [True, False])
def test_a_message_over_the_limit_breaks_the_stream(new: bool) -> None:  # noqa: FBT001 - as above
    protocol = opened(new=new, most=1000)
    protocol.send_rpc(b"<get/>")
    protocol.receive_data(b"\n#1001\n<" if new else b"<a>" + b"x" * 1000)
    (event,) = protocol.events_received()
    assert isinstance(event, Ended)
    assert isinstance(event.error, FramingError)
    with pytest.raises(NetconfEnded):
        protocol.send_rpc(b"<get/>")
    protocol.receive_data(framed(protocol, reply(1)))
    assert protocol.events_received() == []


def test_the_end_of_the_stream() -> None:
    protocol = opened()
    protocol.receive_eof()
    (event,) = protocol.events_received()
    assert isinstance(event, Ended)
    assert type(event.error) is NetconfEnded


def test_the_end_inside_a_message() -> None:
    protocol = opened()
    protocol.receive_data(b"\n#10\n<a>")
    protocol.receive_eof()
    (event,) = protocol.events_received()
    assert isinstance(event, Ended)
    assert isinstance(event.error, FramingError)


@pytest.mark.parametrize("size", [1, 200_000])
def test_a_reply_in_parts(size: int) -> None:
    protocol = opened(most=1000)
    protocol.send_rpc(b"<get/>", streams=True)
    text = reply(1, f"<data>{'é' * size}</data>").encode()
    data = framed(protocol, text)
    for at in range(0, len(data), 4096):
        protocol.receive_data(data[at : at + 4096])
    events = protocol.events_received()
    assert events[0] == ReplyBegan("1")
    assert events[-1] == ReplyEnded("1")
    assert b"".join(event.data for event in events if isinstance(event, ReplyPart)) == text


@pytest.mark.parametrize("size", [1, 200_000])
def test_an_error_is_never_given_in_parts(size: int) -> None:
    protocol = opened()
    protocol.send_rpc(b"<get/>", streams=True)
    (event,) = given_back(protocol, reply(1, f"<rpc-error><error-tag>{'x' * size}</error-tag></rpc-error>"))
    assert isinstance(event, Replied)
    assert not event.reply.ok


def test_a_reply_in_parts_that_was_given_up() -> None:
    protocol = opened()
    protocol.give_up(protocol.send_rpc(b"<get/>", streams=True))
    protocol.send_rpc(b"<get/>")
    first, second = given_back(protocol, reply(1, f"<data>{'x' * 200_000}</data>"), reply(2))
    assert first == Late("1")
    assert isinstance(second, Replied)


def test_a_large_reply_beside_one_in_parts_is_whole() -> None:
    protocol = opened()
    protocol.send_rpc(b"<get/>")
    protocol.send_rpc(b"<get/>", streams=True)
    (event,) = given_back(protocol, reply(1, f"<data>{'x' * 200_000}</data>"))
    assert isinstance(event, Replied)
    assert event.reply.data is not None
    assert len(event.reply.data.text or "") == 200_000


def test_warnings_do_not_raise_and_errors_do() -> None:
    fault = "<rpc-error><error-severity>{}</error-severity><error-tag>t</error-tag></rpc-error>"
    protocol = opened()
    protocol.send_rpc(b"<a/>")
    protocol.send_rpc(b"<b/>")
    warned, failed = given_back(protocol, reply(1, fault.format("warning")), reply(2, fault.format("error")))
    assert isinstance(warned, Replied)
    warned.reply.check("edge1")
    assert [fault.severity for fault in warned.reply.errors] == ["warning"]
    assert isinstance(failed, Replied)
    with pytest.raises(RpcError, match="edge1 answered: t") as caught:
        failed.reply.check("edge1")
    assert caught.value.severity == "error"


def test_errors_inside_results_are_seen_where_the_device_hides_them() -> None:
    inside = "<results><item><rpc-error><error-tag>t</error-tag></rpc-error></item></results>"
    for name, ok in (("default", True), ("junos", False)):
        protocol = opened(quirks=QUIRKS[name])
        protocol.send_rpc(b"<a/>")
        (event,) = given_back(protocol, reply(1, inside))
        assert isinstance(event, Replied)
        assert event.reply.ok is ok


def test_namespaces_go_where_that_is_asked() -> None:
    protocol = opened(quirks=Quirks(strip_namespaces=True))
    protocol.send_rpc(b"<a/>")
    protocol.receive_data(framed(protocol, reply(1, '<data><x:a xmlns:x="u" x:b="1"><!-- c --></x:a></data>')))
    (event,) = protocol.events_received()
    assert isinstance(event, Replied)
    assert [element.tag for element in event.reply.element.iter("*")] == ["rpc-reply", "data", "a"]
    assert event.reply.element[0][0].items() == [("b", "1")]


def test_notifications() -> None:
    protocol = opened()
    text = '<notification xmlns="urn:n"><eventTime> 2026-01-01T00:00:00Z </eventTime><up/></notification>'
    (event,) = given_back(protocol, text)
    assert isinstance(event, Notified)
    assert event.notification.event_time == "2026-01-01T00:00:00Z"
    assert event.notification.event is not None
    assert event.notification.event.tag == "{urn:n}up"
    assert event.notification.xml == text.encode()


def test_a_message_in_single_bytes_is_kept_in_few_pieces() -> None:
    protocol = opened()
    protocol.send_rpc(b"<get/>")
    data = framed(protocol, reply(1, "<a>x</a>" * 10_000))
    for at in range(len(data)):
        protocol.receive_data(data[at : at + 1])
        assert len(protocol._incoming.pieces) < 1000  # noqa: SLF001 - memory shows nowhere else
    (event,) = protocol.events_received()
    assert isinstance(event, Replied)
    assert len(event.reply.element) == 10_000
