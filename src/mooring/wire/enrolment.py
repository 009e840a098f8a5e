"""How an agent comes to be known: a token that somebody carries to it, and what it says in front of SSH with that.

The token holds the seed of a signing key (Ed25519, RFC 8032) and the fingerprint of the key with which the server will
log in. The server keeps the verifying half alone, so what it keeps opens nothing. With the token the agent signs its
own host key, which the handshake then proves: whoever sits between the two can repeat those words, and do nothing with
them. Whom the agent lets in is the holder of the key that the token names, who proves that too (RFC 4252 section 7)::

    MSG-ID: AGENT-CONN-INFO
    DEVICE-ID: web1
    AGENT-USER: deploy               these three only with a token
    HOST-KEY: ssh-ed25519 AAAA...
    AGENT-PROOF: 5tVd...             the signature, in Base64
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..model.errors import CredentialError

__all__ = ["AGENT", "REFUSED", "Token", "preamble", "verifies"]

AGENT: Final = "_MooringAgent"
"""How the version line of an agent ends."""
REFUSED: Final = "token refused: "
"""How the reason begins that is told to an agent whose token will never be taken."""
_PREFIX: Final = "mooring-agent-"
_SEED: Final = 32
_HASH: Final = 32
_CHECK: Final = 4
_PURPOSE: Final = b"mooring agent enrolment 1"


@dataclass(frozen=True, slots=True)
class Token:
    """What is carried to an agent, once.

    Attributes:
        seed: 32 random bytes, which nobody else has.
        server: The fingerprint of the key with which the server logs in, as ``SHA256:...``.
    """

    seed: bytes = field(repr=False)
    server: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The token of a text. No error repeats it.

        Raises:
            CredentialError: It is none, or not whole.
        """
        begins, word = text.strip().startswith(_PREFIX), text.strip().removeprefix(_PREFIX)
        try:
            data = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            data = b""
        body, check = data[:-_CHECK], data[-_CHECK:]
        if not begins or len(body) != _SEED + _HASH or hashlib.sha256(body).digest()[:_CHECK] != check:
            raise CredentialError("that is no token, or not the whole of one", hint="mooring agent-token prints one")
        return cls(body[:_SEED], "SHA256:" + base64.b64encode(body[_SEED:]).decode().rstrip("="))

    def text(self) -> str:
        """As it is carried."""
        name = self.server.removeprefix("SHA256:")
        body = self.seed + base64.b64decode(name + "=" * (-len(name) % 4))
        return _PREFIX + base64.urlsafe_b64encode(body + hashlib.sha256(body).digest()[:_CHECK]).decode().rstrip("=")

    @property
    def public_key(self) -> bytes:
        """The verifying half: all that the server keeps."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    def proof(self, device_id: str, user: str, host_key: str) -> str:
        """That whoever has the token wants this host key taken for this id."""
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(_said(device_id, user, host_key))
        return base64.b64encode(signature).decode()


def verifies(public_key: bytes, proof: str, device_id: str, user: str, host_key: str) -> bool:
    """Whether a proof was made with a token, for this host key and this id."""
    try:
        signature = base64.b64decode(proof, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _said(device_id, user, host_key))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def preamble(device_id: str, user: str, host_key: str, token: Token | None) -> bytes:
    """What an agent says in front of SSH.

    Args:
        device_id: By which it is known.
        user: Who it runs as: whom the server is to log in as.
        host_key: Its public host key, as type and base64.
        token: Where it is not known yet.
    """
    lines = ["MSG-ID: AGENT-CONN-INFO", "MSG-VER: V1", f"DEVICE-ID: {device_id}"]
    if token is not None:
        proof = token.proof(device_id, user, host_key)
        lines += [f"AGENT-USER: {user}", f"HOST-KEY: {host_key}", f"AGENT-PROOF: {proof}"]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _said(device_id: str, user: str, host_key: str) -> bytes:
    """What is signed: texts with their lengths, so that none runs into the next."""
    texts = (_PURPOSE, device_id.encode(), user.encode(), host_key.encode())
    return b"".join(len(text).to_bytes(4) + text for text in texts)
