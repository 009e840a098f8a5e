"""Agents that are expected, by the tokens that were given out for them. Decisions only, no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..model.errors import InvalidInput, UnknownAlias
from ..transport.accept import Refused
from ..wire.enrolment import REFUSED, verifies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.device import HostKey
    from ..model.enrolment import Enrolment
    from ..wire.callhome import Claim

__all__ = ["Enrolments"]

_MOST: Final = 10_000
"""Tokens in all. One that was used or has expired is kept so that whoever brings it can be told."""
_KEPT: Final = 30 * 86_400.0
"""Seconds for which it is."""


class Enrolments:
    """The tokens, one for an id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Enrolment] = {}

    @property
    def all(self) -> list[Enrolment]:
        """All that are known, the latest last."""
        return list(self._by_id.values())

    def restore(self, enrolments: Iterable[Enrolment]) -> None:
        """Have tokens that there were before."""
        self._by_id.update((each.device_id, each) for each in enrolments)

    def check(self, now: float) -> list[str]:
        """See that there is room for another token; the ids of those that are forgotten for it.

        Raises:
            InvalidInput: There are too many that are still good.
        """
        gone = [each.device_id for each in self._by_id.values() if each.expires + _KEPT < now]
        if len(self._by_id) - len(gone) >= _MOST:
            spent = [each.device_id for each in self._by_id.values() if each.used or each.expires < now]
            if not spent:
                raise InvalidInput(f"{_MOST} agents are expected already", hint="revoke tokens that nobody needs")
            gone = [*gone, *spent]
        return gone

    def add(self, enrolment: Enrolment) -> None:
        """Expect an agent, with this token and no other."""
        self._by_id.pop(enrolment.device_id, None)
        self._by_id[enrolment.device_id] = enrolment

    def use(self, device_id: str) -> None:
        """An agent came with its token."""
        self._by_id[device_id] = replace(self._by_id[device_id], used=True)

    def remove(self, device_id: str) -> Enrolment:
        """Expect it no more.

        Raises:
            UnknownAlias: It is not expected.
        """
        found = self._by_id.pop(device_id, None)
        if found is None:
            raise UnknownAlias(f"there is no token for {device_id}", hint="mooring agent-token --list shows all")
        return found

    def judge(self, claim: Claim, key: HostKey, now: float) -> Enrolment:
        """Which token it is that somebody brings who proved a key. Nothing is changed by it.

        Raises:
            Refused: It is none, or is good no more. Why is told only to who shows that they have it.
        """
        name = claim.device_id or ""
        found = self._by_id.get(name)
        if found is None or not _brought(found, claim, key):
            why = "it is wrong, or for another id, or there is a newer one"
        elif found.used:
            why = "it was used already"
        elif found.expires <= now:
            why = "it has expired"
        else:
            return found
        raise Refused(
            f"an agent calls as {name or 'nobody'} with a token that is not taken: {why}; it proves {key.kind}"
            f" {key.fingerprint}",
            host=name,
            fingerprint=key.fingerprint,
            key_type=key.kind,
            told=REFUSED + why,
        )


def _brought(found: Enrolment, claim: Claim, key: HostKey) -> bool:
    return (
        claim.proof is not None
        and claim.user is not None
        and verifies(found.public_key, claim.proof, found.device_id, claim.user, key.text)
    )
