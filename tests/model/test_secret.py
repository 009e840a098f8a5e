"""A secret has one way out."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import InvalidInput
from mooring.model.secret import MASK, Secret

WORD = "Zq7xKv9w"


@dataclasses.dataclass
class Login:
    user: str
    password: Secret


def test_reveals_itself_on_request_only() -> None:
    secret = Secret(WORD)
    assert secret.reveal() == WORD
    assert (str(secret), f"{secret}", f"{secret!s}") == (MASK, MASK, MASK)
    assert repr(secret) == f"Secret('{MASK}')"
    assert f"{Login('u', secret)}" == f"Login(user='u', password=Secret('{MASK}'))"
    assert WORD not in pprint.pformat([{"a": (secret, Login("u", secret))}])
    assert WORD not in repr(dataclasses.asdict(Login("u", secret)))


def test_stays_masked_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("%s %r %s", Secret(WORD), Secret(WORD), {"password": Secret(WORD)})
    assert caplog.messages == [f"{MASK} Secret('{MASK}') {{'password': Secret('{MASK}')}}"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_refuses_to_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match=r"a Secret cannot be pickled: pass a reference such as password_from=env:NAME"):
        pickle.dumps(Secret(WORD), protocol)


@pytest.mark.parametrize("value", [Secret(WORD), Login("u", Secret(WORD))])
def test_refuses_to_be_json(value: object) -> None:
    with pytest.raises(TypeError) as by_msgspec:
        msgspec.json.encode(value)
    with pytest.raises(TypeError) as by_json:
        json.dumps(dataclasses.asdict(value) if isinstance(value, Login) else value)
    assert WORD not in f"{by_msgspec.value!r} {by_json.value!r}"


def test_a_copy_is_itself() -> None:
    secret = Secret(WORD)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": [secret]})["a"][0] is secret
    assert Secret(secret) == secret


def test_equals_by_value_and_hashes_without_it() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("b"))
    assert {Secret("a"), Secret("a"), Secret("b")} == {Secret("b"), Secret("a")}


def test_the_empty_one_is_false() -> None:
    assert not Secret("")
    assert Secret(" ")


@pytest.mark.parametrize("value", [None, b"x", 1, ["x"], WORD + "\udcff", "\ud800" + WORD])
def test_refuses_what_utf8_cannot_write(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        Secret(value)  # type: ignore[arg-type]
    assert caught.value.message == "a secret must be a text that UTF-8 can write"
    assert caught.value.__context__ is None


@given(st.text())
def test_keeps_every_text(text: str) -> None:
    assert Secret(text).reveal() == text
    assert Secret(text).reveal().encode().decode() == text
