"""What PyEZ makes of replies that a well-behaved device does not give, over sessions of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from jnpr.junos import Device
from jnpr.junos.exception import RpcError, RpcTimeoutError
from lxml import etree

from mooring.compat.ncclient import install
from tests.session.netconf.scripted import Channel, ScriptedServer, hello, reply

from .conftest import HOST

JUNOS = "http://xml.juniper.net/netconf/junos/1.0"
MEGABYTE = 1 << 20
Opened = Callable[..., Any]
FAULT = (
    "<rpc-error><error-type>protocol</error-type><error-tag>operation-failed</error-tag>"
    "<error-severity>{}</error-severity><error-message>{}</error-message></rpc-error>"
)


class Answers:
    """A Junos that answers as it is told: what stands in an rpc, and what is answered."""

    def __init__(self, **answers: str | None) -> None:
        self.answers = answers

    def __call__(self, channel: Channel, message: str) -> None:
        if not message:
            channel.write(hello(channel.number, JUNOS))
        elif found := re.search(r'message-id="([^"]+)"', message):
            key = next((key for key in self.answers if f"<{key.replace('_', '-')}" in message), None)
            answer = "<ok/>" if key is None else self.answers[key]
            if answer is not None:
                channel.write(reply(found[1], answer))
            if "<close-session" in message and answer is not None:
                channel.close()


@pytest.fixture
def opened(serve: Callable[[AbstractAsyncContextManager[Any]], Any]) -> Iterator[Opened]:
    """Opens a device that answers so."""
    devices: list[Any] = []

    def opened(answers: dict[str, str | None], **keywords: Any) -> Any:
        server = serve(ScriptedServer(Answers(**answers)))
        dev = Device(host=HOST, port=server.port, user="somebody", password="x", gather_facts=False, **keywords)
        devices.append(dev.open())
        return dev

    with install():
        yield opened
        for dev in devices:
            dev.close()


def test_a_huge_tree_where_it_is_asked_for(opened: Opened) -> None:
    large: dict[str, str | None] = {"get_large": f"<output>{'x' * (11 * MEGABYTE)}</output>"}
    assert len(opened(large, huge_tree=True).rpc.get_large().text) == 11 * MEGABYTE
    dev = opened(large)
    with pytest.warns(RuntimeWarning), pytest.raises(etree.XMLSyntaxError):  # as PyEZ has it with ncclient
        dev.rpc.get_large()
    assert dev.connected


def test_a_filter_of_what_is_parsed_is_taken_and_the_reply_comes_whole(opened: Opened) -> None:
    dev = opened({"get_items": "<items><item><name>a</name><rest>much</rest></item></items>"}, use_filter=True)
    found = dev.rpc.get_items(filter_xml="<items><item><name/></item></items>")
    assert found.findtext("item/name") == "a"
    assert found.findtext("item/rest") == "much"


def test_warnings(opened: Opened) -> None:
    dev = opened({"load": FAULT.format("warning", "statement not found")})
    with pytest.raises(RpcError, match="statement not found") as caught:
        dev.rpc.load()
    assert caught.value.rpc_error["severity"] == "warning"
    assert dev.rpc.load(ignore_warning=True) is not None
    assert dev.rpc.load(ignore_warning="statement not found") is not None
    with pytest.raises(RpcError):
        dev.rpc.load(ignore_warning="another")


def test_several_errors(opened: Opened) -> None:
    dev = opened({"commit": FAULT.format("warning", "deprecated") + FAULT.format("error", "no such interface")})
    with pytest.raises(RpcError) as caught:
        dev.rpc.commit(ignore_warning=True)
    assert [(one["severity"], one["message"]) for one in caught.value.errs] == [
        ("warning", "deprecated"),
        ("error", "no such interface"),
    ]


def test_no_answer_in_time(opened: Opened) -> None:
    dev = opened({"get_nothing": None})
    dev.timeout = 0
    with pytest.raises(RpcTimeoutError):
        dev.rpc.get_nothing()
    dev.timeout = 30
    assert dev.rpc.get_something() is not None


def test_a_goodbye_without_an_answer(opened: Opened) -> None:
    dev = opened({"close_session": None})
    dev.timeout = 0
    with pytest.raises(RpcTimeoutError):
        dev.close()
    assert not dev.connected
    dev._conn._session.close()


def test_a_session_that_is_over_can_be_closed(opened: Opened) -> None:
    dev = opened({})
    dev._conn._session.close()
    with dev:
        pass
    assert not dev.connected
