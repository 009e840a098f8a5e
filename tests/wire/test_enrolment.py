"""Tokens of agents: what is carried, what is said in front of SSH, and what somebody in between could do with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import CredentialError
from mooring.wire.callhome import Claim, Preamble
from mooring.wire.enrolment import Token, preamble, verifies

SEED = bytes(range(32))
SERVER = "SHA256:X8tXxHNx9rBF3t84tLl/vBZ6xmhYoxRqi8PBYbRd3Bw"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2Y8niqWaCm03dsxSeHTPHcZ3QYrMhqRtUai3Ve5k5v"
OTHER_KEY = KEY[:-1] + "A"
TOKEN = Token(SEED, SERVER)


def claimed(data: bytes) -> Claim:
    claim = Preamble().receive_data(data + b"SSH-2.0-x\r\n")
    assert claim is not None
    return claim


def test_what_is_carried_is_read_back() -> None:
    assert Token.parse(f"  {TOKEN.text()}\n") == TOKEN
    assert TOKEN.text().startswith("mooring-agent-")


def test_nothing_shows_the_seed() -> None:
    assert repr(TOKEN) == f"Token(server='{SERVER}')"


@given(st.data())
def test_a_token_with_a_slip_in_it_is_none(data: st.DataObject) -> None:
    text = TOKEN.text()
    place = data.draw(st.integers(0, len(text) - 2))
    letter = data.draw(st.sampled_from("ABCxyz019-_ é"))
    slipped = text[:place] + letter + text[place + 1 :]
    if slipped == text:
        return
    with pytest.raises(CredentialError) as caught:
        Token.parse(slipped)
    assert slipped not in str(caught.value)


@pytest.mark.parametrize("text", ["", "mooring-agent-", "mooring-agent-AAAA", TOKEN.text()[:-4], TOKEN.text()[14:]])
def test_a_part_of_a_token_is_none(text: str) -> None:
    with pytest.raises(CredentialError, match="no token, or not the whole of one"):
        Token.parse(text)


def test_what_the_agent_says_is_understood() -> None:
    claim = claimed(preamble("web 1", "deploy", KEY, TOKEN))
    assert (claim.device_id, claim.user, claim.host_key, claim.hmac) == ("web 1", "deploy", KEY, None)
    assert verifies(TOKEN.public_key, claim.proof or "", "web 1", "deploy", KEY)


def test_without_a_token_it_says_its_id_alone() -> None:
    assert claimed(preamble("web1", "deploy", KEY, None)) == Claim(device_id="web1")


@pytest.mark.parametrize(
    ("public", "said"),
    [
        (Token(SEED[::-1], SERVER).public_key, ("web1", "deploy", KEY)),
        (TOKEN.public_key, ("web2", "deploy", KEY)),
        (TOKEN.public_key, ("web1", "root", KEY)),
        (TOKEN.public_key, ("web1", "deploy", OTHER_KEY)),
        (TOKEN.public_key, ("web1d", "eploy", KEY)),
        (b"no key", ("web1", "deploy", KEY)),
    ],
    ids=["other-token", "other-id", "other-user", "other-key", "moved-boundary", "no-key"],
)
def test_a_proof_is_for_one_token_id_user_and_key(public: bytes, said: tuple[str, str, str]) -> None:
    proof = TOKEN.proof("web1", "deploy", KEY)
    assert verifies(TOKEN.public_key, proof, "web1", "deploy", KEY)
    assert not verifies(public, proof, *said)


@pytest.mark.parametrize("proof", ["", "AAAA", "é" * 88, "A" * 86 + "=="])
def test_what_is_no_proof_proves_nothing(proof: str) -> None:
    assert not verifies(TOKEN.public_key, proof, "web1", "deploy", KEY)


def test_what_the_server_keeps_is_not_what_signs() -> None:
    assert TOKEN.public_key != SEED
    assert len(TOKEN.public_key) == 32
