"""A selector means the sessions it should, and says where it is malformed."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.model.errors import InvalidSelector, NothingSelected
from mooring.model.selector import ALIAS, LABEL, Selector
from tests.model import strategies

FLEET = {
    "edge1": ("site:ams", "role:edge"),
    "edge2": ("site:fra", "role:edge"),
    "edge10": ("site:ams-2", "role:edge"),
    "core1": ("site:ams", "role:core", "if:ge-0/0/1"),
    "Core2": (),
}
SYNTAX = "write an alias, edge*, site:ams, all, !excluded or @file, with commas between"
DSN = "a DSN starts a session; a selector names it by the alias before '://'"


def meant(selector: Selector) -> str:
    return " ".join(alias for alias, labels in FLEET.items() if selector.matches(alias, labels))


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        ("edge1", "edge1"),
        ("edge1,core1", "edge1 core1"),
        (" edge1 ,\tcore1 ,", "edge1 core1"),
        ("edge1\ncore1\r\nedge2\rCore2", "edge1 edge2 core1 Core2"),
        ("nobody", ""),
        ("all", "edge1 edge2 edge10 core1 Core2"),
        ("*", "edge1 edge2 edge10 core1 Core2"),
        ("edge*", "edge1 edge2 edge10"),
        ("edge?", "edge1 edge2"),
        ("edge[1-2]", "edge1 edge2"),
        ("edge[!1]", "edge2"),
        ("[Cc]ore*", "core1 Core2"),
        ("core*", "core1"),
        ("CORE1", ""),
        ("edge", ""),
        ("site:ams", "edge1 core1"),
        ("site:ams*", "edge1 edge10 core1"),
        ("site:*", "edge1 edge2 edge10 core1"),
        ("*:core", "core1"),
        ("if:ge-0/0/1", "core1"),
        ("site:ams,edge2", "edge1 edge2 core1"),
        ("site:ams,!core1", "edge1"),
        ("!core1,site:ams", "edge1"),
        ("!edge*", "core1 Core2"),
        ("!site:ams,!edge2", "edge10 Core2"),
        ("all,!role:edge", "core1 Core2"),
        ("edge1,!edge1", ""),
        ("!all", ""),
        ("all,!*:*", "Core2"),
    ],
)
def test_means(text: str, aliases: str) -> None:
    selector = Selector.parse(text)
    assert meant(selector) == aliases
    assert str(selector) == text


@pytest.mark.parametrize(
    ("text", "include", "exclude", "named"),
    [
        ("a,all,x*,k:v,!b,!all", ("a", "*", "x*", "k:v"), ("b", "*"), ("a",)),
        ("!b", ("*",), ("b",), ()),
        ("a.b-c_d", ("a.b-c_d",), (), ("a.b-c_d",)),
    ],
)
def test_its_parts(text: str, include: tuple[str, ...], exclude: tuple[str, ...], named: tuple[str, ...]) -> None:
    selector = Selector.parse(text)
    assert (selector.include, selector.exclude, selector.named) == (include, exclude, named)


FILES = {
    "plain": "edge1\nedge2\n",
    "windows": "\ufeffedge1\r\n\r\n  core1\t\r\n",
    "comments": "# the edge, all of it\nedge1 # was edge9, !edge1\n#edge2\n\nsite:fra,!edge10",
    "nested": "@plain\n!edge1\ncore1",
    "dir/deep": "@nested",
    "empty": "# nobody\n",
    "wrong": "edge1\n edge1,  a b\n",
    "dsn": "edge1://u:pw@h\n",
    "self": "edge1\n@self",
    "one": "@two",
    "two": "edge1,@one",
    "not": "!@plain",
}


@pytest.mark.parametrize(
    ("text", "aliases"),
    [
        ("@plain", "edge1 edge2"),
        ("@windows", "edge1 core1"),
        ("@comments", "edge1 edge2"),
        ("@nested", "edge2 core1"),
        ("@dir/deep, Core2", "edge2 core1 Core2"),
        ("@plain,!edge1", "edge2"),
        ("@empty,edge1", "edge1"),
    ],
)
def test_reads_files(text: str, aliases: str) -> None:
    selector = Selector.parse(text, read=FILES.__getitem__)
    assert meant(selector) == aliases
    assert str(selector) == text


def test_reads_real_files(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(b"edge1\r\n# f\xc3\xbcr\r\nedge2")
    (tmp_path / "latin").write_bytes(b"edge1\n# f\xfcr")

    def read(name: str) -> str:
        return (tmp_path / name).read_text("utf-8")

    assert meant(Selector.parse("@hosts", read=read)) == "edge1 edge2"
    assert fault("@latin", read) == (
        "the selector at character 1 names a file that cannot be read: it is not UTF-8",
        None,
    )
    assert fault("a,@none", read) == (
        "the selector at character 3 names a file that cannot be read: No such file or directory",
        None,
    )
    assert fault("@a\0b", read) == (
        "the selector at character 1 names a file that cannot be read: its name cannot be one",
        None,
    )


def fault(text: object, read: object = None) -> tuple[str, str | None]:
    with pytest.raises(InvalidSelector) as caught:
        Selector.parse(text, read=read)  # type: ignore[arg-type]
    return caught.value.message, caught.value.hint


NOTHING = ("the selector names nothing", "write all to mean every session")
REFUSED = {
    "": NOTHING,
    " , ,\n": NOTHING,
    "a b": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "a, b;c": ("the selector at character 4 has no alias, glob or label", SYNTAX),
    "a,b\nc,!d!": ("the selector at line 2, character 3 has no alias, glob or label", SYNTAX),
    "a#b": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "all,#!core1": ("the selector at character 5 has no alias, glob or label", SYNTAX),
    "!": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "! a": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "!!a": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "-a": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    ".a": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "a/b": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "bücher": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "edge[1": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "edge1]": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "edge[]": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "site:": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    ":ams": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "a:b:c": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "site=ams": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "u@h": ("the selector at character 1 has no alias, glob or label", SYNTAX),
    "edge1://u:p@h": ("the selector at character 1 has no alias, glob or label", DSN),
    "a://h": ("the selector at character 1 has no alias, glob or label", DSN),
    "!@hosts": ("the selector at character 1 has no alias, glob or label", "write the ! before each term in the file"),
    "edge1, @hosts": (
        "the selector at character 8 names a file, and files may not be read here",
        "write the terms themselves",
    ),
    "*" * 20_000 + "+": ("the selector at character 1 has no alias, glob or label", SYNTAX),
}


@pytest.mark.parametrize(("text", "wanted"), REFUSED.items(), ids=lambda value: repr(value)[:40])
def test_refuses(text: str, wanted: tuple[str, str | None]) -> None:
    assert fault(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("@", ("the selector at character 1 has an '@' without a file name", SYNTAX)),
        ("@wrong", ("the file 'wrong' at line 2, character 10 has no alias, glob or label", SYNTAX)),
        ("@dsn", ("the file 'dsn' at character 1 has no alias, glob or label", DSN)),
        (
            "@not",
            ("the file 'not' at character 1 has no alias, glob or label", "write the ! before each term in the file"),
        ),
        (
            "@self",
            (
                "the file 'self' at line 2, character 1 names a file more than 8 files deep",
                "look for a file that names itself",
            ),
        ),
        (
            "@one",
            ("the file 'two' at character 7 names a file more than 8 files deep", "look for a file that names itself"),
        ),
    ],
)
def test_refuses_in_files(text: str, wanted: tuple[str, str | None]) -> None:
    assert fault(text, FILES.__getitem__) == wanted


@pytest.mark.parametrize("text", ["@empty", "@empty,!core1", "!core1\n@empty", "@empty,@empty"])
def test_a_file_that_names_nobody_does_not_mean_everybody(text: str) -> None:
    with pytest.raises(NothingSelected, match=r"^the file 'empty' names nobody$"):
        Selector.parse(text, read=FILES.__getitem__)
    assert Selector.parse(f"{text},a", read=FILES.__getitem__).include == ("a",)


@pytest.mark.parametrize(("value", "kind"), [(None, "NoneType"), (b"a", "bytes"), (["a"], "list")])
def test_refuses_what_is_no_text(value: object, kind: str) -> None:
    assert fault(value) == (f"a selector is a text, not {kind}", SYNTAX)


def test_is_a_frozen_value() -> None:
    selector = Selector.parse("a,!b")
    with pytest.raises(FrozenInstanceError):
        selector.text = "all"  # type: ignore[misc]
    assert Selector.parse(selector) is selector
    assert {selector: 1}[Selector.parse("a,!b")] == 1
    assert copy.deepcopy(selector) == selector == pickle.loads(pickle.dumps(selector))  # noqa: S301


def test_a_pathological_glob_is_quick() -> None:
    assert not Selector.parse("*a" * 100 + "b").matches("a" * 1000)


@given(strategies.ALIAS, st.lists(strategies.LABEL, max_size=3))
def test_every_session_can_be_named(alias: str, labels: list[str]) -> None:
    for term in [alias, *labels]:
        assert Selector.parse(term).matches(alias, labels)
        assert not Selector.parse(f"!{term}").matches(alias, labels)
    assert ALIAS.fullmatch(alias)
    assert all(LABEL.fullmatch(label) for label in labels)


SELECTOR_LIKE = st.text(st.sampled_from("ab0*?[]!-.,:/@# \r\n\ufeff") | st.characters(), max_size=20)


def unread(name: str) -> str:
    """A file by any name, in a folder that has none."""
    return (Path("/nonexistent") / name).read_text()


@given(SELECTOR_LIKE, SELECTOR_LIKE, st.booleans())
@example("@\0", "", True)  # noqa: FBT003
def test_any_text_is_a_selector_or_an_invalid_selector(text: str, file: str, exists: bool) -> None:  # noqa: FBT001
    try:
        selector = Selector.parse(text, read=(lambda _: file) if exists else unread)
    except (InvalidSelector, NothingSelected):
        return
    assert selector.include
    assert selector.matches("a", ("k:v",)) in {True, False}


def test_what_strangers_can_write_down_costs_little() -> None:
    """Terms are looked up, not tried one after the other, and of patterns there may be so many."""
    many = Selector.parse(",".join(f"host{number}" for number in range(50_000)))
    assert sum(many.matches(f"host{number}") for number in range(100_000)) == 50_000
    with pytest.raises(InvalidSelector, match="more than 256 patterns"):
        Selector.parse(",".join(f"a{number}*" for number in range(257)))
    with pytest.raises(InvalidSelector, match="more than 100000 terms"):
        Selector.parse("a," * 100_001)
    patterns = Selector.parse(",".join(f"a{number}*b" for number in range(256)))
    assert not any(patterns.matches(f"host{number}") for number in range(5_000))
