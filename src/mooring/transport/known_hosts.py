"""Lines of OpenSSH's known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): whom they name, and what they trust.

Nothing here touches a file: bytes in, bytes out. ``hostfiles`` reads and writes.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["AUTHORITY", "REVOKED", "Line", "add", "name_of", "new_line", "parse", "take_out"]

AUTHORITY: Final = "@cert-authority"
REVOKED: Final = "@revoked"
_MARKERS: Final = ("", AUTHORITY, REVOKED)
_PORT: Final = 22

_LINE: Final = re.compile(
    rb"[ \t]*(?:(?P<marker>@[^ \t\r\n]*)[ \t]+)?(?P<names>[^ \t\r\n#@][^ \t\r\n]*)[ \t]+"
    rb"(?P<algorithm>[^ \t\r\n]+)[ \t]+(?P<key>[A-Za-z0-9+/]+=*)(?:[ \t\r\n].*)?",
    re.DOTALL,
)
_REST_IS_COMMENT: Final = re.compile(rb"[ \t\r]*(?:#.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One line that names hosts and a key.

    Attributes:
        file: Where it stands.
        number: In which line, from 1.
        user: Whether the file is the user's own, so that we may write to it.
        marker: Empty, ``@cert-authority`` or ``@revoked``.
        names: Patterns with commas between, or one hashed name.
        algorithm: The key's type.
        blob: The public key as SSH sends it.
    """

    file: Path
    number: int
    user: bool
    marker: str
    names: str
    algorithm: str
    blob: bytes

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.number}"

    @property
    def plain(self) -> bool:
        """Whether the names are neither hashed nor patterns, so that each names one host."""
        return not set("|*?!") & set(self.names)

    @property
    def key(self) -> asyncssh.SSHKey | None:
        """The key; None where AsyncSSH knows no such type or it is damaged."""
        return _key(self.algorithm, self.blob)

    def matches(self, name: str) -> bool:
        """Whether the line is about the host of this name; a negated pattern that matches rules the line out."""
        if self.names.startswith("|"):
            return _is_hash_of(self.names, name)
        found = False
        for pattern in self.names.lower().split(","):
            negated = pattern.startswith("!")
            if _pattern(pattern.removeprefix("!")).fullmatch(name):
                if negated:
                    return False
                found = True
        return found


def name_of(host: str, port: int) -> str:
    """The name a host goes by: ``host`` on port 22, else ``[host]:port``; in lower case, as ssh looks it up."""
    return host.lower() if port == _PORT else f"[{host.lower()}]:{port}"


def parse(data: bytes, file: Path, *, user: bool) -> Iterator[Line | int]:
    """The lines of a file in order; for a line that cannot be understood, its number."""
    for number, text in enumerate(data.split(b"\n"), 1):
        if not _REST_IS_COMMENT.fullmatch(text):
            yield _parse(text, file, number, user=user) or number


def _parse(text: bytes, file: Path, number: int, *, user: bool) -> Line | None:
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    marker = (match["marker"] or b"").decode("ascii", "replace")
    algorithm = match["algorithm"]
    try:
        blob = base64.b64decode(match["key"], validate=True)
    except binascii.Error:
        return None
    # RFC 4253 section 6.6: the blob begins with its own type, as a string.
    if marker not in _MARKERS or not blob.startswith(len(algorithm).to_bytes(4, "big") + algorithm):
        return None
    names = match["names"].decode("utf-8", "surrogateescape")
    return Line(file, number, user, marker, names, algorithm.decode("ascii", "replace"), blob)


def new_line(name: str, key: asyncssh.SSHKey, *, hash_names: bool = False) -> str:
    """The line that trusts a key for a name, without its end.

    Args:
        name: As ``name_of`` gives it.
        key: The key.
        hash_names: Whether the file may be read by people who should not learn the name.
    """
    algorithm, blob = key.export_public_key().split()[:2]
    return f"{_hashed(name, os.urandom(20)) if hash_names else name} {algorithm.decode()} {blob.decode()}"


def add(data: bytes, line: str) -> bytes:
    """What must be appended to a file so that a line stands in it, whether or not its last line was ended."""
    return (b"" if not data or data.endswith(b"\n") else b"\n") + line.encode("utf-8", "surrogateescape") + b"\n"


def take_out(data: bytes, name: str, blobs: Collection[bytes]) -> bytes:
    """The file without a host's name on the lines of certain keys; every other line stays as it is, byte for byte.

    A line that names other hosts too only loses this name. Lines with a marker or with patterns stay.
    """
    kept = []
    for text in re.findall(rb"[^\n]*\n|[^\n]+", data):
        line = _parse(text, Path(), 0, user=True)
        if line is None or line.marker or line.blob not in blobs or not line.matches(name):
            kept.append(text)
        elif line.plain:
            kept.append(_without(text, name))
        elif not line.names.startswith("|"):
            kept.append(text)
    return b"".join(kept)


def _without(text: bytes, name: str) -> bytes:
    match = _LINE.fullmatch(text)
    if match is None:
        return text
    names = [each for each in match["names"].split(b",") if each.decode("utf-8", "surrogateescape").lower() != name]
    start, end = match.span("names")
    return text[:start] + b",".join(names) + text[end:] if names else b""


def _hashed(name: str, salt: bytes) -> str:
    digest = hmac.digest(salt, name.encode("utf-8", "surrogateescape"), hashlib.sha1)
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _is_hash_of(hashed: str, name: str) -> bool:
    salt, digest = _salt_and_digest(hashed)
    return hmac.digest(salt, name.encode("utf-8", "surrogateescape"), hashlib.sha1) == digest


@functools.lru_cache(maxsize=65536)
def _salt_and_digest(hashed: str) -> tuple[bytes, bytes]:
    """What ``|1|salt|hash`` holds; for anything else, what is the hash of nothing."""
    try:
        nothing, one, salt, digest = hashed.split("|")
        if (nothing, one) == ("", "1"):
            return base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except ValueError:
        pass
    return b"", b""


@functools.lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in pattern), re.DOTALL)


@functools.lru_cache(maxsize=4096)
def _key(algorithm: str, blob: bytes) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(f"{algorithm} {base64.b64encode(blob).decode()}")
    except ValueError:
        return None
