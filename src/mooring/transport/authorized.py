"""authorized_keys files as sshd(8) describes them, read so that no option of a line is passed over.

AsyncSSH would take a line with ``restrict`` or ``expiry-time`` for one without, skip a line that it cannot read, and
let a certificate without principals in as anybody.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.errors import ConfigError
from .algorithms import LOGIN_RSA_BITS, rsa_bits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["AuthorizedKeys", "Line", "against_others", "read_authorized_keys"]

_MOST: Final = 1 << 20
_OPTION: Final = re.compile(r'([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\.)*)")?')
_NAMES: Final = {
    name.lower(): name
    for name in (
        "cert-authority", "command", "environment", "from", "permitopen", "principals", "no-touch-required",
        "no-X11-forwarding", "no-agent-forwarding", "no-port-forwarding", "no-pty", "no-user-rc",
        "expiry-time", "permitlisten", "restrict", "X11-forwarding", "agent-forwarding", "port-forwarding", "pty",
        "user-rc",
    )
}  # fmt: skip
"""Those that are honoured, which sshd(8) compares without regard to case, and AsyncSSH letter by letter."""
_VALUED: Final = frozenset(
    {"command", "environment", "from", "permitopen", "principals", "expiry-time", "permitlisten"}
)
_GRANTS: Final = ("X11-forwarding", "agent-forwarding", "port-forwarding", "pty", "user-rc")
_OURS: Final = frozenset({"expiry-time", "permitlisten", "restrict", *_GRANTS})
"""Of these AsyncSSH knows nothing."""
_TIMES: Final = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True)
class Line:
    """A key or authority that may log in.

    Attributes:
        key: It.
        number: Where it stands in the text, from 1.
        names: Of its options, as ``sshd(8)`` writes them.
        entry: As AsyncSSH has it.
        more: Options to hand out with those that AsyncSSH knows.
        expires: When it ends.
    """

    key: asyncssh.SSHKey
    number: int
    names: frozenset[str]
    entry: asyncssh.SSHAuthorizedKeys
    more: Mapping[str, object]
    expires: datetime | None

    def options(self, *args: Any) -> Mapping[str, object] | None:
        """Its options where it fits; None where it does not, or not any more."""
        options = self.entry.validate(*args)
        if options is None or (self.expires is not None and datetime.now(UTC) >= self.expires):
            return None
        return {**options, **self.more}


class AuthorizedKeys(asyncssh.SSHAuthorizedKeys):
    """The keys of one text.

    Args:
        text: Lines of an authorized_keys file.
        source: The file's name, for messages.

    Raises:
        ConfigError: A line is none, or has an option that cannot be honoured.
    """

    def __init__(self, text: str = "", source: str | None = None) -> None:
        super().__init__()
        self.lines = [
            _parse(line.strip(), source, number)
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
        """In their order."""

    def validate(
        self,
        key: asyncssh.SSHKey,
        client_host: str,
        client_addr: str,
        cert_principals: Sequence[str] | None = None,
        ca: bool = False,  # noqa: FBT001, FBT002 - AsyncSSH's
    ) -> Mapping[str, object] | None:
        """The options of the first line that lets a key in, or certificates of an authority with these principals."""
        if ca and not cert_principals:
            return None  # sshd(8) refuses it as well: it would be anybody's
        for line in self.lines:
            options = line.options(key, client_host, client_addr, cert_principals, ca)
            if options is not None:
                return options
        return None

    def names(self, key: asyncssh.SSHKey) -> bool:
        """Whether a line is of a key itself, whatever its options allow; not as an authority."""
        return any(line.key == key and "cert-authority" not in line.names for line in self.lines)

    def validate_x509(self, *_: object) -> tuple[None, None]:
        """None are taken."""
        return None, None


def read_authorized_keys(path: Path) -> AuthorizedKeys:
    """The keys of a file.

    Raises:
        ConfigError: It cannot be read, others may write to it, or a line of it cannot be honoured.
    """
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", source=str(path)) from error
    if (hint := against_others(status, path)) is not None:
        raise ConfigError("others may write to it", source=str(path), hint=hint)
    if len(data) > _MOST:
        raise ConfigError(f"has more than {_MOST} bytes", source=str(path))
    return AuthorizedKeys(data.decode("utf-8", "backslashreplace"), str(path))


def against_others(status: os.stat_result, path: Path) -> str | None:
    """What to do about a file that somebody else than root and us may write to; None where there is nobody.

    Args:
        status: The file's.
        path: Where it is.
    """
    if sys.platform == "win32":
        return None
    others = status.st_uid not in {0, os.geteuid()}
    if not others and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    return f"{'chown it, and ' if others else ''}chmod go-w {shlex.quote(str(path))}"


def _parse(line: str, source: str | None, number: int) -> Line:
    def wrong(what: str, hint: str | None = None) -> ConfigError:
        return ConfigError(what, source=source, line=number, hint=hint)

    options: list[tuple[str, str | None]] = []
    key = _key(line)
    rest = line
    while key is None:
        found = _OPTION.match(rest)
        after = rest[found.end() : found.end() + 1] if found else ""
        rest = rest[found.end() + 1 :].lstrip() if found else ""
        key = None if after == "," else _key(rest)
        if found is None or not after or (after != "," and key is None):
            raise wrong("no public key is read here", "a line is [OPTIONS] TYPE BASE64 [COMMENT]")
        name = _NAMES.get(found[1].lower())
        if name is None:
            raise wrong(f"the option {found[1]} is not known here, and is not passed over")
        if (name in _VALUED) != (found[2] is not None):
            raise wrong(f"the option {name} has {'no value' if name in _VALUED else 'a value'}")
        options.append((name, found[2]))
    bits = rsa_bits(key.public_data)
    if bits is not None and bits < LOGIN_RSA_BITS:
        hint = f"{LOGIN_RSA_BITS} at least; Ed25519 is better: ssh-keygen -t ed25519"
        raise wrong(f"an RSA key of {bits} bits will not do", hint)
    kept = ",".join(name if value is None else f'{name}="{value}"' for name, value in options if name not in _OURS)
    try:
        entry = asyncssh.import_authorized_keys(f"{kept} {rest}")
        names = frozenset(name for name, _ in options)
        return Line(key, number, names, entry, _more(options), _expires(options))
    except ValueError as error:
        raise wrong(str(error)) from None


def _key(text: str) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        return None


def _more(options: Sequence[tuple[str, str | None]]) -> dict[str, object]:
    """What ``restrict`` takes, less what is given again behind it, and where may be listened."""
    more: dict[str, object] = {}
    for name, value in options:
        if name == "restrict":
            more.update({f"no-{grant}": True for grant in _GRANTS})
        elif name in _GRANTS:
            more[f"no-{name}"] = False
        elif f"{name[3:]}" in _GRANTS:
            more[name] = True
        elif name == "permitlisten":
            more[name] = [*more.get(name, []), value]  # type: ignore[misc] # a list
    return more


def _expires(options: Sequence[tuple[str, str | None]]) -> datetime | None:
    """The earliest of the times; those without a Z are this machine's.

    Raises:
        ValueError: One is none.
    """
    times = []
    for name, value in options:
        if name == "expiry-time" and value is not None:
            bare = value.removesuffix("Z")
            try:
                moment = datetime.strptime(bare, _TIMES.get(len(bare), ""))  # noqa: DTZ007 - the zone follows
            except ValueError:
                raise ValueError(f"{value} is no expiry-time: YYYYMMDD[HHMM[SS]][Z]") from None
            times.append(moment.replace(tzinfo=UTC) if bare != value else moment.astimezone())
    return min(times, default=None)
