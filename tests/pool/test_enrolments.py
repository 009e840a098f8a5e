"""Which tokens are taken, as a table; and how many there may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mooring.model.device import HostKey
from mooring.model.enrolment import Enrolment
from mooring.model.errors import InvalidInput, UnknownAlias
from mooring.pool import enrolments
from mooring.pool.enrolments import Enrolments
from mooring.transport.accept import Refused
from mooring.wire.callhome import Claim
from mooring.wire.enrolment import Token

KEY = HostKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2Y8niqWaCm03dsxSeHTPHcZ3QYrMhqRtUai3Ve5k5v")
OTHER = HostKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2Y8niqWaCm03dsxSeHTPHcZ3QYrMhqRtUai3Ve5k5A")
TOKEN = Token(bytes(32), "SHA256:" + 43 * "A")
WEB1 = Enrolment(
    device_id="web1", alias="web1", labels=("site:ams",), public_key=TOKEN.public_key, issued=100.0, expires=200.0
)
NOW = 150.0


def claim(device_id: str = "web1", *, user: str | None = "deploy", said_id: str | None = None) -> Claim:
    proof = TOKEN.proof(device_id, user or "", KEY.text)
    return Claim(device_id=said_id or device_id, host_key=KEY.text, user=user, proof=proof)


def expecting(*expected: Enrolment) -> Enrolments:
    found = Enrolments()
    for each in expected:
        found.add(each)
    return found


def test_a_token_is_taken_and_makes_a_device() -> None:
    found = expecting(WEB1).judge(claim(), KEY, NOW)
    device = found.device("deploy", KEY.text, "/state/agent_key")
    assert (device.device_id, device.policy, device.pin) == ("web1", "pinned", KEY.text)
    assert (device.target.alias, device.target.username, device.target.label) == ("web1", "deploy", ("site:ams",))
    assert device.target.identity == ("/state/agent_key",)


WRONG = "it is wrong, or for another id, or there is a newer one"


@pytest.mark.parametrize(
    ("expected", "said", "key", "now", "why"),
    [
        (replace(WEB1, used=True), claim(), KEY, NOW, "it was used already"),
        (WEB1, claim(), KEY, 200.0, "it has expired"),
        (WEB1, claim(), OTHER, NOW, WRONG),
        (WEB1, claim("web2"), KEY, NOW, WRONG),
        (WEB1, claim("web2", said_id="web1"), KEY, NOW, WRONG),
        (WEB1, replace(claim(), user="root"), KEY, NOW, WRONG),
        (WEB1, replace(claim(), user=None), KEY, NOW, WRONG),
        (WEB1, replace(claim(), proof="A" * 86 + "=="), KEY, NOW, WRONG),
        (WEB1, replace(claim(), device_id=None), KEY, NOW, WRONG),
        (replace(WEB1, public_key=Token(bytes(range(32)), "").public_key), claim(), KEY, NOW, WRONG),
        # Who cannot show that they have the token is not told what became of it.
        (replace(WEB1, used=True), claim(), OTHER, NOW, WRONG),
        (WEB1, claim(), OTHER, 200.0, WRONG),
    ],
    ids=[
        "used",
        "expired",
        "another-key",
        "another-id",
        "made-for-another-id",
        "another-user",
        "no-user",
        "no-proof",
        "no-id",
        "a-newer-token",
        "used-and-wrong",
        "expired-and-wrong",
    ],
)
def test_a_token_that_is_not_taken(expected: Enrolment, said: Claim, key: HostKey, now: float, why: str) -> None:
    with pytest.raises(Refused) as caught:
        expecting(expected).judge(said, key, now)
    assert caught.value.told == f"token refused: {why}"
    assert caught.value.fingerprint == key.fingerprint


def test_it_is_used_once_and_a_newer_one_takes_its_place() -> None:
    found = expecting(WEB1)
    found.use("web1")
    with pytest.raises(Refused, match="used already"):
        found.judge(claim(), KEY, NOW)
    found.add(WEB1)
    assert found.judge(claim(), KEY, NOW) == WEB1
    assert found.remove("web1") == WEB1
    with pytest.raises(UnknownAlias):
        found.remove("web1")


def test_there_are_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolments, "_MOST", 2)
    other = replace(WEB1, device_id="web2")
    found = expecting(WEB1, other)
    with pytest.raises(InvalidInput, match="2 agents are expected already"):
        found.check(NOW)
    assert found.check(250.0) == ["web1", "web2"], "those that have expired make room"
    found.use("web2")
    assert found.check(NOW) == ["web2"], "and those that were used"


def test_one_that_is_long_past_is_forgotten() -> None:
    found = expecting(WEB1)
    assert found.check(201.0) == []
    assert found.check(201.0 + 31 * 86_400) == ["web1"]
