"""The preamble of a device that calls home: lenient in form, strict in size, the same however it is cut."""

from __future__ import annotations

import hmac
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import HandshakeFailed
from mooring.model.secret import Secret
from mooring.wire.callhome import MAX_LINES, MAX_SIZE, Claim, Preamble, proves

KEY = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDhMc83Qp9ogdGNYJGMjjUfbCAFXspkUPrrcdEI9JgIsng3fbtZl6pSi7xyFYlZrPor/oiNoCxQl"
    "+HOArESS+HTjFsd0tgBUyuO+rx53+vtZJ2HarsgZg59F5BjYDQq/ulCBjRDM7BQ2xViItTAIV8Q5nnikaA+mBxnNN/2EEEhuXekyibdwDY0z3X4Tc4"
    "los2qZaZBVkKeaJ6voj+7dWG8vRQINs+gXfL+jk2Lz4m72zA6y3n7KCcG4lCH3e1C1bdnSX5dblYuEUsCV9XKbNl5qqajDeUaKeCMsjMlmXS7+E+C2"
    "pTE/Dir7T9IfN7SEpd3nDjH7fDthKKP9GCq9Lkv"
)
HMAC = "7aa4440cc6a8fd12bc9f13ad1af8a28ea6cc1137"
VECTOR = Claim(device_id="router1", host_key=KEY, hmac=HMAC)
WHOLE = (
    f"MSG-ID: DEVICE-CONN-INFO\r\nMSG-VER: V1\r\nDEVICE-ID: router1\r\nHOST-KEY: {KEY}\0\r\nHMAC: {HMAC}\r\n"
).encode()
VERSION = b"SSH-2.0-OpenSSH_7.5\r\n\x00\x00\x01binary"


def read(data: bytes) -> tuple[Claim | None, bytes]:
    preamble = Preamble()
    return preamble.receive_data(data), preamble.rest


def test_a_whole_one() -> None:
    assert read(WHOLE + VERSION) == (VECTOR, VERSION)


def test_none_at_all() -> None:
    assert read(VERSION) == (Claim(), VERSION)


@pytest.mark.parametrize(
    "text",
    [
        "DEVICE-ID:router1\n",
        "DEVICE-ID: : router1\r\n",
        "device-id:\trouter1  \r\n",
        "\r\n\r\nMSG-ID: DEVICE-CONN-INFO\r\n\r\nDEVICE-ID: router1\0\r\n\r\n",
        "DEVICE-ID: router1\r\nDEVICE-ID: router1\r\nX-NEW: 1\r\nno colon here\r\n",
        "DEVICE-ID: router1\r\nHMAC:\r\nHOST-KEY: \r\n",
    ],
)
def test_forms_that_documents_and_devices_have(text: str) -> None:
    assert read(text.encode() + VERSION) == (Claim(device_id="router1"), VERSION)


def test_an_id_may_be_any_text() -> None:
    assert read("DEVICE-ID: Zürich 4: rack\r\n".encode() + VERSION)[0] == Claim(device_id="Zürich 4: rack")


def test_upper_case_digits_are_the_same() -> None:
    assert read(f"HMAC:{HMAC.upper()}\r\n".encode() + VERSION)[0] == Claim(hmac=HMAC)


@given(st.lists(st.integers(0, len(WHOLE + VERSION)), max_size=40))
def test_cut_anywhere_it_reads_the_same(cuts: list[int]) -> None:
    data = WHOLE + VERSION
    places = [0, *sorted(cuts), len(data)]
    preamble = Preamble()
    claim = None
    rest = b""
    for start, end in pairwise(places):
        if claim is not None:
            rest += data[start:end]
            continue
        claim = preamble.receive_data(data[start:end])
    assert (claim, preamble.rest + rest) == (VECTOR, VERSION)


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused_by_name(data: bytes) -> None:
    preamble = Preamble()
    try:
        claim = preamble.receive_data(data)
    except HandshakeFailed:
        return
    assert preamble.rest.startswith(b"SSH-") if claim else preamble.rest == b""


@pytest.mark.parametrize(
    "data",
    [
        b"x" * MAX_SIZE,
        b"A: " + b"x" * MAX_SIZE,
        b"\n" * (MAX_LINES + 1),
        b"x: y\r\n" * (MAX_LINES + 1),
        (b"A: " + b"x" * 200 + b"\n") * 60,
        b"DEVICE-ID: a\r\nDEVICE-ID: b\r\n",
        b"DEVICE-ID: a\x1b[2Jb\r\n",
        b"DEVICE-ID: " + b"i" * 300 + b"\r\n",
        b"DEVICE-ID: \xff\xfe\r\n",
        b"HOST-KEY: ../../etc/passwd\r\n",
        b"HMAC: 0123\r\n",
    ],
    ids=range(11),
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(HandshakeFailed):
        read(data + VERSION)


def test_what_is_fed_by_the_byte_is_bounded_too() -> None:
    preamble = Preamble()
    for _ in range(MAX_SIZE - 1):
        assert preamble.receive_data(b"x") is None
    with pytest.raises(HandshakeFailed):
        preamble.receive_data(b"x")


def test_the_hmac_of_a_real_device() -> None:
    assert proves(Secret("Juniper123"), VECTOR)


@pytest.mark.parametrize(
    ("secret", "claim"),
    [
        ("juniper123", VECTOR),
        ("Juniper123", Claim(host_key=KEY)),
        ("Juniper123", Claim(hmac=HMAC)),
        ("Juniper123", Claim()),
        ("Juniper123", Claim(host_key=KEY[:-1] + "w", hmac=HMAC)),
        ("Juniper123", Claim(host_key=KEY, hmac=HMAC[:-1] + "8")),
    ],
)
def test_what_proves_nothing(secret: str, claim: Claim) -> None:
    assert not proves(Secret(secret), claim)


def test_it_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)))
    assert not proves(Secret("Juniper123"), VECTOR)
    assert compared == [(HMAC, HMAC)]
