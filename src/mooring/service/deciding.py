"""What people decide of devices that call home: who is let in, and who is turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..model.access import Action
from ..model.errors import NotAllowed, UnknownAlias
from ..model.selector import ALIAS
from . import policy
from .roster import Roster
from .through import through

if TYPE_CHECKING:
    from ..model.access import Actor
    from ..model.device import Pending
    from ..model.status import SessionStatus
    from .homecoming import Homecoming

__all__ = ["Deciding"]

_FILES: Final = frozenset({"identity", "password_from", "known_hosts"})
"""With which of the daemon's keys and files is bound by no selector."""


class Deciding(Roster):
    """The part of a fleet that decides."""

    def pending(self, actor: Actor) -> list[Pending]:
        """The devices that called home, proved a key and wait for somebody's word, and those that were rejected.

        Raises:
            NotAllowed: The actor may neither read all sessions nor approve anything.
        """
        if not policy.sees_waiting(actor):
            raise self._refused(actor, "approve", "", "see the devices that wait", "read on all, or approve")
        return [] if self._home is None else self._home.pending

    async def approve(self, actor: Actor, pending_id: str, alias: str, **options: Any) -> SessionStatus:
        """Let a device in from its next call on; it is remembered before this returns. Cancelling does all or nothing.

        Args:
            actor: Who asks; it takes ``approve`` on the alias, and to name files of the daemon ``admin`` on all.
            pending_id: Which device.
            alias: Its session's name.
            options: Fields of its target.

        Raises:
            NotAllowed: The actor may not approve devices under this alias.
            UnknownAlias: None waits under this id.
            InvalidTarget, InvalidInput: An option is malformed, or there is no user name.
            AliasInUse: Another device or session has the alias, or its id.
            StateError: It cannot be remembered; it waits as before.
        """
        labels = options.get("label") or ()
        if not policy.allowed(actor, Action.APPROVE, alias, (labels,) if isinstance(labels, str) else labels):
            raise self._refused(actor, "approve", alias, "approve devices under that alias")
        if not _FILES.isdisjoint(options):
            self.audit.check_everything(actor, "name keys and files of the daemon")
        home = self._home_of(pending_id)
        told = {"device": pending_id, "options": sorted(options)}
        async with self.audit.begin(actor, "approve", alias, **told), self._changing(alias):
            with policy.discreet(actor):
                await through(home.approve(pending_id, alias, options))
            return self._pool[alias].status()

    async def reject(self, actor: Actor, pending_id: str) -> Pending:
        """Turn a device away quietly, over a restart too. Cancelling does all or nothing.

        Raises:
            NotAllowed: The actor may not ``approve`` on all.
            UnknownAlias: None waits under this id.
            StateError: It cannot be remembered; until a restart it is turned away.
        """
        home = self._decided(actor, pending_id)
        async with self.audit.begin(actor, "approve.reject", device=pending_id):
            return await through(home.reject(pending_id))

    async def trust(self, actor: Actor, pending_id: str, fingerprint: str | None = None) -> Pending:
        """Let a configured device in with the key with which it waits; as ``reject``, and ``InvalidInput``."""
        home = self._decided(actor, pending_id)
        async with self.audit.begin(actor, "approve.trust", device=pending_id, fingerprint=fingerprint):
            return await through(home.trust(pending_id, fingerprint))

    async def trust_host(self, actor: Actor, alias: str, fingerprint: str) -> SessionStatus:
        """Trust the host key for which a dialed session is parked, in the place of others, and connect.

        Args:
            actor: Who asks; it takes ``admin`` on all, since the file of known keys is every session's.
            alias: Which session.
            fingerprint: The key's, as somebody has compared it.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor may not do everything.
            InvalidInput: It does not stand there for want of trust, or shows another key.
            StateError: The key cannot be written down.
        """
        if alias not in self._pool or not policy.allowed(actor, Action.READ, alias, self._pool[alias].labels):
            raise policy.unknown(alias)
        self.audit.check_everything(actor, "trust host keys")
        error = self._pool[alias].error
        told = {"fingerprint": fingerprint, "why": error.code if error is not None else None}
        async with self.audit.begin(actor, "admin.trust", alias, **told):
            await self._pool.trust(alias, fingerprint)
            return self._pool[alias].status()

    async def forget(self, actor: Actor, pending_id: str) -> Pending:
        """Forget a device that waits, or that it was rejected; as ``reject``."""
        home = self._decided(actor, pending_id)
        async with self.audit.begin(actor, "approve.forget", device=pending_id):
            return await through(home.forget(pending_id))

    def _decided(self, actor: Actor, pending_id: str) -> Homecoming:
        self.audit.check_everything(actor, "decide on devices that wait", Action.APPROVE)
        return self._home_of(pending_id)

    def _refused(self, actor: Actor, action: str, alias: str, what: str, takes: str = "") -> NotAllowed:
        error = NotAllowed(f"{actor.name} may not {what}", hint=f"ask for {takes or action} to be granted")
        self.audit.refuse(actor, action, alias if ALIAS.fullmatch(alias) else "", error, to=what)
        return error

    def _home_of(self, pending_id: str) -> Homecoming:
        if self._home is None or not any(each.id == pending_id for each in self._home.pending):
            raise UnknownAlias("no device waits under that id", hint="`mooring pending` lists those that do")
        return self._home
