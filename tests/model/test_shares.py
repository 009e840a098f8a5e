"""Every item is accounted for exactly once, whoever answers, fails or dies, in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mooring.model.shares import ATTEMPTS, Share, Shares

HOSTS = ("a", "b", "c", "d")


@given(st.integers(1, 4), st.integers(0, 30), st.data())
def test_every_item_is_accounted_for_once(window: int, count: int, data: st.DataObject) -> None:
    shares: Shares[int] = Shares(window)
    for host in HOSTS:
        shares.join(host)
    rest, under_way, accounted = list(range(count)), list[Share[int]](), list[int]()
    while rest or shares.left:
        for _ in range(min(shares.wanted, len(rest))):
            shares.add(rest.pop(0))
        while (share := shares.hand_out()) is not None:
            under_way.append(share)
            assert sum(one.host == share.host for one in under_way) <= window
            assert share.host not in share.tried
        assert shares.under_way == len(under_way)
        if under_way:
            share = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            if data.draw(st.integers(0, 9)):
                shares.done(share)
                accounted.append(share.item)
            else:
                shares.leave(share.host)
                for lost in [share, *(one for one in under_way if one.host == share.host)]:
                    tried = shares.again(lost)
                    if tried is not None:
                        assert len(set(tried)) == ATTEMPTS
                        accounted.append(lost.item)
                under_way = [one for one in under_way if one.host != share.host]
        accounted += [item for item, _ in shares.orphans()]
        if not shares.hosts:
            accounted += rest
            rest = []
    assert sorted(accounted) == list(range(count))


def test_hosts_take_turns_and_only_those_that_are_ready() -> None:
    shares: Shares[int] = Shares(2)
    for host in HOSTS:
        shares.join(host)
    for item in range(8):
        shares.add(item)
    given_to = [share.host for _ in range(4) if (share := shares.hand_out(lambda host: host != "b"))]
    assert given_to == ["a", "c", "d", "a"]
    assert shares.free(lambda host: host == "b")
    assert not shares.free(lambda host: host == "a")
    assert shares.hand_out(lambda _: False) is None


def test_what_was_lost_comes_before_what_waits() -> None:
    shares: Shares[str] = Shares(1)
    shares.join("a")
    shares.join("b")
    for item in ("first", "second", "third"):
        shares.add(item)
    first = shares.hand_out()
    assert first == Share("a", "first", ())
    shares.leave("a")
    assert shares.again(first) is None
    assert shares.hand_out() == Share("b", "first", ("a",))


def test_what_never_left_was_not_tried() -> None:
    shares: Shares[str] = Shares(1)
    shares.join("a")
    shares.add("x")
    share = shares.hand_out()
    assert share is not None
    shares.leave("a")
    assert shares.again(share, sent=False) is None
    assert list(shares.orphans()) == [("x", ())]
    assert not shares.left
