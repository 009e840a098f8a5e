"""Who is believed to be whom, as a table of decisions; and who waits for somebody's word. No wire is needed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

import pytest

from mooring.model.device import Device, HostKey
from mooring.model.errors import AliasInUse, HostKeyChanged, HostKeyError, InvalidInput, UnknownHostKey
from mooring.model.secret import Secret
from mooring.model.target import Target
from mooring.pool import roll as rolls
from mooring.pool import waiting as waitings
from mooring.pool.roll import Rejected, Roll
from mooring.wire.callhome import Claim


def key() -> HostKey:
    return HostKey("ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + os.urandom(32)).decode())


def claim(device_id: str | None, proven: HostKey | None = None, secret: str = "s") -> Claim:
    if proven is None:
        return Claim(device_id=device_id)
    digest = hmac.new(secret.encode(), proven.text.encode(), hashlib.sha1).hexdigest()
    return Claim(device_id=device_id, host_key=proven.text, hmac=digest)


def silent(_file: str, _name: str, _key: HostKey) -> str | None:
    return None


def judged(roll: Roll, said: Claim, shown: HostKey) -> str:
    """Who it is, the key learned as the server does it."""
    device, name = roll.judge(said, shown, silent)
    roll.learn(device, name, shown)
    return device.target.alias


def wait(roll: Roll, said: Claim, shown: HostKey, address: str = "192.0.2.1:1") -> str:
    return roll.waiting.add(said, shown, address, "reason", 1.0)[0].id


def known(device_id: str, **keywords: str) -> Device:
    return Device.parse(f"{device_id}://admin@{device_id}", **keywords)


# One secret on many devices says that a key is one of theirs, and not whose.


@pytest.mark.parametrize(
    "devices",
    [
        [known("a", secret="s"), known("b", secret="s")],
        [known("a", secret_from="env:S"), known("b", secret_from="env:S")],
        [Device.parse("kind://admin@any", device_id="?", alias="{device_id}", secret="s")],
    ],
    ids=["each named", "by reference", "a kind"],
)
def test_a_device_cannot_take_the_place_of_another_with_its_secret(devices: list[Device]) -> None:
    roll, of_a, of_b = Roll(devices), key(), key()
    for name, own in (("a", of_a), ("b", of_b)):
        device, meant = roll.judge(claim(name, own), own, silent, Secret("s"))
        roll.learn(device, meant, own)
    with pytest.raises(HostKeyChanged, match="claims b, other key than at its first call"):
        roll.judge(claim("b", of_a), of_a, silent, Secret("s"))
    new = key()
    roll.trust(wait(roll, claim("b", new), new))
    assert roll.judge(claim("b", new), new, silent, Secret("s"))[1] == "b"
    with pytest.raises(HostKeyChanged):
        roll.judge(claim("b", of_b), of_b, silent, Secret("s"))


def test_a_secret_that_one_device_has_proves_its_new_key() -> None:
    roll, old, new = Roll([known("a", secret="s"), known("b", secret="t")]), key(), key()
    assert judged(roll, claim("a", old), old) == judged(roll, claim("a", new), new) == "a"
    assert roll.pins == {"a": new.fingerprint}


def test_of_an_endless_number_of_names_so_many_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolls, "_PINS", 2)
    roll = Roll([Device.parse("kind://admin@any", device_id="x*", alias="{device_id}", secret="s")])
    keys = [key() for _ in range(3)]
    for number in (0, 1, 0):
        judged(roll, claim(f"x{number}", keys[number]), keys[number])
    with pytest.raises(HostKeyError, match="the keys of 2 devices are learned already"):
        judged(roll, claim("x2", keys[2]), keys[2])
    assert len(roll.pins) == 2


def test_judging_learns_nothing() -> None:
    roll, shown = Roll([known("a", host_key="accept-new")]), key()
    roll.judge(claim("a"), shown, silent)
    assert roll.pins == {}


# Devices that are configured without a key.


def test_a_configured_device_without_a_key_is_approved_by_its_id() -> None:
    roll, shown, other = Roll([known("core1")]), key(), key()
    with pytest.raises(UnknownHostKey, match="no key is known"):
        roll.judge(claim("core1"), shown, silent)
    waiting = wait(roll, claim("core1"), shown)
    with pytest.raises(AliasInUse):
        roll.approve(waiting, Target.parse("core1://device", username="u"))
    roll.trust(waiting)
    assert judged(roll, claim("core1"), shown) == "core1"
    with pytest.raises(HostKeyChanged, match="other key than the approved one"):
        roll.judge(claim("core1"), other, silent)


def test_what_cannot_be_trusted() -> None:
    roll = Roll([known("core1", host_key=key().text)])
    with pytest.raises(InvalidInput, match="held to the key that is configured"):
        roll.trust(wait(roll, claim("core1"), key()))
    with pytest.raises(InvalidInput, match="no device is configured as nobody"):
        roll.trust(wait(roll, claim("nobody"), key()))
    with pytest.raises(InvalidInput, match="no device is configured"):
        roll.trust(wait(roll, claim(None), key()))
    assert len(roll.waiting.all) == 3


@pytest.mark.parametrize("how", ["known_hosts", "secret", "host_key"])
def test_a_revoked_key_is_refused_however_it_is_known(how: str) -> None:
    shown = key()
    given = {"known_hosts": "/hosts", "secret": "s", "host_key": shown.text}
    roll = Roll([known("core1", **{"known_hosts": "/hosts", how: given[how]})])
    with pytest.raises(HostKeyChanged, match="a revoked key"):
        roll.judge(claim("core1", shown), shown, lambda *_: "revoked")


# Those that were rejected.


def test_a_key_that_is_configured_later_outranks_its_rejection() -> None:
    roll, shown = Roll(), key()
    waiting = wait(roll, claim("c1"), shown)
    roll.waiting.reject(waiting)
    with pytest.raises(Rejected):
        roll.judge(claim("c1"), shown, silent)
    roll.add(known("c1", host_key=shown.text))
    assert judged(roll, claim("c1"), shown) == "c1"


@pytest.mark.parametrize("how", [{"host_key": "accept-new"}, {"secret": "s"}, {"known_hosts": "/hosts"}])
def test_a_rejection_outranks_what_does_not_name_the_key(how: dict[str, str]) -> None:
    roll, shown = Roll([known("c1", **how)]), key()
    roll.waiting.reject(wait(roll, claim("c1"), shown))
    with pytest.raises(Rejected):
        roll.judge(claim("c1", shown), shown, lambda *_: "authority")
    assert roll.pins == {}


def test_a_rejection_can_be_taken_back() -> None:
    roll, shown = Roll(), key()
    waiting = wait(roll, claim("c1"), shown)
    roll.waiting.reject(waiting)
    assert wait(roll, claim("c1"), shown) == waiting
    assert roll.waiting[waiting].rejected
    roll.waiting.take(waiting)
    with pytest.raises(UnknownHostKey):
        roll.judge(claim("c1"), shown, silent)


def test_after_any_number_of_rejections_a_device_waits() -> None:
    roll = Roll()
    for _ in range(1001):
        roll.waiting.reject(wait(roll, claim("x"), key()))
    shown = key()
    first, new = roll.waiting.add(claim("good"), shown, "192.0.2.1:1", "reason", 1.0)
    again, newer = roll.waiting.add(claim("good"), shown, "192.0.2.1:1", "reason", 2.0)
    assert (new, newer, first.id, again.calls) == (True, False, again.id, 2)
    assert roll.waiting.all[-1] == again
    assert len(roll.waiting.all) == 1002


# Those that wait.


def test_what_somebody_saw_is_what_is_approved() -> None:
    roll, shown = Roll([Device.parse("kind://admin@any", device_id="core*", alias="{device_id}", secret="s")]), key()
    waiting = wait(roll, claim("lab9"), shown)
    later, new = roll.waiting.add(claim("core1"), shown, "192.0.2.1:1", "reason", 2.0)
    assert (later.id, later.device_id, later.also, new) == (waiting, "lab9", ("core1",), True)
    device = roll.approve(waiting, Target.parse("lab9://device", username="u"))
    assert device.device_id == "lab9"
    real = key()
    assert judged(roll, claim("core1", real), real) == "kind"
    with pytest.raises(HostKeyError):
        roll.judge(claim("core1"), shown, silent)


def test_whoever_changes_its_name_at_each_call_is_told_of_a_few_times() -> None:
    waiting, shown = waitings.Waiting(), key()
    told = [waiting.add(claim(f"n{number % 50}"), shown, "192.0.2.1:1", "reason", 1.0)[1] for number in range(200)]
    assert sum(told) == 8
    assert len(waiting.all) == 1


def test_one_source_does_not_push_out_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waitings, "_MOST", 20)
    monkeypatch.setattr(waitings, "_PER_SOURCE", 8)
    waiting, shown = waitings.Waiting(), [key() for _ in range(3)]
    for number, each in enumerate(shown):
        waiting.add(claim("good"), each, f"[2001:db8:{number}::1]:1", "reason", 1.0)
    for number in range(200):
        waiting.add(claim("bad"), key(), f"198.51.100.{number % 4}:{number}", "reason", 1.0)
        assert len(waiting.all) <= 20
    names = [each.device_id for each in waiting.all]
    assert names.count("good") == 3
    for _ in range(200):
        waiting.add(claim("one"), key(), "203.0.113.1:1", "reason", 1.0)
    assert [each.device_id for each in waiting.all].count("one") <= 8
    assert [each.device_id for each in waiting.all].count("good") == 3


def test_a_device_that_calls_from_elsewhere_counts_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waitings, "_PER_SOURCE", 1)
    waiting, shown = waitings.Waiting(), key()
    for address in ("192.0.2.1:1", "192.0.2.2:1"):
        waiting.add(claim("a"), shown, address, "reason", 1.0)
    waiting.add(claim("b"), key(), "192.0.2.1:1", "reason", 1.0)
    assert {each.device_id for each in waiting.all} == {"a", "b"}


def test_an_id_is_too_long_to_be_made_twice() -> None:
    assert len(wait(Roll(), claim("a"), key())) * 4 >= 96
