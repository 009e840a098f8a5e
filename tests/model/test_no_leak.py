"""No password shows, wherever in a malformed text it stands: not whole, and not four characters of it."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mooring.model.errors import InvalidInput, InvalidSelector, InvalidTarget, MooringError, NothingSelected
from mooring.model.options import OPTIONS, PLACES
from mooring.model.secret import Secret
from mooring.model.selector import Selector
from mooring.model.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARKER = "Zq7xKv9wJh3fYp5k"
FRAGMENTS = {MARKER[start : start + 4] for start in range(len(MARKER) - 3)}

NOISE = st.text(st.sampled_from("/?#@:%&=,![]* \n\0é\ud800") | st.characters(), max_size=3)
CUTS = st.lists(st.integers(0, len(MARKER)), max_size=3).map(lambda cuts: sorted({0, *cuts, len(MARKER)}))


@st.composite
def passwords(draw: st.DrawFn) -> str:
    """The marker, with what breaks a DSN before it, behind it and between pieces of it."""
    cuts = draw(CUTS)
    pieces = [MARKER[start:end] for start, end in pairwise(cuts)]
    return draw(NOISE) + "".join(piece + draw(NOISE) for piece in pieces)


BEFORE = st.sampled_from(
    ["a://u:", "u:", "a://:", "a://u@x:", "://u:", "a://u:22", "a://u:1?label=", "a://u:1/", "a:/"]
)
AFTER = st.sampled_from(
    ["@h", "@h:22", "@[::1]:22", "@h?label=a:b", "@", "", "@h:x", "@h?nope=1", "@-h", "@h/p", "@a@h"]
)
MALFORMED = st.tuples(BEFORE | NOISE, passwords(), AFTER | NOISE).map("".join)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def logged(*values: object, error: BaseException | None = None) -> str:
    """What a log file gets to see."""
    record = logging.LogRecord("leak", logging.ERROR, "f.py", 1, "%s %r " * len(values), (), None)
    record.args = tuple(value for value in values for _ in range(2))
    record.exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.Formatter("%(message)s %(args)s").format(record)


def shown(error: MooringError) -> str:
    """All that an error can be made to say, short of the caller's own variables."""
    attributes = {**vars(error), "code": error.code, "args": error.args}
    parts = [logged(error, error=error), json.dumps(attributes), msgspec.json.encode(attributes).decode()]
    for link in chain(error):
        parts += [str(link), repr(link), repr(vars(link)), repr(link.args), repr(copy.copy(link))]
        parts += [pickle.dumps(link).decode("latin-1"), *traceback.format_exception(link)]
    return "\n".join(parts)


def assert_hidden(text: str) -> None:
    assert not [fragment for fragment in FRAGMENTS if fragment in text]


def test_the_net_holds_a_fish() -> None:
    with pytest.raises(AssertionError):
        assert_hidden(shown(InvalidTarget(f"no host in {MARKER[3:9]!r}")))


@settings(max_examples=1000)
@given(MALFORMED)
@example(f"a://u:{MARKER}@h%41")
@example(f"a://u:22/{MARKER}@h")
@example(f"a://u:22?{MARKER}@h")
@example(f"a://u:22?label={MARKER}@h")
@example(f"a://u:22?label&{MARKER}@h")
@example(f"a://u:%FF{MARKER}@h")
@example(f"a://u:%{MARKER}@h")
@example(f"a://u:{MARKER}@x@h")
@example(f"u:{MARKER}://x@h")
@example(f"{MARKER}@")
def test_a_dsn(text: str) -> None:
    try:
        target = Target.parse(text)
    except InvalidTarget as error:
        assert_hidden(shown(error))
        return
    if target.password is not None and MARKER in target.password.reveal():
        assert_shows_nothing(target)


PASSWORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map(lambda text: MARKER + text)


@given(PASSWORD)
def test_a_good_dsn(password: str) -> None:
    target = Target.parse(f"a://u:{quote(password, safe='')}@h?label=a:b")
    assert target.password == Secret(password)
    assert_shows_nothing(target)


@given(PASSWORD | passwords())
def test_a_keyword(password: str) -> None:
    try:
        target = Target.parse("a://u@h", password=password)
    except InvalidTarget as error:
        assert_hidden(shown(error))
        return
    assert_shows_nothing(target)


@pytest.mark.parametrize("name", [name for name in (*PLACES, *OPTIONS) if name != "password"])
@given(text=MALFORMED)
def test_a_password_in_the_wrong_keyword(name: str, text: str) -> None:
    try:
        Target.parse("h", **{name: text})
    except InvalidTarget as error:
        assert_hidden(shown(error))


@given(passwords())
def test_a_secret(password: str) -> None:
    try:
        Secret(password)
    except InvalidInput as error:
        assert_hidden(shown(error))


def absent(name: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", name)


def unreadable(name: str) -> str:
    return (name + "\xff").encode("latin-1", "replace").decode()


def unnameable(name: str) -> str:
    raise ValueError(f"embedded null byte in {name}")


READERS: list[Callable[[str], str] | None] = [None, absent, unreadable, unnameable]


@settings(max_examples=500)
@given(MALFORMED, st.sampled_from(READERS))
@example(f"a://u:p,@{MARKER}@h", absent)
@example(f"a://u:p,@{MARKER}@h", unreadable)
@example(f"a://u:p,@{MARKER}@h", unnameable)
@example(f"edge1,{MARKER}:{MARKER}:x", None)
def test_a_dsn_as_selector(text: str, read: Callable[[str], str] | None) -> None:
    try:
        Selector.parse(text, read=read)
    except InvalidSelector as error:
        assert_hidden(shown(error))


@given(MALFORMED)
@example(f"edge1://u:{MARKER}@h")
@example(f"#edge1://u:{MARKER}@h")
def test_a_dsn_in_a_selector_file(text: str) -> None:
    try:
        Selector.parse("@hosts", read=lambda name: text if name == "hosts" else absent(name))
    except (InvalidSelector, NothingSelected) as error:
        assert_hidden(shown(error))


def assert_shows_nothing(target: Target) -> None:
    """A target with the marker in its password, and nowhere else."""
    fields = dataclasses.asdict(target)
    parts = [f"{target}", target.dsn(), repr(fields), logged(target, [target], {"target": target})]
    for encode, value in ((pickle.dumps, target), (msgspec.json.encode, target), (json.dumps, fields)):
        with pytest.raises(TypeError) as caught:
            encode(value)
        parts.append(f"{caught.value} {caught.value!r}")
    assert_hidden("\n".join(parts))
