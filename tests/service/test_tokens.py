"""Named tokens: who may make them, who bears them, and what ends with them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from mooring import InvalidInput, NotAllowed, StateError, TokenInUse, UnknownToken
from mooring.model.access import Action, Actor
from mooring.model.errors import InvalidSelector
from mooring.model.token import KeptToken
from mooring.service.tokens import Tokens

from .held import ROOT, actor

pytestmark = pytest.mark.anyio


@dataclass
class Kept:
    """A memory without a disk, which can be full."""

    entries: dict[str, KeptToken] = field(default_factory=dict)
    full: bool = False

    async def kept(self) -> list[KeptToken]:
        return list(self.entries.values())

    async def keep(self, kept: KeptToken) -> None:
        self._check()
        self.entries[kept.token.name] = kept

    async def forget(self, name: str) -> None:
        self._check()
        del self.entries[name]

    def _check(self) -> None:
        if self.full:
            raise StateError("the disk is full")


class Clock:
    """The time, as a test wants it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_bearer_is_who_the_token_says_until_it_ends() -> None:
    memory, clock = Kept(), Clock()
    tokens = Tokens(memory, clock)
    token, secret = await tokens.create(ROOT, "ci", [Action.RUN, Action.READ], "edge*", expires_in=60)
    assert (token.actions, token.created, token.expires) == ((Action.READ, Action.RUN), 1000.0, 1060.0)
    shown = secret.reveal().encode()
    bearer = tokens.bearer(shown, "tcp")
    assert bearer is not None
    assert bearer == Actor(name="ci", door="tcp", grants=(token.grant,), token=bearer.token)
    assert bearer.token not in repr(bearer)
    assert tokens.bearer(shown + b"x", "tcp") is tokens.bearer(b"", "tcp") is None
    assert shown not in str(memory.entries).encode()

    again = Tokens(memory, clock)  # after a restart
    assert again.bearer(shown, "tcp") is None
    await again.restore()
    assert again.bearer(shown, "tcp") == bearer
    clock.now = 1059.9
    assert again.bearer(shown, "tcp") == bearer
    clock.now = 1060.0
    assert again.bearer(shown, "tcp") is None
    assert again.list(ROOT) == [token]


async def test_only_who_may_do_everything_sees_makes_and_revokes_them() -> None:
    tokens = Tokens(None)
    for some in (actor(admin="edge*"), actor(read="all", run="all", approve="all"), actor()):
        with pytest.raises(NotAllowed, match="joe may not see tokens"):
            tokens.list(some)
        with pytest.raises(NotAllowed, match="joe may not create tokens"):
            await tokens.create(some, "ci", [Action.READ], "all", expires_in=None)
        with pytest.raises(NotAllowed, match="joe may not revoke tokens"):
            await tokens.revoke(some, "ci")
    assert tokens.list(ROOT) == []


@pytest.mark.parametrize(
    ("name", "actions", "selector", "expires_in", "error"),
    [
        ("", ["read"], "all", None, InvalidInput),
        ("a b", ["read"], "all", None, InvalidInput),
        ("a\nb", ["read"], "all", None, InvalidInput),
        ("x" * 65, ["read"], "all", None, InvalidInput),
        ("token", ["read"], "all", None, InvalidInput),
        ("anybody", ["read"], "all", None, InvalidInput),
        ("ci", [], "all", None, InvalidInput),
        ("ci", ["read"], "", None, InvalidSelector),
        ("ci", ["read"], "@/etc/passwd", None, InvalidSelector),
        ("ci", ["read"], "all", 0, InvalidInput),
        ("ci", ["read"], "all", -1, InvalidInput),
    ],
)
async def test_what_cannot_be(
    name: str, actions: list[str], selector: str, expires_in: float | None, error: type[InvalidInput]
) -> None:
    memory = Kept()
    tokens = Tokens(memory)
    with pytest.raises(error):
        await tokens.create(ROOT, name, list(map(Action, actions)), selector, expires_in)
    assert memory.entries == {}


async def test_names_are_unique_and_a_full_disk_changes_nothing() -> None:
    memory = Kept()
    tokens = Tokens(memory)
    _, secret = await tokens.create(ROOT, "ci", [Action.READ], "all", expires_in=None)
    with pytest.raises(TokenInUse):
        await tokens.create(ROOT, "ci", [Action.READ], "all", expires_in=None)
    memory.full = True
    with pytest.raises(StateError):
        await tokens.create(ROOT, "other", [Action.READ], "all", expires_in=None)
    with pytest.raises(StateError):
        await tokens.revoke(ROOT, "ci")
    assert [token.name for token in tokens.list(ROOT)] == ["ci"]
    assert tokens.bearer(secret.reveal().encode(), "tcp") is not None
    memory.full = False
    assert (await tokens.revoke(ROOT, "ci")).name == "ci"
    assert tokens.bearer(secret.reveal().encode(), "tcp") is None
    with pytest.raises(UnknownToken):
        await tokens.revoke(ROOT, "ci")


async def test_revoking_cuts_what_goes_on_and_nothing_else() -> None:
    tokens = Tokens(None)
    cut: list[str] = []
    bearers = {}
    for name in ("ci", "other"):
        _, secret = await tokens.create(ROOT, name, [Action.READ], "all", expires_in=3600)
        bearers[name] = tokens.bearer(secret.reveal().encode(), "tcp")
    ci, other = bearers["ci"], bearers["other"]
    assert ci is not None
    assert other is not None
    with tokens.holding(ci, lambda: cut.append("past")):
        pass
    with (
        tokens.holding(ci, lambda: cut.append("one")),
        tokens.holding(ci, lambda: cut.append("two")),
        tokens.holding(other, lambda: cut.append("other")),
        tokens.holding(ROOT, lambda: cut.append("root")),
    ):
        await tokens.revoke(ROOT, "ci")
        assert sorted(cut) == ["one", "two"]
    with tokens.holding(ci, lambda: cut.append("late")):  # let in just before
        assert cut[2:] == ["late"]


async def test_time_cuts_too() -> None:
    clock = Clock()
    tokens = Tokens(None, clock)
    _, secret = await tokens.create(ROOT, "ci", [Action.READ], "all", expires_in=0.05)
    bearer = tokens.bearer(secret.reveal().encode(), "tcp")
    assert bearer is not None
    cut = asyncio.Event()
    with tokens.holding(bearer, cut.set):
        assert not cut.is_set()
        clock.now += 0.05
        async with asyncio.timeout(30):
            await cut.wait()
