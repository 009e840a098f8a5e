"""How the results of many are put together."""

from __future__ import annotations

from typing import Any

import pytest

from mooring.cli.grouped import Groups, natural


def _result(alias: str, **said: object) -> dict[str, Any]:
    result = {"stdout": "", "stderr": "", "exit_status": 0, "exit_signal": None, **said}
    return {"alias": alias, "result": result}


def _shown(capsys: pytest.CaptureFixture[str], *outcomes: dict[str, Any]) -> tuple[str, str]:
    groups = Groups("do 'it'")
    for outcome in outcomes:
        groups.add(outcome)
    groups.show()
    return capsys.readouterr()


def test_names_are_sorted_as_people_count() -> None:
    assert natural(["e10", "e2", "e1", "2", "10", "a-1.x", "a-1", "E3"]) == [
        "2",
        "10",
        "E3",
        "a-1",
        "a-1.x",
        "e1",
        "e2",
        "e10",
    ]


def test_the_largest_group_comes_first_then_the_first_name(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [_result(alias, stdout=text) for alias, text in (("c", "1"), ("b", "2"), ("d", "3\n"), ("a", "3\n"))]
    assert _shown(capsys, *outcomes) == ("== a, d\n3\n== b\n2\n== c\n1\n", "")


def test_what_was_printed_on_stderr_stays_there(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = _shown(capsys, _result("a", stdout="x\n", stderr="careful\n"))
    assert (out, err) == ("== a\nx\n", "== a: on stderr\ncareful\n")


def test_what_differs_too_much_is_shown_as_it_comes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.cli.grouped._KEPT", 10)
    cleared: list[str] = []
    groups = Groups("x", before=lambda: cleared.append(capsys.readouterr().out))
    for alias, text in (("a", "12345\n"), ("b", "other\n"), ("c", "12345\n"), ("d", "z\n")):
        groups.add(_result(alias, stdout=text))
    assert capsys.readouterr() == ("== b\nother\n", "")
    assert cleared == [""]
    groups.show()
    told = "mooring run: what equalled nothing was shown as it came, since much is kept already: b\n"
    assert capsys.readouterr() == ("== a, c\n12345\n== d\nz\n", f"{told}  hint: --out DIR writes files\n")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"exit_status": 4}, "status 4"),
        ({"exit_status": -1, "exit_signal": "KILL"}, "ended by KILL"),
        ({"exit_status": None}, "told no status"),
    ],
)
def test_how_it_ended(capsys: pytest.CaptureFixture[str], said: dict[str, object], told: str) -> None:
    out, err = _shown(capsys, _result("a", stdout="x\n", **said), _result("b", stdout="x\n"))
    assert out == f"== a: {told}\nx\n== b\nx\n"
    again = "`mooring run a -- 'do '\"'\"'it'\"'\"''`"
    assert err == f"mooring run: 1 of 2 failed\n  {told}: a\n  hint: {again} tries them again\n"


def test_many_failures_name_no_command_to_copy(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = _shown(capsys, *(_result(f"e{number}", exit_status=1) for number in range(1, 31)))
    assert f"  status 1: {', '.join(f'e{number}' for number in range(1, 31))}\n" in err
    assert "tries them again" not in err
    assert "--failed FILE" in err


def test_an_error_is_told_once_for_all_who_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "session-not-up", "detail": "a is \x1b[2Jdown", "hint": "wait"}
    out, err = _shown(capsys, {"alias": "b", "error": error}, {"alias": "a", "error": error})
    assert out == ""
    assert "  session-not-up: a, b\n    a is \\x1b[2Jdown\n  hint: `mooring start ALIAS` tries again" in err


def test_names_are_cut_where_a_terminal_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.cli.grouped.width", lambda _: 40)
    names = [f"edge{number}" for number in range(1, 5001)]
    out, _ = _shown(capsys, *(_result(name, stdout="x\n") for name in names))
    heading, _ = out.splitlines()
    assert heading == "== edge1, edge2, edge3 and 4997 more"
    out, _ = _shown(
        capsys, *(_result(f"a-very-long-name-of-a-switch-in-ams-{number}", stdout="x\n") for number in (1, 2))
    )
    assert out.splitlines()[0] == "== 2 sessions"


def _differing(capsys: pytest.CaptureFixture[str], *outcomes: dict[str, Any]) -> tuple[str, str]:
    groups = Groups("x", diff=True)
    for outcome in outcomes:
        groups.add(outcome)
    groups.show()
    return capsys.readouterr()


def test_others_are_shown_by_what_differs_from_the_most_common(capsys: pytest.CaptureFixture[str]) -> None:
    common = "".join(f"line {number}\n" for number in range(20))
    other = common.replace("line 7\n", "line seven\n")
    outcomes = [_result(alias, stdout=common) for alias in "ac"] + [_result("b", stdout=other, stderr="careful\n")]
    out, err = _differing(capsys, *outcomes)
    assert out == f"== a, c\n{common}== b: differs\n@@ -7,3 +7,3 @@\n line 6\n-line 7\n+line seven\n line 8\n"
    assert err == "== b: on stderr\ncareful\n"


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        ("x\ny\n", "== c\nx\ny\n"),  # nothing in common
        ("", "== c: nothing\n"),
        ("1\n2", "== c\n1\n2\n"),  # but for the end of the last line
        ("1\n" * 2001, "== c\n" + "1\n" * 2001),  # too long
    ],
    ids=["nothing in common", "nothing", "a line's end", "too long"],
)
def test_what_is_no_small_difference_is_shown_whole(capsys: pytest.CaptureFixture[str], other: str, shown: str) -> None:
    out, _ = _differing(capsys, *(_result(alias, stdout="1\n2\n") for alias in "ab"), _result("c", stdout=other))
    assert out == f"== a, b\n1\n2\n{shown}"


def test_one_that_only_ends_otherwise_is_not_shown_twice(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [_result("a", stdout="x\n"), _result("b", stdout="x\n"), _result("c", stdout="x\n", exit_status=3)]
    out, _ = _differing(capsys, *outcomes)
    assert out == "== a, b\nx\n== c: status 3, the same\n"


def test_output_that_was_not_kept_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = _shown(capsys, _result("a", stdout="x", dropped=7), _result("b", stdout="y"))
    assert err == "mooring run: not all output was kept of a\n  hint: --max-output keeps more\n"
