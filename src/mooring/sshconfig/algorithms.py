"""The algorithm names that OpenSSH knows, from ``ssh -Q`` of 9.2 and the names that came until 10.0.

A list that names anything else is refused by ssh, so a typing error does not become a weaker choice here.
Which of these *we* can speak is the transport's business.
"""

from __future__ import annotations

__all__ = ["CIPHERS", "KEX", "KEYS", "MACS"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CIPHERS = _names("""
    3des-cbc aes128-cbc aes192-cbc aes256-cbc aes128-ctr aes192-ctr aes256-ctr aes128-gcm@openssh.com
    aes256-gcm@openssh.com chacha20-poly1305@openssh.com
""")

_PLAIN_MACS = _names("hmac-sha1 hmac-sha1-96 hmac-sha2-256 hmac-sha2-512 hmac-md5 hmac-md5-96")
MACS = (
    _PLAIN_MACS
    | {f"{name}-etm@openssh.com" for name in _PLAIN_MACS}
    | _names("umac-64@openssh.com umac-128@openssh.com umac-64-etm@openssh.com umac-128-etm@openssh.com")
)

KEX = _names("""
    diffie-hellman-group1-sha1 diffie-hellman-group14-sha1 diffie-hellman-group14-sha256
    diffie-hellman-group16-sha512 diffie-hellman-group18-sha512 diffie-hellman-group-exchange-sha1
    diffie-hellman-group-exchange-sha256 ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521
    curve25519-sha256 curve25519-sha256@libssh.org sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com
    mlkem768x25519-sha256
""")

_PLAIN_KEYS = _names("""
    ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 ssh-dss ssh-rsa rsa-sha2-256 rsa-sha2-512
""")
KEYS = (
    _PLAIN_KEYS
    | {f"{name}-cert-v01@openssh.com" for name in _PLAIN_KEYS}
    | _names("""
    sk-ssh-ed25519@openssh.com sk-ecdsa-sha2-nistp256@openssh.com webauthn-sk-ecdsa-sha2-nistp256@openssh.com
    sk-ssh-ed25519-cert-v01@openssh.com sk-ecdsa-sha2-nistp256-cert-v01@openssh.com
""")
)
