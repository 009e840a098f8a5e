"""Addresses and names in their one form."""

from __future__ import annotations

import pytest

from mooring.sshconfig.canonical import Rules, canonical_address, canonical_name, looks_numeric

DNS = {"web.example.": "web.example.", "www.example.": "cdn7.provider.net.", "plain.": "plain.local.", "x.b.": "x.b."}


@pytest.mark.parametrize(
    ("name", "family", "address"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.1", "any", "127.0.0.1"),
        ("0x7f.1", "inet", "127.0.0.1"),
        ("0300.0250.1", None, "192.168.0.1"),
        ("4294967295", None, "255.255.255.255"),
        ("4294967296", None, None),
        ("1.2.3.4.5", None, None),
        ("256.1.1.1", None, None),
        ("1..2", None, None),
        ("127.1", "inet6", None),
        ("2001:DB8::0001", None, "2001:db8::1"),
        ("2001:db8::1", "inet", None),
        ("::ffff:192.0.2.1", None, "::ffff:192.0.2.1"),
        ("::192.0.2.1", None, "::192.0.2.1"),
        ("::1", None, "::1"),
        ("fe80::1%lo", None, None),
        ("edge1", None, None),
    ],
)
def test_canonical_address(name: str, family: str | None, address: str | None) -> None:
    assert canonical_address(name, family) == address


@pytest.mark.parametrize(
    ("name", "expected"), [("1.2", True), ("a:b", True), ("a%b", True), ("a1", False), ("x", False)]
)
def test_looks_numeric(name: str, expected: bool) -> None:  # noqa: FBT001  # a table
    assert looks_numeric(name) is expected


@pytest.mark.parametrize(
    ("name", "rules", "expected"),
    [
        ("web", Rules(), "web"),
        ("web", Rules("yes", ("nowhere", "example")), "web.example"),
        ("web", Rules("yes", ("example",), direct=False), "web"),
        ("web", Rules("always", ("example",), direct=False), "web.example"),
        ("a.b.c", Rules("yes", ("example",)), "a.b.c"),
        ("x", Rules("yes", ("b",), max_dots=0), "x.b"),
        ("unknown", Rules("yes", ("example",)), "unknown"),
        ("web.example.", Rules("yes"), "web.example"),
        ("web", Rules("yes", ("none",)), "web"),
        ("www", Rules("yes", ("example",)), "www.example"),
        ("www", Rules("yes", ("example",), cnames=(("*.example", "*.provider.net"),)), "cdn7.provider.net"),
        ("www", Rules("yes", ("example",), cnames=(("*.example", "*.other"),)), "www.example"),
    ],
)
def test_canonical_name(name: str, rules: Rules, expected: str) -> None:
    assert canonical_name(name, rules, DNS.get) == expected


def test_a_name_that_must_resolve_and_does_not() -> None:
    with pytest.raises(ValueError, match=r"^unknown resolves in none of the CanonicalDomains$"):
        canonical_name("unknown", Rules("yes", ("example",), fallback_local=False), DNS.get)


def test_without_a_resolver_only_what_needs_none() -> None:
    assert canonical_name("a.b.c", Rules("yes", ("example",)), None) == "a.b.c"
    with pytest.raises(
        ValueError, match=r"^the canonical name of web\.example is asked for, and no names are resolved"
    ):
        canonical_name("web", Rules("yes", ("example",)), None)
