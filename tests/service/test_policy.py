"""Who may do what, as a table and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.errors import InvalidSelector, MooringError, NotAllowed, UnknownAlias
from mooring.model.selector import ALIAS, LABEL
from mooring.service import policy

from .held import ROOT, actor

NOBODY = actor()

ALLOWED = [
    (ROOT, Action.RUN, "edge1", (), True),
    (ROOT, Action.ADMIN, "edge1", (), True),
    (NOBODY, Action.READ, "edge1", (), False),
    (actor(run="edge1"), Action.RUN, "edge1", (), True),
    (actor(run="edge1"), Action.RUN, "edge12", (), False),
    (actor(run="edge1"), Action.RUN, "Edge1", (), False),
    (actor(run="edge1"), Action.READ, "edge1", (), False),
    (actor(run="edge1"), Action.SHELL, "edge1", (), False),
    (actor(run="edge*"), Action.RUN, "edge12", (), True),
    (actor(run="all,!edge1"), Action.RUN, "edge1", (), False),
    (actor(run="all,!edge1"), Action.RUN, "edge2", (), True),
    (actor(run="site:ams"), Action.RUN, "edge1", ("site:ams",), True),
    (actor(run="site:ams"), Action.RUN, "edge1", ("site:lon", "role:spine"), False),
    (actor(run="site:ams"), Action.RUN, "edge1", (), False),
    (actor(run="all,!site:ams"), Action.RUN, "edge1", ("site:ams",), False),
    (actor(admin="edge1"), Action.NETCONF, "edge1", (), True),
    (actor(admin="edge1"), Action.READ, "edge1", (), True),
    (actor(admin="edge1"), Action.READ, "edge2", (), False),
    (actor(read="all", run="edge1"), Action.RUN, "edge2", (), False),
    (actor(read="all", run="edge1"), Action.RUN, "edge1", (), True),
    (actor(approve="all"), Action.ADMIN, "edge1", (), False),
]


@pytest.mark.parametrize(("who", "action", "alias", "labels", "expected"), ALLOWED)
def test_what_is_allowed(who: Actor, action: Action, alias: str, labels: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert policy.allowed(who, action, alias, labels) is expected


def test_one_grant_s_selector_does_not_widen_another_s_actions() -> None:
    both = Actor(
        name="joe",
        door="tcp",
        grants=(
            Grant(selector="edge1", actions=frozenset({Action.READ, Action.RUN})),
            Grant(selector="edge2", actions=frozenset({Action.READ})),
        ),
    )
    assert policy.allowed(both, Action.RUN, "edge1")
    assert not policy.allowed(both, Action.RUN, "edge2")


REFUSED = [
    (actor(read="all"), Action.RUN, NotAllowed),
    (actor(read="edge1", run="edge2"), Action.RUN, NotAllowed),
    (actor(run="edge2"), Action.RUN, UnknownAlias),
    (NOBODY, Action.READ, UnknownAlias),
    (actor(run="all"), Action.NETCONF, UnknownAlias),
    (actor(read="all"), Action.ADMIN, NotAllowed),
]


@pytest.mark.parametrize(("who", "action", "error"), REFUSED)
def test_a_refusal_tells_only_whom_may_read(who: Actor, action: Action, error: type[MooringError]) -> None:
    with pytest.raises(error) as refused:
        policy.check(who, action, "edge1")
    if error is UnknownAlias:
        assert str(refused.value) == str(policy.unknown("edge1"))
    else:
        assert action in str(refused.value)
        assert "joe" in str(refused.value)


EVERYTHING = [
    (ROOT, True),
    (actor(admin="*"), True),
    (actor(admin="edge1,all"), True),
    (actor(admin="all,!edge1"), False),
    (actor(admin="!edge1"), False),
    (actor(admin="edge*"), False),
    (actor(admin="*:*"), False),
    (actor(read="all", run="all"), False),
    (NOBODY, False),
]


@pytest.mark.parametrize(("who", "expected"), EVERYTHING)
def test_who_may_do_everything(who: Actor, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert policy.everything(who) is expected
    if expected:
        policy.check_everything(who, "start sessions")
    else:
        with pytest.raises(NotAllowed, match="start sessions"):
            policy.check_everything(who, "start sessions")


@pytest.mark.parametrize("selector", ["", "a b", "@/etc/passwd", "!@x"])
def test_a_malformed_grant_allows_nothing(selector: str) -> None:
    with pytest.raises(InvalidSelector):
        policy.allowed(actor(run=selector), Action.RUN, "edge1")
    with pytest.raises(InvalidSelector):
        policy.everything(actor(admin=selector))


def test_what_is_no_alias_is_not_repeated() -> None:
    assert "edge1" in str(policy.unknown("edge1"))
    assert "secret" not in str(policy.unknown("a://me:secret@host"))


ALIASES = st.from_regex(ALIAS, fullmatch=True)
LABELS = st.lists(st.from_regex(LABEL, fullmatch=True), max_size=3)
SELECTORS = st.sampled_from(["all", "edge*", "edge1", "site:ams", "!edge1", "all,!site:*", "a,b", "[a-c]*"])
GRANTS = st.builds(
    Grant, selector=SELECTORS, actions=st.frozensets(st.sampled_from(list(Action)), max_size=len(Action))
)
ACTORS = st.builds(Actor, name=st.just("joe"), door=st.just("tcp"), grants=st.lists(GRANTS, max_size=4).map(tuple))
ACTIONS = st.sampled_from(list(Action))


@given(who=ACTORS, action=ACTIONS, alias=ALIASES, labels=LABELS)
def test_check_agrees_with_allowed(who: Actor, action: Action, alias: str, labels: list[str]) -> None:
    if policy.allowed(who, action, alias, labels):
        policy.check(who, action, alias, labels)
    else:
        with pytest.raises(NotAllowed if policy.allowed(who, Action.READ, alias, labels) else UnknownAlias):
            policy.check(who, action, alias, labels)


@given(who=ACTORS, more=GRANTS, action=ACTIONS, alias=ALIASES, labels=LABELS)
def test_a_grant_more_takes_nothing_away(
    who: Actor, more: Grant, action: Action, alias: str, labels: list[str]
) -> None:
    richer = Actor(name=who.name, door=who.door, grants=(*who.grants, more))
    assert policy.allowed(richer, action, alias, labels) or not policy.allowed(who, action, alias, labels)
    assert policy.everything(richer) or not policy.everything(who)


@given(who=ACTORS, action=ACTIONS, alias=ALIASES, labels=LABELS)
def test_who_may_do_everything_may_do_this(who: Actor, action: Action, alias: str, labels: list[str]) -> None:
    if policy.everything(who):
        assert policy.allowed(who, action, alias, labels)
    assert not policy.allowed(Actor(name="", door="", grants=()), action, alias, labels)
    assert policy.allowed(Actor(name="", door="", grants=(*who.grants, ADMIN)), action, alias, labels)
