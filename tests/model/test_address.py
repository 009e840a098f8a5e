"""What may stand for a host; what else could end in a shell, a resolver's exception or an option is no host."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.address import is_host
from tests.model.strategies import HOST

LABEL = "x" * 63


@pytest.mark.parametrize(
    "text",
    [
        "h",
        "H-1.example.net",
        "example.net.",
        "_sip._tcp.example.net",
        "web_1",
        "42",
        "1.2.3",
        "xn--bcher-kva",
        LABEL,
        f"{LABEL}.{LABEL}.{LABEL}.{'x' * 61}.",
        "127.0.0.1",
        "::",
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
        "fe80::1%2",
    ],
)
def test_a_host(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        ".a",
        "-a",
        "a-",
        "a.-b",
        "a b",
        "a\n",
        "a\0",
        "a;b",
        "$(a)",
        "`a`",
        "a/b",
        "u@h",
        "h%eth0",
        "bücher",
        "h\N{FULLWIDTH FULL STOP}net",
        LABEL + "x",
        f"{LABEL}.{LABEL}.{LABEL}.{'x' * 62}.",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4:22",
        "[::1]",
        ":",
        ":::",
        "1:2:3:4:5:6:7:8:9",
        "fe80::1%",
        "fe80::1%a%b",
        "fe80::1%a b",
        "fe80::1%\n",
        "fe80::1%$(id)",
    ],
)
def test_no_host(text: str) -> None:
    assert not is_host(text)


@given(HOST)
def test_no_host_upsets_a_resolver(host: str) -> None:
    assert is_host(host)
    if ":" in host:
        assert ipaddress.IPv6Address(host).version == 6
    else:
        assert host.encode("idna").decode() == host


@given(st.text(max_size=20))
def test_any_text_is_answered(text: str) -> None:
    if is_host(text):
        assert text.isascii()
        assert text.isprintable()
        assert not text.startswith("-")
