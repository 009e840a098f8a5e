"""Tokens, variables and home directories."""

from __future__ import annotations

import hashlib

import pytest

from mooring.sshconfig import Local
from mooring.sshconfig.tokens import CONNECTION, HOSTNAME, PROXY, Peer, expand, expand_home

LOCAL = Local("me", "/home/me", 1000, "here.example", {"A": "value", "EMPTY": ""}, {"you": "/home/you/"}.get)
PEER = Peer("edge", "edge.example", 2022, "admin", None, "one,two", LOCAL)
HASH = hashlib.sha1(b"here.exampleedge.example2022admin").hexdigest()  # noqa: S324


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%%", "%"),
        ("%%h", "%h"),
        ("%d %h %i %j %k", "/home/me edge.example 1000 one,two edge"),
        ("%L %l %n %p %r %u", "here here.example edge 2022 admin me"),
        ("%C", HASH),
        ("${A}-${EMPTY}-$A-$", "value--$A-$"),
    ],
)
def test_expand(text: str, expanded: str) -> None:
    assert expand(text, PEER, CONNECTION, environment=True) == expanded


def test_variables_only_where_they_are_allowed() -> None:
    assert expand("${A}%h", PEER, HOSTNAME) == "${A}edge.example"


def test_what_is_put_in_is_not_looked_at_again() -> None:
    local = Local("%h", "/", environment={"A": "%r ${B}"})
    assert expand("%u ${A}", Peer("h", "h", 1, "r", None, "", local), CONNECTION, environment=True) == "%h %r ${B}"


@pytest.mark.parametrize(
    ("text", "allowed", "message"),
    [
        ("%q", CONNECTION, '"%q" has no meaning here'),
        ("a%", CONNECTION, '"%" has no meaning here'),
        ("%p", HOSTNAME, '"%p" has no meaning here'),
        ("%C", PROXY, '"%C" has no meaning here'),
        ("${B}", CONNECTION, "the environment has no variable B"),
        ("${B", CONNECTION, '"${B" has a malformed ${NAME}'),
        ("${}", CONNECTION, '"${}" has a malformed ${NAME}'),
    ],
)
def test_what_cannot_be_expanded(text: str, allowed: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        expand(text, PEER, allowed, environment=True)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("path", "expanded"),
    [
        ("~", "/home/me/"),
        ("~/a", "/home/me/a"),
        ("~//a", "/home/me/a"),
        ("~you/a", "/home/you/a"),
        ("~you", "/home/you/"),
        ("a/~", "a/~"),
    ],
)
def test_expand_home(path: str, expanded: str) -> None:
    assert expand_home(path, LOCAL) == expanded


def test_nobody_s_home() -> None:
    with pytest.raises(ValueError, match=r"^there is no user nobody-here$"):
        expand_home("~nobody-here/x", LOCAL)
