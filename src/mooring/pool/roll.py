"""Who calls, and whether to believe it: the devices that may call, keys learned at sight, and those that wait.

Decisions only, no I/O: what a known_hosts file says is asked of a function. A device's id is a claim; its key, which
was proven before anybody asks here, is who it is. The source address says nothing, since it may be anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..model.device import Device, alias_like, fingerprint
from ..model.errors import AliasInUse, HostKeyChanged, HostKeyError, InvalidInput, UnknownAlias, UnknownHostKey
from ..wire.callhome import proves
from .waiting import Waiting, id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model.device import HostKey, Pending
    from ..model.secret import Secret
    from ..model.target import Target
    from ..wire.callhome import Claim

__all__ = ["Rejected", "Roll"]

_PINS: Final = 20_000
"""Names held to a key; beyond, no new one is: who forgot one of them would let another take its place."""
_LEARNED: Final = frozenset({"secret", "accept-new"})
"""Policies under which the first key of a name is kept. An HMAC covers the key and not the name."""


class Rejected(HostKeyError):
    """A key that somebody rejected: turned away, and not told of again."""


class Roll:
    """The devices that may call home.

    Args:
        devices: Them.

    Attributes:
        pins: Keys learned at first sight, or approved, as fingerprints by id.
        waiting: Those that wait for somebody's word, and those that were rejected.
    """

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self.pins: dict[str, str] = {}
        self.waiting = Waiting()
        self._exact: dict[str, Device] = {}
        self._patterns: list[Device] = []
        self._by_key: dict[str, list[Device]] = {}
        self._by_alias: dict[str, Device] = {}
        for device in devices:
            self.add(device)

    @property
    def devices(self) -> list[Device]:
        """All of them, patterns last."""
        return [*self._by_alias.values(), *self._patterns]

    @property
    def certificates(self) -> bool:
        """Whether any of them may be known by the authority of a certificate."""
        return any(device.policy == "verify" and device.target.known_hosts for device in self.devices)

    def named(self, alias: str) -> Device | None:
        """The device, or the kind of them, of an alias."""
        found = self._by_alias.get(alias)
        return found or next((each for each in self._patterns if each.target.alias == alias), None)

    def add(self, device: Device) -> None:
        """Let a device call.

        Raises:
            AliasInUse: Another has its alias, or its id.
        """
        alias = device.target.alias
        if self.named(alias) is not None:
            raise AliasInUse(f"another device is called {alias}")
        if device.is_pattern:
            self._patterns.append(device)
            return
        if device.device_id is not None and device.device_id in self._exact:
            other = self._exact[device.device_id].target.alias
            raise AliasInUse(
                f"{other} has the device id {device.device_id} already",
                hint=f"with a new key: `mooring approve ID` alone if {other} is configured, else stop {other} first",
            )
        self._by_alias[alias] = device
        if device.device_id is not None:
            self._exact[device.device_id] = device
        if device.pin is not None:
            self._by_key.setdefault(_print(device.pin), []).append(device)

    def remove(self, alias: str) -> Device:
        """Let a device call no more.

        Raises:
            UnknownAlias: There is none of this alias.
        """
        return self._take(alias)

    def held(self, device: Device) -> list[str]:
        """The names of a device, or a kind of them, that are held to a key."""
        return [name for name in self.pins if self._named(name) is device]

    def replace(self, device: Device) -> None:
        """Let a device call otherwise; the key that was learned of it stays.

        Raises:
            UnknownAlias: There is none of this alias.
            AliasInUse: Another has its id; nothing was changed.
        """
        before = self._take(device.target.alias)
        try:
            self.add(device)
        except AliasInUse:
            self.add(before)
            raise

    def _take(self, alias: str) -> Device:
        device = self.named(alias)
        if device is None:
            raise UnknownAlias(f"no device is called {alias}")
        if device.is_pattern:
            self._patterns.remove(device)
            return device
        del self._by_alias[alias]
        if device.device_id is not None:
            del self._exact[device.device_id]
        if device.pin is not None:
            self._by_key[_print(device.pin)].remove(device)
        return device

    def claimed(self, claim: Claim) -> Device | None:
        """Whom a call claims to be."""
        return self._named(claim.device_id) if claim.device_id is not None else None

    def kinds(self, claim: Claim) -> tuple[str, ...]:
        """Types of host keys by which the claimed device is known."""
        if claim.host_key is not None:
            return (claim.host_key.partition(" ")[0],)
        device = self.claimed(claim)
        pins = [device.pin] if device is not None else [each.pin for each in self._by_alias.values()]
        return tuple(dict.fromkeys(pin.partition(" ")[0] for pin in pins if pin and not pin.startswith("SHA256:")))

    def judge(
        self, claim: Claim, key: HostKey, known: Callable[[str, str, HostKey], str | None], secret: Secret | None = None
    ) -> tuple[Device, str | None]:
        """Who it is that showed a key, and proved it. Nothing is changed by it; see ``learn``.

        Args:
            claim: What it says of itself.
            key: Its key.
            known: What a known_hosts file says of a key under a name; see ``Acceptor.known``.
            secret: What the ``secret_from`` of the claimed device leads to.

        Returns:
            Which device it is, and by which name it is known; None for its alias.

        Raises:
            Rejected: Somebody rejected the key, and nobody named it as a device's since.
            UnknownHostKey, HostKeyChanged, HostKeyError: It is not let in, for the reason in the message.
        """
        rejected = Rejected(f"{key.fingerprint} was rejected", host=claim.device_id or "")
        turned_away = self.waiting.rejects(key)
        device, name = self._meant(claim, key)
        try:
            if device is None:
                raise _unknown(name, key)
            who = name or device.target.alias
            if device.policy == "secret":
                _check_secret(who, claim, key, device.secret or secret)
            found = known(device.target.known_hosts, who, key) if device.target.known_hosts else None
            named = self._check(device, who, key, found)
        except HostKeyError:
            if turned_away:
                raise rejected from None
            raise
        if turned_away and not named:
            raise rejected
        return device, name

    def learn(self, device: Device, name: str | None, key: HostKey) -> str | None:
        """Hold a name to the key that it was just judged by, where that is what its entry asks for.

        Returns:
            The key's fingerprint; None where there is nothing to be learned.

        Raises:
            HostKeyError: Too many names are held to their keys already.
        """
        if device.pin is not None or device.policy not in _LEARNED:
            return None
        who = name or device.target.alias
        if who not in self.pins and len(self.pins) >= _PINS:
            raise _refused(HostKeyError, who, key, f"and the keys of {_PINS} devices are learned already")
        self.pins[who] = key.fingerprint
        return key.fingerprint

    def _named(self, name: str) -> Device | None:
        return self._exact.get(name) or next((each for each in self._patterns if each.means(name)), None)

    def _meant(self, claim: Claim, key: HostKey) -> tuple[Device | None, str | None]:
        if claim.device_id is not None:
            device = self._named(claim.device_id)
            # Approved under no name or under this one: then the key decides.
            return device or self._alone(key, named=False), claim.device_id
        for name in key.names:
            device = self._named(name)
            if device is not None:
                return device, name
        device = self._alone(key, named=True)
        if device is None and (anybody := self._named("")) is not None:
            return anybody, alias_like(key.fingerprint[7:])
        return device, None

    def _alone(self, key: HostKey, *, named: bool) -> Device | None:
        """The one device that is pinned to a key; none where several are, as cloned machines have it."""
        found = [each for each in self._by_key.get(key.fingerprint, ()) if named or each.device_id is None]
        return found[0] if len(found) == 1 else None

    def _check(self, device: Device, who: str, key: HostKey, found: str | None) -> bool:
        """Hold a key to what its entry says, a known_hosts file included; whether somebody named this very key."""
        learned = self.pins.get(who)
        if found == "revoked":
            raise _refused(HostKeyChanged, who, key, f"a revoked key, says {device.target.known_hosts}")
        if device.pin is not None:
            if not key.is_(device.pin):
                raise _refused(HostKeyChanged, who, key, "other key")
            return True
        if device.policy in _LEARNED:
            changed = learned is not None and learned != key.fingerprint
            if changed and (device.policy == "accept-new" or self._shared(device)):
                raise _refused(HostKeyChanged, who, key, "other key than at its first call")
            return learned == key.fingerprint
        if found == "changed":
            raise _refused(HostKeyChanged, who, key, f"other key, says {device.target.known_hosts}")
        if found is None and learned is None:
            raise _refused(UnknownHostKey, who, key, "and no key is known for it")
        if found is None and learned != key.fingerprint:
            raise _refused(HostKeyChanged, who, key, "other key than the approved one")
        return found != "authority"

    def _shared(self, device: Device) -> bool:
        """Whether another device may have its secret: then any of those could make an HMAC for its own key."""
        return device.is_pattern or any(
            each is not device and (each.secret, each.secret_from) == (device.secret, device.secret_from)
            for each in self.devices
        )

    # What somebody says of those that wait.

    def approve(self, pending_id: str, target: Target) -> Device:
        """Let a device that waits call, held to the key that it proved. It is up at its next call.

        Raises:
            UnknownAlias: None waits under this id.
            AliasInUse: Another device has the alias, or the id.
        """
        waiting = self.waiting[pending_id]
        host = alias_like(waiting.device_id or target.alias)
        device = Device(target=target.with_options(host=host, host_key=waiting.host_key), device_id=waiting.device_id)
        device.check()
        self.add(device)
        self.waiting.take(pending_id)
        return device

    def trust(self, pending_id: str) -> Pending:
        """Hold a device that is configured to the key with which one waits that claims to be it.

        Raises:
            UnknownAlias: None waits under this id.
            InvalidInput: No device of its id is configured, or one with a key.
        """
        waiting = self.waiting[pending_id]
        device = self._named(waiting.device_id) if waiting.device_id is not None else None
        if device is None or waiting.device_id is None:
            raise InvalidInput(
                f"no device is configured as {waiting.device_id or 'one without a name'}",
                hint="approve it with an alias and a user name",
            )
        if device.pin is not None:
            raise InvalidInput(
                f"{device.target.alias} is held to the key that is configured for it", hint="write the new one there"
            )
        self.waiting.take(pending_id)
        self.pins[waiting.device_id] = waiting.fingerprint
        return waiting


def _print(pin: str) -> str:
    return pin if pin.startswith("SHA256:") else fingerprint(pin)


def _unknown(name: str | None, key: HostKey) -> HostKeyError:
    return UnknownHostKey(
        f"a device that is not known calls {f'as {name}' if name else 'and says no name'}, and proves {_words(key)}",
        host=name or "",
        fingerprint=key.fingerprint,
        key_type=key.kind,
        hint=f"compare the fingerprint with the device's, then: mooring approve {id_of(key.text)}",
    )


def _check_secret(who: str, claim: Claim, key: HostKey, secret: Secret | None) -> None:
    if secret is None or not proves(secret, claim):
        raise _refused(HostKeyError, who, key, "without an HMAC of the right secret")
    if claim.host_key != key.text:
        raise _refused(HostKeyChanged, who, key, "and not the key that its HMAC is for")


def _words(key: HostKey) -> str:
    return f"{key.kind} {key.fingerprint}"


def _refused(kind: type[HostKeyError], who: str, key: HostKey, why: str) -> HostKeyError:
    return kind(f"claims {who}, {why}: {_words(key)}", host=who, fingerprint=key.fingerprint, key_type=key.kind)
