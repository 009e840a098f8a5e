"""Which algorithms are offered, and that what we say was agreed on is what the server says."""

from __future__ import annotations

import re
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.transport.algorithms import LEGACY, agreed, offers, old, pick
from mooring.transport.private import DEFAULTS, KNOWN
from tests.peers.fixtures import StartSshd
from tests.session.held import held

USUAL = ["a", "b", "c"]
OLD = {name for names in LEGACY.values() for name in names.split(",")}


@pytest.mark.parametrize("keyword", sorted(LEGACY))
def test_nothing_old_is_offered_unless_asked_for(keyword: str) -> None:
    sound = offers(legacy=False, wanted={})[keyword]
    assert sound
    assert not OLD & set(sound)
    assert set(sound) | OLD >= set(DEFAULTS[keyword])
    assert len(sound) == len(set(sound))


@pytest.mark.parametrize("keyword", sorted(LEGACY))
def test_legacy_offers_the_old_ones_last_and_asyncssh_knows_all_of_them(keyword: str) -> None:
    sound, all_of_them = (offers(legacy=legacy, wanted={})[keyword] for legacy in (False, True))
    assert all_of_them[: len(sound)] == sound
    assert set(all_of_them[len(sound) :]) == set(LEGACY[keyword].split(","))
    assert set(all_of_them) <= set(KNOWN[keyword])


def test_the_fast_ciphers_come_first_and_the_other_defaults_stay() -> None:
    ciphers = offers(legacy=False, wanted={})["encryption_algs"]
    assert ciphers[:2] == ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
    assert "chacha20-poly1305@openssh.com" in ciphers
    assert "aes256-ctr" in ciphers


def test_who_names_an_old_one_in_ssh_config_asks_for_it() -> None:
    assert offers(legacy=False, wanted={"encryption_algs": "+aes128-cbc"})["encryption_algs"][-1] == "aes128-cbc"
    assert offers(legacy=False, wanted={"mac_algs": "hmac-sha1"})["mac_algs"] == ["hmac-sha1"]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (None, None),
        ("", None),
        ("aes256-ctr,aes128-ctr", ["aes256-ctr", "aes128-ctr"]),
        ("aes256-ctr, unknown-cipher", ["aes256-ctr"]),
        ("unknown-cipher", []),
        ("aes???-gcm@openssh.com", ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]),
    ],
)
def test_lists_as_ssh_config_has_them(spec: str | None, names: list[str] | None) -> None:
    usual = ["aes128-gcm@openssh.com", "aes256-ctr"]
    assert pick(spec, usual, "encryption_algs") == (usual if names is None else names)


def test_added_behind_taken_out_and_put_first() -> None:
    usual = ["aes128-gcm@openssh.com", "aes256-ctr", "aes128-ctr"]
    assert pick("+aes128-cbc,aes256-ctr", usual, "encryption_algs") == [*usual, "aes128-cbc"]
    assert pick("-aes*-ctr", usual, "encryption_algs") == ["aes128-gcm@openssh.com"]
    assert pick("^aes128-ctr", usual, "encryption_algs") == ["aes128-ctr", "aes128-gcm@openssh.com", "aes256-ctr"]


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # of the library below AsyncSSH
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"Ciphers": "aes256-ctr", "MACs": "hmac-sha2-512", "KexAlgorithms": "ecdh-sha2-nistp256"},
        {"Ciphers": "chacha20-poly1305@openssh.com", "KexAlgorithms": "diffie-hellman-group16-sha512"},
        {"Ciphers": "aes128-ctr", "MACs": "hmac-sha2-256-etm@openssh.com", "Compression": "yes"},
    ],
)
async def test_agreed_is_what_the_servers_log_says(start_sshd: StartSshd, config: dict[str, Any]) -> None:
    server = start_sshd(LogLevel="DEBUG3", **config)
    async with held(server) as session:
        found = dict(session.status().algorithms)
        server.wait_log(r"kex: server->client cipher:")
    log = server.log()

    def logged(pattern: str) -> str:
        match = re.search(pattern, log)
        assert match is not None
        return match[1]

    cipher, mac, compression = re.findall(r"kex: client->server cipher: (\S+) MAC: (\S+) compression: (\S+)", log)[0]
    assert found == {
        "kex": logged(r"kex: algorithm: (\S+)"),
        "host_key": logged(r"kex: host key algorithm: (\S+)"),
        "cipher": cipher,
        "mac": "" if mac == "<implicit>" else mac,
        "compression": compression,
    }


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _kexinit(*lists: str) -> bytes:
    return bytes(17) + b"".join(_string(names.encode()) for names in lists) + bytes(5)


def test_agreed_follows_the_clients_order_and_its_own_direction() -> None:
    client = _kexinit("k1,k2,k3", "h1", "c1,c2", "cX", "m1,m2", "mX", "none,zlib", "zX", "", "")
    server = _kexinit("k3,k2", "h0,h1", "c2,c1", "cX", "m2", "mX", "zlib,none", "zX", "", "")
    chosen = agreed(b"".join(map(_string, (b"SSH-2.0-a", b"SSH-2.0-b", client, server))))
    assert chosen == {"kex": "k2", "host_key": "h1", "cipher": "c1", "mac": "m2", "compression": "none"}


def test_an_aead_cipher_has_no_mac() -> None:
    lists = ("k", "h", "aes128-gcm@openssh.com", "x", "hmac-sha1", "x", "none", "x", "", "")
    chosen = agreed(b"".join(map(_string, (b"a", b"b", _kexinit(*lists), _kexinit(*lists)))))
    assert chosen["mac"] == ""
    assert old(chosen) == ()


def test_nothing_in_common_is_empty_and_not_a_failure() -> None:
    mine, theirs = (_kexinit(*[letter] * 10) for letter in "ab")
    assert set(agreed(b"".join(map(_string, (b"a", b"b", mine, theirs)))).values()) == {""}


@given(st.binary(max_size=200))
def test_agreed_takes_any_bytes(data: bytes) -> None:
    assert isinstance(agreed(data), dict)
    whole = b"".join(map(_string, (b"a", b"b", data, data)))
    assert isinstance(agreed(whole), dict)


def test_old_names_the_old_ones() -> None:
    assert old({"kex": "curve25519-sha256", "host_key": "ssh-ed25519"}) == ()
    chosen = {"kex": "diffie-hellman-group14-sha1", "host_key": "ssh-rsa", "cipher": "aes128-cbc", "mac": "hmac-sha1"}
    assert old(chosen) == ("aes128-cbc", "diffie-hellman-group14-sha1", "hmac-sha1", "ssh-rsa")
