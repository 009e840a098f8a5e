"""Which algorithms are offered, which were agreed on, and which of those are old."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

from .private import DEFAULTS, KNOWN, name_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAST", "LEGACY", "LOGIN_RSA_BITS", "MODERN", "RSA_BITS", "agreed", "offers", "old", "pick", "rsa_bits"]

FAST: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""First, since in AsyncSSH they halve the CPU per packet against chacha20-poly1305; the other defaults stay."""

LEGACY: Final[Mapping[str, str]] = {
    "kex_algs": "diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1",
    "encryption_algs": "aes256-cbc,aes192-cbc,aes128-cbc,3des-cbc",
    "mac_algs": "hmac-sha1-etm@openssh.com,hmac-sha1,hmac-md5,hmac-sha1-96,hmac-md5-96",
    "signature_algs": "ssh-rsa,ssh-dss",
}
"""What AsyncSSH can do and nobody should want: SHA-1 and MD5, CBC, 1024-bit groups. Offered last, and only
where a target says ``legacy=yes``. AsyncSSH's own defaults still hold the SHA-1 ones: they are taken out."""

_OLD: Final = frozenset(",".join(LEGACY.values()).split(","))

_KEX: Final = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
)
MODERN: Final[Mapping[str, list[str]]] = {
    "kex_algs": [name for name in _KEX if name in DEFAULTS["kex_algs"]],
    "encryption_algs": [*FAST, "chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"],
    "mac_algs": ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"],
    "signature_algs": [name for name in DEFAULTS["signature_algs"] if name not in _OLD],
}
"""What a server of ours offers, under AsyncSSH's keywords: no SHA-1, no key exchange over curves of NIST, and none in
finite fields, each of which would cost us some hundred times what it costs a stranger to ask for it."""


def offers(*, legacy: bool, wanted: Mapping[str, str]) -> dict[str, list[str]]:
    """The algorithms to offer, under AsyncSSH's keywords.

    Args:
        legacy: Whether the old ones are offered too, after the others.
        wanted: Lists as ssh_config has them, under AsyncSSH's keywords. Who names an old algorithm there asks
            for it, whatever ``legacy`` says.
    """
    return {
        keyword: pick(wanted.get(keyword), _sound(keyword) + (names.split(",") if legacy else []), keyword)
        for keyword, names in LEGACY.items()
    }


def pick(spec: str | None, usual: list[str], keyword: str) -> list[str]:
    """Apply a list of ssh_config(5) to what is usually offered.

    Args:
        spec: Names and patterns with commas between; ``+`` before it adds them behind, ``-`` takes them out,
            ``^`` puts them first, and nothing puts them in place of the rest. None changes nothing.
        usual: What is offered without it.
        keyword: AsyncSSH's keyword: of the names, those that AsyncSSH knows are taken, since a shorter list is
            never a weaker one.
    """
    if not spec:
        return usual
    how, names = (spec[0], spec[1:]) if spec[0] in "+-^" else ("", spec)
    patterns = [name.strip() for name in names.split(",")]
    pool = usual if how == "-" else [*usual, *KNOWN[keyword]]
    chosen = [name for pattern in patterns for name in pool if fnmatch.fnmatchcase(name, pattern)]
    match how:
        case "+":
            chosen = usual + chosen
        case "-":
            chosen = [name for name in usual if name not in chosen]
        case "^":
            chosen = chosen + usual
        case _:
            pass
    return list(dict.fromkeys(chosen))


def _sound(keyword: str) -> list[str]:
    """AsyncSSH's defaults, less the old ones, the fast ciphers first."""
    names = [name for name in DEFAULTS[keyword] if name not in _OLD]
    return list(dict.fromkeys([*FAST, *names])) if keyword == "encryption_algs" else names


RSA_BITS: Final = 1024
"""Fewer in an RSA key, the host's or ours, will not do: ssh_config(5), RequiredRSASize."""
LOGIN_RSA_BITS: Final = 2048
"""Fewer in the key of who logs in to us, or of their authority, will not do: no old device stands behind it, and 1024
bits are no more than 80 of strength (NIST SP 800-57 part 1, table 2)."""


def rsa_bits(public_data: bytes) -> int | None:
    """The size of an RSA public key as SSH writes it (RFC 4253 section 6.6); None for other keys."""
    try:
        kind, _, modulus = _strings(public_data)
    except ValueError:
        return None
    return int.from_bytes(modulus, "big").bit_length() if kind == b"ssh-rsa" else None


def agreed(hash_prefix: bytes) -> dict[str, str]:
    """What two sides agreed on, by the rule of RFC 4253 section 7.1 from their two KEXINITs.

    AsyncSSH forgets the key exchange once it is done, but gives out what went into its hash.

    Args:
        hash_prefix: ``SSHConnection.get_hash_prefix()``: both version strings and both KEXINIT payloads.

    Returns:
        ``kex``, ``host_key``, ``cipher``, ``mac`` (empty for an AEAD cipher) and ``compression``, client to
        server; empty where the bytes are not whole.
    """
    try:
        _, _, client, server = _strings(hash_prefix)
        mine, theirs = name_lists(client), name_lists(server)
    except ValueError:
        return {}
    names = ("kex", "host_key", "cipher", "", "mac", "", "compression")
    chosen = {
        name: next((choice for choice in mine[index] if choice in theirs[index]), "")
        for index, name in enumerate(names)
        if name
    }
    if "gcm@" in chosen["cipher"] or "poly1305" in chosen["cipher"]:
        chosen["mac"] = ""
    return chosen


def old(chosen: Mapping[str, str]) -> tuple[str, ...]:
    """The old ones among what was agreed on."""
    return tuple(sorted({name for name in chosen.values() if name in _OLD}))


def _strings(data: bytes) -> list[bytes]:
    strings = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            msg = "a string is cut off"
            raise ValueError(msg)
        strings.append(data[4:end])
        data = data[end:]
    return strings
