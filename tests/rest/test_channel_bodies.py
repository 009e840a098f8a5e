"""The bodies of ``/channels``: which text is meant."""

from __future__ import annotations

import contextlib
import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import InvalidInput
from mooring.rest.channels import body_text

FORM = "application/x-www-form-urlencoded"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXT)
def test_a_text_is_itself(text: str) -> None:
    assert body_text(text.encode(), "", "command") == text
    assert body_text(text.encode(), "text/plain", "command") == text


@given(TEXT)
def test_a_form_with_the_name_gives_its_value(text: str) -> None:
    assert body_text(urlencode({"command": text}).encode(), FORM, "command") == text


@given(TEXT)
def test_an_encoded_text_is_decoded(text: str) -> None:
    assert body_text(quote(text, safe="").encode(), FORM, "command") == text
    assert body_text(urlencode({text: ""}).encode(), FORM, "command") == text


@given(TEXT)
def test_json_gives_its_text(text: str) -> None:
    for value in (text, {"command": text}):
        assert body_text(json.dumps(value).encode(), "application/json", "command") == text


@pytest.mark.parametrize(
    "text",
    ["g++", "date +%s", "echo 100%", "a=b env", "make -j4 & wait", "echo %41", "https://h/a%20b", "printf %d"],
)
def test_what_curl_sends_as_a_form_is_left_alone(text: str) -> None:
    assert body_text(text.encode(), FORM, "command") == text


@pytest.mark.parametrize("text", ["{", "[1]", "5", "{'a'}", '{"other": "x"}', '{"command": 1}', "echo hi"])
def test_what_is_no_json_text_is_left_alone(text: str) -> None:
    assert body_text(text.encode(), "application/json", "command") == text


@given(st.binary(), st.sampled_from(["", FORM, "application/json", "text/plain", "multipart/form-data", "a/b;"]))
def test_any_body_is_a_text_or_refused(body: bytes, kind: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert isinstance(body_text(body, kind, "dsn"), str)
