"""A DSN is read as it is meant, written so that it reads back, and refused with its fault and the place of it."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.model.errors import InvalidTarget
from mooring.model.options import OPTIONS, PLACES, Rate
from mooring.model.secret import MASK, Secret
from mooring.model.target import Target
from tests.model.strategies import TARGET

ESCAPE = "in a user name or password write / ? # @ : % as %2F %3F %23 %40 %3A %25"
IPV6 = "an IPv6 address stands in brackets, as in [2001:db8::1]:22"
HOST = f"write a name in other letters in its xn-- form; {IPV6}; {ESCAPE}"
NO_HOST = f"write alias://user@host:port or user@host; {ESCAPE}"
TAIL = f"options follow the host as ?name=value&name=value; {ESCAPE}"
SPACE = "write a space as %20 in a user name, password or option"
NO_USER = "leave the '@' out to take the user from ssh_config or the system"
PERCENT = "write a percent sign as %25"
THERE_ARE = "there are " + ", ".join(OPTIONS)
ALIAS_FORM = "must be letters, digits, '.', '_' and '-', a letter or digit first"
HOST_FORM = "must be a host name or an address"
PORT_FORM = "must be a number from 1 to 65535"


def fault(text: object, **keywords: object) -> tuple[str, str | None]:
    with pytest.raises(InvalidTarget) as caught:
        Target.parse(text, **keywords)  # type: ignore[arg-type]
    return caught.value.message, caught.value.hint


def meant(**wanted: object) -> dict[str, Any]:
    unset: dict[str, Any] = dict.fromkeys((field.name for field in fields(Target)), None)
    return unset | {"label": ()} | wanted


def given_fields(target: Target) -> dict[str, Any]:
    return {field.name: getattr(target, field.name) for field in fields(Target)}


READ = {
    "web1": {"alias": "web1", "host": "web1"},
    "web1://h": {"alias": "web1", "host": "h"},
    "web1://h/": {"alias": "web1", "host": "h"},
    "web1://h?": {"alias": "web1", "host": "h"},
    "Web_1.a-b://h": {"alias": "Web_1.a-b", "host": "h"},
    "u@h": {"alias": "h", "host": "h", "username": "u"},
    "u@h:2222": {"alias": "h", "host": "h", "username": "u", "port": 2222},
    "h:022": {"alias": "h", "host": "h", "port": 22},
    "h:65535": {"alias": "h", "host": "h", "port": 65535},
    "a://u:p@h:1": {"alias": "a", "host": "h", "username": "u", "password": Secret("p"), "port": 1},
    "a://u:@h": {"alias": "a", "host": "h", "username": "u"},
    "a://:p@h": {"alias": "a", "host": "h", "password": Secret("p")},
    "a://u:p:q@h": {"alias": "a", "host": "h", "username": "u", "password": Secret("p:q")},
    "a://d%5Cu%40x:p%2F%3F%23%40%3A%25@h": {
        "alias": "a",
        "host": "h",
        "username": "d\\u@x",
        "password": Secret("p/?#@:%"),
    },
    "a://j%C3%B6rg:p%0A%00@h": {"alias": "a", "host": "h", "username": "jörg", "password": Secret("p\n\0")},
    "a://jörg@h": {"alias": "a", "host": "h", "username": "jörg"},
    "a://u:%2A%2A%2A%2A%2A%2A%2A%2A@h": {"alias": "a", "host": "h", "username": "u", "password": Secret(MASK)},
    "a://%75+v@h": {"alias": "a", "host": "h", "username": "u+v"},
    "10.0.0.5": {"alias": "10.0.0.5", "host": "10.0.0.5"},
    "[::1]": {"alias": "1", "host": "::1"},
    "[2001:db8::1]:22": {"alias": "2001-db8--1", "host": "2001:db8::1", "port": 22},
    "a://[fe80::1%eth0]": {"alias": "a", "host": "fe80::1%eth0"},
    "a://[fe80::1%25eth0]:22": {"alias": "a", "host": "fe80::1%eth0", "port": 22},
    "a://[fe80::1%251]": {"alias": "a", "host": "fe80::1%251"},
    "_dmz.example.net.": {"alias": "dmz.example.net.", "host": "_dmz.example.net."},
    "xn--bcher-kva.example": {"alias": "xn--bcher-kva.example", "host": "xn--bcher-kva.example"},
    "a://h?label=site:ams&label=role:core,site:ams": {"alias": "a", "host": "h", "label": ("site:ams", "role:core")},
    "a://h?label=k:v&label=k:v": {"alias": "a", "host": "h", "label": ("k:v",)},
    "a://h?jump=one,u@two:2222,[::1]:22&jump=last": {
        "alias": "a",
        "host": "h",
        "jump": ("one", "u@two:2222", "[::1]:22", "last"),
    },
    "a://h?jump=none&identity=none": {"alias": "a", "host": "h", "jump": (), "identity": ()},
    "a://h?identity=~/.ssh/a,b&identity=/k%20ey": {"alias": "a", "host": "h", "identity": ("~/.ssh/a,b", "/k ey")},
    "a://h?known-hosts=/etc/ssh/known&connect-timeout=1e1": {
        "alias": "a",
        "host": "h",
        "known_hosts": "/etc/ssh/known",
        "connect_timeout": 10.0,
    },
    "a://h?password_from=env:PW&host_key=accept-new&legacy=Yes": {
        "alias": "a",
        "host": "h",
        "password_from": "env:PW",
        "host_key": "accept-new",
        "legacy": True,
    },
    "a://h?host_key=ssh-ed25519%20AAAA+/==": {"alias": "a", "host": "h", "host_key": "ssh-ed25519 AAAA+/=="},
    "a://h?channels=6&rate=4/min&keepalive=1.5": {
        "alias": "a",
        "host": "h",
        "channels": 6,
        "rate": Rate(4, 60.0),
        "keepalive": 1.5,
    },
}


@pytest.mark.parametrize(("text", "wanted"), READ.items(), ids=READ)
def test_reads(text: str, wanted: dict[str, object]) -> None:
    assert given_fields(Target.parse(text)) == meant(**wanted)


REFUSED = {
    # the whole
    "": ("the target has no host at character 1", NO_HOST),
    "a b": ("the target has a space or control character at character 2", SPACE),
    "a://u:p\n@h": ("the target has a space or control character at character 8", SPACE),
    "h\N{NO-BREAK SPACE}": ("the target has a space or control character at character 2", SPACE),
    "h\0": ("the target has a space or control character at character 2", SPACE),
    "x" * 16_385: ("the target is 16385 characters long; 16384 are allowed", None),
    # the alias
    "://h": (f"the alias before '://' {ALIAS_FORM}", None),
    "-a://h": (f"the alias before '://' {ALIAS_FORM}", None),
    "a/b://h": (f"the alias before '://' {ALIAS_FORM}", None),
    "bücher://h": (f"the alias before '://' {ALIAS_FORM}", None),
    "all://h": ("the alias before '://' must not be 'all', by which a selector means every session", None),
    "all": (
        "the alias made from the host must not be 'all', by which a selector means every session",
        "write alias://host",
    ),
    "_": (f"the alias made from the host {ALIAS_FORM}", "write alias://host"),
    "[::]": (f"the alias made from the host {ALIAS_FORM}", "write alias://host"),
    # user and password
    "@h": ("the target has no user name before the '@' at character 1", NO_USER),
    "@inventory.txt": ("the target has no user name before the '@' at character 1", NO_USER),
    "a://:@h": ("the target has no user name before the '@' at character 6", NO_USER),
    "a://u:p@ss@h": ("the target has a second '@' after the one at character 8", ESCAPE),
    "a://u%@h": ("the user name has a '%' without two hexadecimal digits at character 6", PERCENT),
    "a://u:50%x@h": ("the password has a '%' without two hexadecimal digits at character 9", PERCENT),
    "a://%FF@h": ("the user name at character 5 is not UTF-8 after percent-decoding", None),
    "a://u:%C3@h": ("the password at character 7 is not UTF-8 after percent-decoding", None),
    "a://%ED%A0%80@h": ("the user name at character 5 is not UTF-8 after percent-decoding", None),
    "a://u%0A@h": ("the user name at character 5 must have no control character", None),
    "a://u%00@h": ("the user name at character 5 must have no control character", None),
    "a://u%E2%80%AE@h": ("the user name at character 5 must have no control character", None),
    f"a://u:{MASK}@h": (
        "the password at character 7 is the mask that stands for one",
        "write the password itself, or leave it out",
    ),
    "a://u:pa/ss@h": (f"the port at character 7 {PORT_FORM}", ESCAPE),
    "a://u:pa?ss@h": (f"the port at character 7 {PORT_FORM}", ESCAPE),
    "a://u:pa#ss@h": (f"the port at character 7 {PORT_FORM}", ESCAPE),
    "a://u:12/34@h": ("the target has '/' at character 9, after the host", TAIL),
    "a://u:12#34@h": ("the target has '#' at character 9, after the host", TAIL),
    "a://u:12?34@h": ("unknown option at character 10", ESCAPE),
    "a://p/w@h": ("the target has '/' at character 6, after the host", TAIL),
    # the host
    "a://": ("the target has no host at character 5", NO_HOST),
    "a://u@": ("the target has no host at character 7", NO_HOST),
    "a://u:p@/": ("the target has no host at character 9", NO_HOST),
    ":22": (f"the host at character 1 {HOST_FORM}", HOST),
    "a://u@-h": (f"the host at character 7 {HOST_FORM}", HOST),
    "a://h-": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://a..b": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://.": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://" + "x" * 64: (f"the host at character 5 {HOST_FORM}", HOST),
    "a://h%41": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://h%0A": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://$(id)": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://bücher.example": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://10.0.0.256": (f"the host at character 5 {HOST_FORM}", HOST),
    "a://010.0.0.1": (f"the host at character 5 {HOST_FORM}", HOST),
    "::1": ("the target has a second ':' after its host at character 2", f"{IPV6}; {ESCAPE}"),
    "a://2001:db8::1": ("the target has a second ':' after its host at character 13", f"{IPV6}; {ESCAPE}"),
    "a://[::1": ("no IPv6 address in brackets at character 5", IPV6),
    "a://[]": ("no IPv6 address in brackets at character 5", IPV6),
    "a://[10.0.0.1]": ("no IPv6 address in brackets at character 5", IPV6),
    "a://[::1]22": ("no IPv6 address in brackets at character 5", IPV6),
    "a://u@[::1::]": (f"the address in brackets at character 7 {HOST_FORM}", IPV6),
    "a://[fe80::1%]": (f"the address in brackets at character 5 {HOST_FORM}", IPV6),
    "a://[fe80::1%e;id]": (f"the address in brackets at character 5 {HOST_FORM}", IPV6),
    # the port
    "h:": (f"the port at character 3 {PORT_FORM}", ESCAPE),
    "h:0": (f"the port at character 3 {PORT_FORM}", ESCAPE),
    "a://u:p@h:65536": (f"the port at character 11 {PORT_FORM}", ESCAPE),
    "[::1]:": (f"the port at character 7 {PORT_FORM}", ESCAPE),
    "[::1]:ssh": (f"the port at character 7 {PORT_FORM}", ESCAPE),
    "h:-1": (f"the port at character 3 {PORT_FORM}", ESCAPE),
    "h:+1": (f"the port at character 3 {PORT_FORM}", ESCAPE),
    "h:٢٢": (f"the port at character 3 {PORT_FORM}", ESCAPE),
    "h:" + "9" * 5000: (f"the port at character 3 {PORT_FORM}", ESCAPE),
    # the options
    "a://h/path": ("the target has '/' at character 6, after the host", TAIL),
    "a://h/?label=a:b": ("the target has '/' at character 6, after the host", TAIL),
    "a://h#x": ("the target has '#' at character 6, after the host", TAIL),
    "a://h?nope=1": ("unknown option at character 7", THERE_ARE),
    "a://h?labels=a:b": ("unknown option at character 7", f"did you mean label? {THERE_ARE}"),
    "a://h?label=a:b&passwort=x": ("unknown option at character 17", f"did you mean password_from? {THERE_ARE}"),
    "a://h?legacy=no&": ("empty option at character 17", THERE_ARE),
    "a://h?legacy": ("option 'legacy' at character 7 has no value", "write legacy=..."),
    "a://h?legacy=no&legacy=no": ("option 'legacy' at character 17 stands there twice", "leave one of them out"),
    "a://h?jump=none&jump=b": ("option 'jump' at character 17 stands there twice", "leave one of them out"),
    "a://h?label=": ("option 'label' at character 13 must have no empty part", None),
    "a://h?known_hosts=": ("option 'known_hosts' at character 19 must be a text", None),
    "a://h?known_hosts=%0A": ("option 'known_hosts' at character 19 must have no control character", None),
    "a://h?identity=/k%00": ("option 'identity' at character 16 must have no control character", None),
    "a://h?legacy=no&known_hosts=a%": (
        "option 'known_hosts' has a '%' without two hexadecimal digits at character 30",
        PERCENT,
    ),
    "a://h?known-hosts=%FF": ("option 'known_hosts' at character 19 is not UTF-8 after percent-decoding", None),
    "a://h?rate=4": ("option 'rate' at character 12 must be a number per s, min or h, as in 4/min", None),
}


@pytest.mark.parametrize(("text", "wanted"), REFUSED.items(), ids=lambda value: repr(value)[:40])
def test_refuses(text: str, wanted: tuple[str, str | None]) -> None:
    assert fault(text) == wanted


@pytest.mark.parametrize(("value", "kind"), [(None, "NoneType"), (b"h", "bytes"), (22, "int"), (Secret("h"), "Secret")])
def test_refuses_what_is_no_text(value: object, kind: str) -> None:
    assert fault(value) == (f"a target is a text, not {kind}", None)


KEYWORDS: list[tuple[str, object, object]] = [
    ("alias", "b", "b"),
    ("host", "fe80::1%25eth0", "fe80::1%eth0"),
    ("username", "jörg@example", "jörg@example"),
    ("username", "50%25", "50%25"),
    ("password", "p%41/@", Secret("p%41/@")),
    ("password", Secret("p"), Secret("p")),
    ("password", MASK, Secret(MASK)),
    ("password", "", None),
    ("password", Secret(""), None),
    ("port", 22, 22),
    ("port", "0022", 22),
    ("label", "a:b, c:d", ("a:b", "c:d")),
    ("label", ["a:b", "a:b"], ("a:b",)),
    ("label", [], ()),
    ("jump", (), ()),
    ("identity", ["/a,b", " /c "], ("/a,b", "/c")),
    ("legacy", False, False),
    ("rate", Rate(4, 60.0), Rate(4, 60.0)),
    ("keepalive", 15, 15.0),
]


@pytest.mark.parametrize(("name", "value", "kept"), KEYWORDS)
def test_keyword_wins(name: str, value: object, kept: object) -> None:
    text = "a://u:old@h:1?label=x:y&jump=j&identity=i&legacy=yes&rate=1/s&keepalive=1"
    before = Target.parse(text)
    after = Target.parse(text, **{name: value})
    assert getattr(after, name) == kept
    assert type(getattr(after, name)) is type(kept)
    assert given_fields(after) == given_fields(before) | {name: kept}
    assert before == Target.parse(text)


BAD_KEYWORDS: list[tuple[str, object, str]] = [
    ("alias", "a b", ALIAS_FORM),
    ("alias", 1, ALIAS_FORM),
    ("alias", "all", "must not be 'all', by which a selector means every session"),
    ("host", "u@h", HOST_FORM),
    ("host", "[::1]", HOST_FORM),
    ("host", "-oProxyCommand=x", HOST_FORM),
    ("host", "", HOST_FORM),
    ("host", b"h", HOST_FORM),
    ("username", "", "must be a text"),
    ("username", 7, "must be a text"),
    ("username", "u\n", "must have no control character"),
    ("username", "\udcff", "must have no control character"),
    ("password", b"p", "must be a Secret or a text that UTF-8 can write"),
    ("password", "p\udcff", "must be a Secret or a text that UTF-8 can write"),
    ("port", 0, PORT_FORM),
    ("port", True, PORT_FORM),
    ("port", 22.0, PORT_FORM),
    ("port", "", PORT_FORM),
    ("known_hosts", "/\udcff", "must have no control character"),
]


@pytest.mark.parametrize(("name", "value", "words"), BAD_KEYWORDS)
def test_refuses_keyword(name: str, value: object, words: str) -> None:
    assert fault("h", **{name: value}) == (f"keyword {name!r} {words}", None)


def test_refuses_unknown_keyword_and_names_the_nearest() -> None:
    known = ", ".join([*PLACES, *OPTIONS])
    assert fault("h", usrname="x") == ("unknown keyword 'usrname'", f"did you mean username? there are {known}")
    assert fault("h", zzz="x") == ("unknown keyword 'zzz'", f"there are {known}")


def test_the_tables_name_every_field() -> None:
    assert {*PLACES, *OPTIONS} == {field.name for field in fields(Target)}


def test_none_leaves_a_field() -> None:
    target = Target.parse("a://u:p@h:1?legacy=yes")
    assert target.with_options(**dict.fromkeys([*PLACES, *OPTIONS])) is target


def test_one_bad_keyword_changes_nothing() -> None:
    target = Target.parse("a://u@h")
    with pytest.raises(InvalidTarget):
        target.with_options(username="v", port=0)
    assert target == Target.parse("a://u@h")


def test_takes_a_target() -> None:
    target = Target.parse("a://h")
    assert Target.parse(target) is target
    assert Target.parse(target, port=1) == Target.parse("a://h:1")


def test_is_a_frozen_value() -> None:
    target = Target.parse("a://u:p@h?label=a:b")
    with pytest.raises(FrozenInstanceError):
        target.port = 1  # type: ignore[misc]
    assert {target: 1}[Target.parse("a://u:p@h?label=a:b")] == 1
    assert target != Target.parse("a://u:q@h?label=a:b")


def test_shows_itself_as_a_dsn() -> None:
    target = Target.parse("a://u:p@[::1]:22?label=a:b&jump=none&keepalive=15&legacy=no")
    assert str(target) == f"a://u:{MASK}@[::1]:22?label=a:b&jump=none&legacy=no&keepalive=15"
    assert repr(target) == f"Target.parse({str(target)!r})"
    assert target.dsn(reveal=True) == "a://u:p@[::1]:22?label=a:b&jump=none&legacy=no&keepalive=15"


@given(TARGET)
@example(Target(alias="a", host="h", password=Secret(MASK), jump=(), identity=()))
def test_round_trip(target: Target) -> None:
    assert Target.parse(target.dsn(reveal=True)) == target


@given(TARGET.filter(lambda target: target.password is None))
def test_without_a_password_its_text_and_its_pickle_are_the_target(target: Target) -> None:
    assert Target.parse(str(target)) == target
    assert pickle.loads(pickle.dumps(target)) == target  # noqa: S301


@given(TARGET)
def test_its_fields_are_taken_back_as_keywords(target: Target) -> None:
    assert Target.parse("x", **given_fields(target)) == target


DSN_LIKE = st.text(st.sampled_from("a0.-_:/?#@[]%&=,*! \n\0é\ud800") | st.characters(), max_size=30)
GLUE = st.sampled_from(["://", "@", ":", "?", "&", "=", "[", "]", "%", "/", "#", ",", *OPTIONS])

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5) | DSN_LIKE
VALUE = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=2)


@given(DSN_LIKE | st.lists(GLUE | DSN_LIKE, max_size=12).map("".join))
@example("h:" + "0" * 5000)
@example("a://h?channels=" + "9" * 5000)
@example("a://h?keepalive=1" + "0" * 500)
def test_any_text_is_a_target_or_an_invalid_target(text: str) -> None:
    try:
        target = Target.parse(text)
    except InvalidTarget:
        return
    assert Target.parse(target.dsn(reveal=True)) == target


@given(st.sampled_from([*PLACES, *OPTIONS]), VALUE)
@example("keepalive", 10**400)
@example("rate", Rate(4, 90.0))
@example("rate", Rate(0, 1.0))
@example("rate", Rate(1.5, 1.0))  # type: ignore[arg-type]
@example("label", ["a:b", 1])
def test_any_keyword_is_taken_or_an_invalid_target(name: str, value: object) -> None:
    try:
        target = Target.parse("h", **{name: value})
    except InvalidTarget:
        return
    assert Target.parse(target.dsn(reveal=True)) == target
