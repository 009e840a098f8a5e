"""Devices that proved a key and were not let in: those that wait for somebody's word, and those that were rejected."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..model.device import Pending
from ..model.errors import UnknownAlias
from ..transport.halfopen import source_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.device import HostKey
    from ..wire.callhome import Claim

__all__ = ["Waiting", "id_of"]

_MOST: Final = 1000
"""Devices that wait, in all; beyond, one of the source that has most of them is forgotten: that which called first."""
_PER_SOURCE: Final = 250
"""The same of one source."""
_CLAIMS: Final = 8
"""Names of one device that are remembered, and told of."""


class Waiting:
    """Those that wait, each once for its key, and those that were rejected, which only a person can make more."""

    def __init__(self) -> None:
        self._waiting: dict[str, Pending] = {}
        self._rejected: dict[str, Pending] = {}
        self._by_source: dict[str, dict[str, None]] = {}

    @property
    def all(self) -> list[Pending]:
        """All of them, the one that called last at the end, after those that were rejected."""
        return [*self._rejected.values(), *self._waiting.values()]

    def __getitem__(self, pending_id: str) -> Pending:
        """The device of an id.

        Raises:
            UnknownAlias: None waits under it.
        """
        found = self.get(pending_id)
        if found is None:
            raise UnknownAlias(f"no device waits as {pending_id}", hint="mooring pending lists those that do")
        return found

    def get(self, pending_id: str) -> Pending | None:
        """The device of an id; None where none waits under it."""
        return self._waiting.get(pending_id) or self._rejected.get(pending_id)

    def rejects(self, key: HostKey) -> bool:
        """Whether somebody rejected a key."""
        found = self._rejected.get(id_of(key.text))
        return found is not None and found.host_key == key.text

    def add(self, claim: Claim, key: HostKey, address: str, reason: str, now: float) -> tuple[Pending, bool]:
        """Remember a device that was not let in. What it called itself first stays: that is what somebody may see.

        Returns:
            It, and whether it is new or calls itself as never before.
        """
        before = self._take(id_of(key.text))
        after = Pending(
            id=id_of(key.text),
            device_id=claim.device_id,
            host_key=key.text,
            fingerprint=key.fingerprint,
            address=address,
            first_seen=now,
            last_seen=now,
            reason=reason,
        )
        new = True
        if before is not None:
            names = (before.device_id, *before.also)
            new = claim.device_id is not None and claim.device_id not in names and len(names) < _CLAIMS
            after = replace(
                after,
                device_id=before.device_id,
                also=(*before.also, claim.device_id) if new and claim.device_id is not None else before.also,
                first_seen=before.first_seen,
                calls=before.calls + 1,
                rejected=before.rejected,
            )
        self.restore([after])
        return after, new

    def restore(self, devices: Iterable[Pending]) -> None:
        """Have devices wait that did before, or be rejected."""
        for each in devices:
            if each.rejected:
                self._rejected[each.id] = each
                continue
            self._waiting[each.id] = each
            source = _source(each)
            self._by_source.setdefault(source, {})[each.id] = None
            if len(self._by_source[source]) <= _PER_SOURCE and len(self._waiting) <= _MOST:
                continue
            if len(self._by_source[source]) <= _PER_SOURCE:
                source = max(self._by_source, key=lambda source: len(self._by_source[source]))
            self._take(next(iter(self._by_source[source])))

    def take(self, pending_id: str) -> Pending:
        """It waits no more, and is not rejected any more.

        Raises:
            UnknownAlias: None waits under this id.
        """
        found = self[pending_id]
        self._take(pending_id)
        return found

    def reject(self, pending_id: str) -> Pending:
        """Turn a device away from now on, quietly.

        Raises:
            UnknownAlias: None waits under this id.
        """
        rejected = replace(self.take(pending_id), rejected=True)
        self.restore([rejected])
        return rejected

    def settle(self, key: HostKey) -> None:
        """A device was let in: it waits no more, whatever it was called before. A rejection stays what it is."""
        if id_of(key.text) in self._waiting:
            self._take(id_of(key.text))

    def _take(self, pending_id: str) -> Pending | None:
        found = self._waiting.pop(pending_id, None)
        if found is None:
            return self._rejected.pop(pending_id, None)
        source = _source(found)
        del self._by_source[source][pending_id]
        if not self._by_source[source]:
            del self._by_source[source]
        return found


def id_of(key: str) -> str:
    """By which a device is approved: 96 bits of its key's SHA-256, so that nobody makes another key with the same."""
    return hashlib.sha256(base64.b64decode(key.split()[1])).hexdigest()[:24]


def _source(pending: Pending) -> str:
    return source_of(pending.address.rpartition(":")[0].strip("[]"))
