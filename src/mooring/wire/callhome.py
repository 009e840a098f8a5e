"""What a device sends before SSH when it calls home: Junos' DEVICE-CONN-INFO, and the HMAC in it.

Lines in front of the version line (RFC 4253 section 4.2 lets a server send some)::

    MSG-ID: DEVICE-CONN-INFO
    MSG-VER: V1
    DEVICE-ID: edge1
    HOST-KEY: ssh-rsa AAAA...        these two only where the device has a secret configured
    HMAC: 7aa4440c...

Documents differ on the space behind the colon, on blank lines and on a NUL behind the key, so all forms are taken.
There is no end mark: the preamble ends where a line begins with ``SSH-``. Devices that follow RFC 8071 send none.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.errors import HandshakeFailed

if TYPE_CHECKING:
    from ..model.secret import Secret

__all__ = ["MAX_LINES", "MAX_SIZE", "Claim", "Preamble", "proves"]

MAX_SIZE: Final = 8192
"""Bytes before the version line: an RSA key of 16,384 bits takes 2,800 of them."""
MAX_LINES: Final = 64
_MAX_ID: Final = 255
_FIELD: Final = re.compile(rb"([A-Za-z][A-Za-z-]{0,31}):[ \t:]*(.*)", re.DOTALL)
_NAMES: Final = {
    b"DEVICE-ID": "device_id",
    b"HOST-KEY": "host_key",
    b"HMAC": "hmac",
    b"AGENT-USER": "user",
    b"AGENT-PROOF": "proof",
}
_KEY: Final = re.compile(r"[a-z0-9@.-]{3,64} [A-Za-z0-9+/]+={0,2}")
_HMAC: Final = re.compile(r"[0-9A-Fa-f]{40}")
_MAX_USER: Final = 64
_PROOF: Final = re.compile(r"[A-Za-z0-9+/]{86}==")
_VERSION: Final = b"SSH-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a device says of itself, before any of it is proven.

    Attributes:
        device_id: Its name; None where it says none.
        host_key: The host key that it is going to show, as type and base64; None without a secret.
        hmac: Forty hexadecimal digits that tie that key to the secret; None without a secret.
        user: Whom an agent that is not known yet wants to be logged in as; see ``enrolment``.
        proof: Base64 that ties its key to its token.
    """

    device_id: str | None = None
    host_key: str | None = None
    hmac: str | None = None
    user: str | None = None
    proof: str | None = None


class Preamble:
    """Reads a stream up to its version line.

    Call ``receive_data`` with what comes until it returns the claim; what follows the preamble, the version line
    first, is then in ``rest``, and none of it was lost. Time is the caller's to bound.

    Attributes:
        rest: What stands behind the preamble, once that is whole.
    """

    def __init__(self) -> None:
        self.rest = b""
        self._buffer = b""
        self._size = 0
        self._lines = 0
        self._found: dict[str, str] = {}

    def receive_data(self, data: bytes) -> Claim | None:
        """Take bytes as they come; the claim once the version line begins, and None before.

        A device without a preamble makes an empty claim.

        Raises:
            HandshakeFailed: It is too long, says something twice, or has what no device would say.
        """
        self._buffer += data
        while not self._buffer.startswith(_VERSION):
            line, end, rest = self._buffer.partition(b"\n")
            if self._size + (len(line) if end else len(self._buffer)) >= MAX_SIZE or self._lines >= MAX_LINES:
                raise HandshakeFailed(f"more than {MAX_SIZE} bytes or {MAX_LINES} lines came before the version line")
            if not end:
                return None
            self._size += len(line) + 1
            self._lines += 1
            self._buffer = rest
            self._take(line.rstrip(b"\r\0 \t"))
        self.rest, self._buffer = self._buffer, b""
        return Claim(**self._found)

    def _take(self, line: bytes) -> None:
        match = _FIELD.fullmatch(line)
        name = _NAMES.get(match[1].upper()) if match else None
        if match is None or name is None:
            return
        value = _value(name, match[2])
        if value and self._found.setdefault(name, value) != value:
            raise HandshakeFailed(f"the preamble has two different values of {match[1].decode().upper()}")


def _value(name: str, raw: bytes) -> str:
    """The value of a field; empty where none stands there."""
    try:
        text = raw.decode().strip("\0 \t\r")
    except UnicodeDecodeError:
        text = "\0"
    fits = {
        "device_id": lambda: len(text) <= _MAX_ID and text.isprintable(),
        "host_key": lambda: _KEY.fullmatch(text) is not None,
        "hmac": lambda: _HMAC.fullmatch(text) is not None,
        "user": lambda: len(text) <= _MAX_USER and text.isprintable(),
        "proof": lambda: _PROOF.fullmatch(text) is not None,
    }
    if text and not fits[name]():
        raise HandshakeFailed(f"the preamble has a {name.replace('_', '-').upper()} that cannot be read")
    return text.lower() if name == "hmac" else text


def proves(secret: Secret, claim: Claim) -> bool:
    """Whether the claim's HMAC was made by someone who knows the secret. Compared in constant time.

    It says nothing of who sends it, since it is the same each time and can be repeated: the handshake must prove that
    very ``host_key``. HMAC-SHA1 is what devices send; its weakness to collisions is none to forgery.
    """
    if claim.host_key is None or claim.hmac is None:
        return False
    made = hmac.new(secret.reveal().encode(), claim.host_key.encode("ascii"), hashlib.sha1).hexdigest()
    return hmac.compare_digest(made, claim.hmac)
