"""Devices that call home: who may call, by what each is known, and those that wait for somebody's word."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .errors import InvalidInput
from .options import OPTIONS
from .secret import Secret
from .target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Device", "DoorLimits", "HostKey", "Pending", "alias_like"]

_WILD: Final = frozenset("*?[")
_FIELDS: Final = re.compile(r"\{([^{}]*)\}")
_ALIAS_FIELDS: Final = {"device_id": "", "hostname": "hostname", "serial": "device_sn"}
"""What an alias may be made of, and which fact that is; the id is known before any."""
_LOST: Final = re.compile(r"[^A-Za-z0-9._-]")
_POLICIES: Final = frozenset({"verify", "accept-new", "off"})


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key.

    Attributes:
        text: Type and base64, as in known_hosts.
        names: Whom the certificate around it is for; empty where there is none, or it names nobody.
        authority: Type and base64 of who signed that certificate; None where there is none.
    """

    text: str
    names: tuple[str, ...] = ()
    authority: str | None = None

    @property
    def kind(self) -> str:
        """Its type, as ``ssh-ed25519``."""
        return self.text.partition(" ")[0]

    @property
    def fingerprint(self) -> str:
        """``SHA256:...``, as ssh shows it."""
        return fingerprint(self.text)

    def is_(self, pin: str) -> bool:
        """Whether this is the key that a pin allows: the fingerprint, or the key itself with or without a comment."""
        return self.fingerprint == (pin if pin.startswith("SHA256:") else fingerprint(pin))


def fingerprint(key: str) -> str:
    """``SHA256:...`` of a public key, given as type and base64; empty where it cannot be read."""
    try:
        blob = base64.b64decode(key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that may call home, or, with a pattern for its id, a kind of them.

    How it is known, the first that is given: ``secret``; ``host_key`` of the target, a public key or its fingerprint;
    ``host_key=accept-new``, the key it shows first; ``known_hosts``, a file with its key or an authority. With none of
    them somebody is asked at its first call.

    Attributes:
        target: Its alias, whom to log in as and by which credentials, labels and the rest. The host is not dialed.
        device_id: What it calls itself; None for whatever it says, where its key is known. ``*``, ``?`` and ``[a-z]``
            make a pattern.
        alias: For a pattern, the alias with ``{device_id}``, ``{hostname}`` or ``{serial}`` in it; else None.
        secret: The secret of Junos' ``outbound-ssh``, which ties the host key to those who know it.
        secret_from: Where that is: ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE``, looked up at each call.
    """

    target: Target
    device_id: str | None
    alias: str | None = None
    secret: Secret | None = None
    secret_from: str | None = None

    @classmethod
    def parse(
        cls,
        text: str | Target,
        *,
        device_id: str | None = None,
        alias: str | None = None,
        secret: str | Secret | None = None,
        secret_from: str | None = None,
        **keywords: Any,
    ) -> Device:
        """A device from a DSN whose host is its id: ``core1://admin@core1-id?host_key=SHA256:...``.

        Args:
            text: The DSN, or the target itself.
            device_id: The id, or a pattern, where it is no host name.
            alias: The alias; for a pattern, what it is made of: ``{device_id}``, ``{hostname}`` or ``{serial}``.
            secret: The secret of ``outbound-ssh``.
            secret_from: Or where it is, as ``password_from`` has it.
            keywords: Fields of the target.

        Raises:
            InvalidTarget: The target or a keyword is malformed.
            InvalidInput: A pattern without a place for the id, no user name, or a key accepted from whoever comes
                first under a pattern.
        """
        template = alias if alias is not None and "{" in alias else None
        if alias is not None and template is None:
            keywords["alias"] = alias
        target = Target.parse(text, **keywords)
        device = cls(
            target=target,
            device_id=device_id or target.host,
            alias=template,
            secret=_secret(secret),
            secret_from=secret_from,
        )
        device.check()
        return device

    def check(self) -> None:
        """Whether it can be meant.

        Raises:
            InvalidInput: As ``parse`` has it.
        """
        if self.target.username is None:
            raise InvalidInput(
                f"{self.target.alias} has no user name to log in as", hint="write alias://user@device-id"
            )
        if self.target.host_key == "off":
            raise InvalidInput(
                f"{self.target.alias} cannot be taken with any host key: it would be sent what another may ask for",
                hint="use accept-new, a key, or a secret",
            )
        if self.secret_from is not None:
            self._check_reference(self.secret_from)
        made_of = set(_FIELDS.findall(self.alias or ""))
        if unknown := made_of - _ALIAS_FIELDS.keys():
            words = ", ".join(f"{{{name}}}" for name in _ALIAS_FIELDS)
            raise InvalidInput(f"an alias is made of {words}, not of {{{unknown.pop()}}}")
        if self.is_pattern and not made_of:
            raise InvalidInput(f"{self.device_id} means many devices", hint="give them aliases: alias='{device_id}'")
        if made_of and not self.is_pattern:
            raise InvalidInput(
                f"{self.device_id} is one device, and needs no alias that is made of {{{made_of.pop()}}}",
                hint="an alias for one, or a pattern for the id",
            )
        if self.is_pattern and self.policy == "accept-new":
            raise InvalidInput(
                f"whoever calls first as {self.device_id} would be accepted", hint="name each device, or use a secret"
            )

    def _check_reference(self, reference: str) -> None:
        if self.secret is not None:
            raise InvalidInput(f"{self.target.alias} has a secret and a secret_from", hint="leave one out")
        try:
            OPTIONS["password_from"](reference)
        except ValueError as error:
            raise InvalidInput(f"{self.target.alias}: secret_from {error}") from None

    @property
    def is_pattern(self) -> bool:
        """Whether it means many."""
        return self.device_id is not None and not _WILD.isdisjoint(self.device_id)

    @property
    def policy(self) -> str:
        """``secret``, ``pinned``, ``accept-new`` or ``verify``."""
        host_key = self.target.host_key
        if self.secret is not None or self.secret_from is not None:
            return "secret"
        return "verify" if host_key is None else host_key if host_key in _POLICIES else "pinned"

    @property
    def pin(self) -> str | None:
        """The one key it may show, or its fingerprint; None where none is named."""
        return self.target.host_key if self.target.host_key not in (None, *_POLICIES) else None

    def means(self, device_id: str) -> bool:
        """Whether a device of this id is meant."""
        if self.device_id is None:
            return False
        return fnmatch.fnmatchcase(device_id, self.device_id) if self.is_pattern else device_id == self.device_id

    @property
    def asks(self) -> bool:
        """Whether its alias is made of what a device tells only when it is up."""
        return not {"hostname", "serial"}.isdisjoint(_FIELDS.findall(self.alias or ""))

    def named(self, device_id: str | None, told: Mapping[str, str | None] | None = None) -> Target:
        """The target of a device that calls itself so.

        Args:
            device_id: Its id.
            told: Its facts, where ``asks`` says that they are needed.

        Raises:
            InvalidInput: No alias can be made of the id, or it did not tell what it takes.
        """
        if self.alias is None or device_id is None:
            return self.target
        alias = self.alias
        for field in _FIELDS.findall(alias):
            value = device_id if field == "device_id" else (told or {}).get(_ALIAS_FIELDS[field])
            if value is None:
                raise InvalidInput(f"{device_id} did not tell its {field}, of which its alias is made")
            alias = alias.replace(f"{{{field}}}", alias_like(value))
        return self.target.with_options(alias=alias, host=alias_like(device_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A device that called home and is not known: somebody says what becomes of it.

    Attributes:
        id: By which it is approved or rejected: the beginning of its key's SHA-256, in hexadecimal.
        device_id: What it called itself first, which is not proven; None where it said nothing.
        host_key: The key that it proved, as type and base64.
        fingerprint: The same as ``SHA256:...``.
        address: Where it called from last, ``address:port``.
        first_seen: Its first call, seconds since the epoch (UTC).
        last_seen: Its last call.
        calls: How often it called.
        reason: Why it was not let in, in a sentence.
        rejected: Whether it was rejected, and is turned away quietly.
        also: What else it called itself since; eight names at most.
    """

    id: str
    device_id: str | None
    host_key: str
    fingerprint: str
    address: str
    first_seen: float
    last_seen: float
    calls: int = 1
    reason: str = ""
    rejected: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What strangers may cost.

    Attributes:
        half_open: Calls not logged in, in all. At the cap the one that has stood still longest is dropped.
        half_open_per_source: The same for one address. As large as the devices behind one NAT that may call at once.
        rate: Calls a second that one address may make on the average; more are hung up on at once.
        burst: Calls that it may make at once.
        handshakes: Handshakes at once; each costs 4 ms of a core, and they take turns by source.
        handshakes_per_source: The same for one address.
        preamble_timeout: Seconds from the accept to the version line.
        login_timeout: Seconds for handshake and login.
    """

    half_open: int = 4096
    half_open_per_source: int = 1024
    rate: float = 100.0
    burst: int = 2000
    handshakes: int = 64
    handshakes_per_source: int = 32
    preamble_timeout: float = 10.0
    login_timeout: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what lets nobody in."""
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be more than 0")


def alias_like(text: str) -> str:
    """A text made fit to be an alias or a host name, by which two texts may come out the same.

    Raises:
        InvalidInput: There is no letter or digit in it.
    """
    fit = _LOST.sub("-", text).strip("._-")
    if not fit:
        raise InvalidInput("an alias cannot be made of that id")
    return fit


def _secret(secret: str | Secret | None) -> Secret | None:
    return Secret(secret) if secret else None


def from_fields(fields: Mapping[str, Any]) -> Device:
    """A device from a table of a configuration file: ``target``, ``device_id``, ``alias``, ``secret`` and options."""
    return Device.parse(**{"text" if name == "target" else name: value for name, value in fields.items()})
