"""No password stays on a command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.client.hidden import masked, masked_in
from mooring.model.target import Target

_PROGRAM = """
import json, os, sys
from pathlib import Path
from mooring.client.hidden import command_line
words = command_line()
seen = Path("/proc/self/cmdline").read_bytes() if sys.platform == "linux" else b""
environment = Path("/proc/self/environ").read_bytes() if sys.platform == "linux" else b""
print(json.dumps([words, os.fsdecode(seen + environment), len(os.listdir("/dev/fd"))]))
"""


def _run(*words: str, program: Path | None = None) -> tuple[list[str], str, int]:
    start = ["-c", _PROGRAM] if program is None else [str(program)]
    done = subprocess.run([sys.executable, *start, *words], capture_output=True, timeout=30, check=False)
    assert done.stderr == b""
    words_meant, seen, descriptors = json.loads(done.stdout)
    return words_meant, seen, descriptors


WORDS = ["--channel", "web1://deploy:s3cr%40t@10.0.0.5", "--channel=web2://a:s3cret@b", "--port", "1", "", "plain"]


def test_the_words_are_as_meant_and_the_passwords_are_gone() -> None:
    meant, seen, _ = _run(*WORDS)
    assert meant == WORDS
    assert "s3cr" not in seen
    if sys.platform == "linux":
        assert "web1://deploy:********@10.0.0.5" in seen
        assert "--channel=web2://a:********@b" in seen


def test_a_program_that_is_a_file_too(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(_PROGRAM)
    meant, seen, _ = _run(*WORDS, program=program)
    assert meant == WORDS
    assert "s3cr" not in seen


def test_the_pipe_is_closed() -> None:
    assert _run(*WORDS)[2] == _run("plain")[2]


def test_what_is_no_text_comes_through() -> None:
    word = os.fsdecode(b"web1://deploy:\xff@b")
    assert _run(word)[0] == [word]


def test_more_than_a_pipe_holds_is_refused() -> None:
    many = [f"web{number}://a:{'x' * 10_000}@b" for number in range(10)]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *many], capture_output=True, text=True, timeout=30, check=False
    )
    assert "so many passwords do not fit on a command line" in done.stderr
    assert "xxxx" not in done.stderr


@pytest.mark.parametrize(
    "word",
    [
        "web1",
        "deploy@web1",
        "web1:22",
        "web1://10.0.0.5:22",
        "web1://[::1]:22",
        "-h",
        "/etc/mooring/config.toml",
        "a b:c@d",
    ],
)
def test_what_has_no_password_is_left_alone(word: str) -> None:
    assert masked(word) == word


@given(
    st.sampled_from(["", "--channel=", "web1://", "--channel=web1://"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Z", "C"]), min_size=3),
)
def test_whatever_a_password_is_it_is_masked(before: str, password: str) -> None:
    hidden = masked(f"{before}deploy:{password}@host")
    assert hidden == f"{before}deploy:********@host"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1))
def test_a_target_with_a_password_is_seen_as_one(password: str) -> None:
    target = Target(alias="web1", host="10.0.0.5").with_options(username="a b", password=password)
    assert masked(target.dsn(reveal=True)) == str(target)


@pytest.mark.parametrize("word", ["web1://a:{}@b", "--channel=web1://a:{}@b", "a:{}@b", "web1://:{}@b"])
@pytest.mark.parametrize("password", ["hunter2", "hunter 2", "/hunter2", "hunt:er@2", "'hunter2", '"hunter\\2'])
def test_a_complaint_about_a_word_repeats_no_password(word: str, password: str) -> None:
    given = word.format(password)
    told = masked_in(f"unrecognized arguments: {given} or alias://user:pass@host", ["--port", given])
    assert told == f"unrecognized arguments: {word.format('********')} or alias://user:pass@host"
    for quoted in (given, given.partition("=")[2] or given):
        told = masked_in(f"invalid int value: {quoted!r}", ["--port", given])
        assert "hunt" not in told
        assert "********" in told
