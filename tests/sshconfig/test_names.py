"""Names that may go to a shell, jump hosts, forwards."""

from __future__ import annotations

import pytest

from mooring.sshconfig.names import forward, jump_hop, valid_host, valid_user

SHELL = "'`\"$;&<>|(){}\\\n\t\0"


@pytest.mark.parametrize(
    "name", ["edge1", "10.0.0.1", "::1", "fe80::1%eth0", "a_b-c.d", "[::1]", "\u00e9", "a*b", "a@b"]
)
def test_valid_host(name: str) -> None:
    assert valid_host(name)


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "a b", "a,b", "\x7f", *(f"a{char}b" for char in SHELL)])
def test_invalid_host(name: str) -> None:
    assert not valid_host(name)


@pytest.mark.parametrize("name", ["me", "a b", "DOMAIN\\me", "a@b", "a$b", "a,b"])
def test_valid_user(name: str) -> None:
    assert valid_user(name)


@pytest.mark.parametrize("name", ["", "-l", "a -b", "me\\", *(f"a{char}b" for char in SHELL if char not in "$\\\t")])
def test_invalid_user(name: str) -> None:
    assert not valid_user(name)


@pytest.mark.parametrize(
    ("word", "hop"),
    [
        ("a", "a"),
        ("me@a", "me@a"),
        ("me@corp@a:2201", "me@corp@a:2201"),
        ("[::1]:22", "[::1]:22"),
        ("[a]", "a"),
        ("a:", "a"),
        ("ssh://a", "a"),
        ("ssh://m%65;x=1@a:2/", "me@a:2"),
        ("gate-%h", "gate-%h"),
    ],
)
def test_jump_hop(word: str, hop: str) -> None:
    assert jump_hop(word) == hop


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", '"" does not name a host'),
        ("@a", '"@a" has an empty user name'),
        ("ssh://@a", '"ssh://@a" has an invalid user name'),
        ("ssh://%zz@a", '"ssh://%zz@a" has an invalid user name'),
        ("a/b", '"a/b" does not name a host'),
        ("[::1", '"[::1" has an unclosed bracket'),
        ("a:x", '"x" is not a number'),
        ("a:0", '"0" is not between 1 and 65535'),
        ("a;b", '"a;b" does not name a host'),
        ("a`b@c", '"a`b@c" has an invalid user name'),
        ("-a", '"-a" does not name a host'),
        ("ssh://a..b", '"a..b" is not a domain name'),
    ],
)
def test_what_is_no_jump_hop(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        jump_hop(word)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("localforward", ("8080", "localhost:80")),
        ("localforward", ("[::1]:8080", "[2001:db8::1]:80")),
        ("localforward", ("/tmp/a", "/tmp/b")),
        ("localforward", ("*:8080", "/tmp/b")),
        ("localforward", (r"a\:b:8080", "c:1")),
        ("remoteforward", ("0", "a:1")),
        ("remoteforward", ("2222",)),
        ("dynamicforward", ("1080",)),
        ("dynamicforward", ("[::1]:1080",)),
    ],
)
def test_forward(kind: str, words: tuple[str, ...]) -> None:
    assert forward(words, kind=kind) == words


@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        ("localforward", (), "the argument is missing"),
        ("localforward", ("1",), "the destination is missing"),
        ("dynamicforward", ("1", "a:1"), "extra arguments at the end of the line"),
        ("localforward", ("0", "a:1"), '"0 a:1" is not a forward'),
        ("localforward", ("1", "a:0"), '"1 a:0" is not a forward'),
        ("localforward", ("1", "a"), '"1 a" is not a forward'),
        ("localforward", ("[::1:1", "a:1"), '"[::1:1 a:1" is not a forward'),
        ("dynamicforward", ("a:b:1",), '"a:b:1" is not a forward'),
    ],
)
def test_what_is_no_forward(kind: str, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        forward(words, kind=kind)
    assert str(caught.value) == message
