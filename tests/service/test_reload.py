"""What a new configuration changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import AliasInUse
from mooring.model.target import Target
from mooring.service.reload import Changes, changes, hops_first


def at(alias: str, host: str = "host", **options: Any) -> Target:
    return Target.parse(f"{alias}://{host}", **options)


def test_only_what_changed_is_touched() -> None:
    held = {"same": at("same"), "gone": at("gone"), "moved": at("moved", "old"), "broken": None}
    wanted = [at("new"), at("same"), at("moved", "other"), at("broken")]
    assert changes(held, wanted) == Changes(
        stop=("gone",), start=(at("new"),), replace=(at("moved", "other"), at("broken"))
    )


@pytest.mark.parametrize(
    "options", [{"password": "x"}, {"label": "a:b"}, {"port": 2222}, {"keepalive": 3}, {"identity": "none"}]
)
def test_every_field_counts(options: dict[str, Any]) -> None:
    other = at("a", **options)
    assert changes({"a": at("a")}, [other]).replace == (other,)
    assert changes({"a": other}, [other]) == Changes(stop=(), start=(), replace=())


def test_a_name_may_stand_there_once() -> None:
    with pytest.raises(AliasInUse, match="twice"):
        changes({}, [at("a"), at("a", "other")])


def test_hops_come_first() -> None:
    targets = [at("c", jump="b"), at("x"), at("b", jump="a"), at("a"), at("y", jump="me@gateway:22")]
    assert [target.alias for target in hops_first(targets)] == ["a", "b", "c", "x", "y"]
    assert changes({}, targets).start == tuple(hops_first(targets))


def test_a_circle_is_left_to_who_starts_it() -> None:
    circle = [at("a", jump="b"), at("b", jump="a"), at("c", jump="c")]
    assert sorted(target.alias for target in hops_first(circle)) == ["a", "b", "c"]


NAMES = st.sampled_from("abcdefgh")
TARGETS = st.dictionaries(NAMES, st.tuples(NAMES, st.sampled_from(["h1", "h2"]))).map(
    lambda found: [at(alias, host, jump=hop) for alias, (hop, host) in found.items()]
)


@given(held=TARGETS, wanted=TARGETS)
def test_what_is_done_makes_the_one_of_the_other(held: list[Target], wanted: list[Target]) -> None:
    before = {target.alias: target for target in held}
    todo = changes(before, wanted)
    after = {alias: target for alias, target in before.items() if alias not in todo.stop}
    assert not {target.alias for target in todo.start} & set(before)
    assert {target.alias for target in todo.replace} <= set(after)
    after |= {target.alias: target for target in (*todo.start, *todo.replace)}
    assert after == {target.alias: target for target in wanted}


@given(targets=TARGETS)
def test_the_order_loses_none_and_puts_hops_first_wherever_that_can_be(targets: list[Target]) -> None:
    ordered = hops_first(targets)
    assert sorted(map(str, ordered)) == sorted(map(str, targets))
    place = {target.alias: number for number, target in enumerate(ordered)}
    hops = {target.alias: (target.jump or ("",))[0] for target in targets}
    for alias, hop in hops.items():
        seen = {alias}
        way = hop
        while way in place and way not in seen:
            seen.add(way)
            way = hops[way]
        if way not in place and hop in place:  # no circle on the way
            assert place[hop] < place[alias]
