"""Agents that are expected: tokens given out, and taken back, by who may approve what would come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..model.access import Action
from ..model.errors import ConfigError, NotAllowed, UnknownAlias
from ..model.secret import Secret
from . import policy
from .audit import Audit
from .through import through

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..model.access import Actor
    from ..model.enrolment import Enrolment
    from ..pool.callhome import CallHomeServer

__all__ = ["Agents", "EnrolmentMemory", "Expected", "Invitation"]

_LIFETIME = 3600.0


class EnrolmentMemory(Protocol):
    """What keeps tokens over a restart; a device that came with one ends it there."""

    async def all(self) -> list[Enrolment]:
        """All of them."""

    async def expect(self, enrolment: Enrolment) -> None:
        """Keep one, in place of the one of its id."""

    async def forget(self, device_ids: Iterable[str]) -> None:
        """Keep none of those ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One agent that is expected.

    Attributes:
        agent_id: Its id.
        alias: The name that its session gets.
        labels: For selectors.
        issued: When its token was given out, seconds since the epoch (UTC).
        expires: Until when that is good.
        used: Whether an agent came with it.
    """

    agent_id: str
    alias: str
    labels: tuple[str, ...]
    issued: float
    expires: float
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A token, for whoever carries it to its agent and for nobody else.

    Attributes:
        token: It.
        expected: What is known of it.
        server_key: The public key with which the agent is logged in to, as a line of its trusted keys.
        addresses: Where agents may call, as far as this machine knows: ``host:port``.
    """

    token: Secret
    expected: Expected
    server_key: str
    addresses: tuple[str, ...]


class Agents:
    """The agents that a daemon expects.

    Args:
        server: Takes them in; None where nobody may call.
        memory: Keeps their tokens; None forgets them.

    Attributes:
        audit: Records what is done; the fleet's.
    """

    def __init__(self, server: CallHomeServer | None, memory: EnrolmentMemory | None) -> None:
        self._server = server
        self._memory = memory
        self.audit = Audit()

    async def restore(self) -> None:
        """Bring back what was remembered.

        Raises:
            StateError: It cannot be read.
        """
        if self._server is not None and self._memory is not None:
            self._server.agents.expected.restore(await self._memory.all())

    async def invite(
        self,
        actor: Actor,
        agent_id: str,
        *,
        alias: str | None = None,
        labels: Sequence[str] = (),
        lifetime: float = _LIFETIME,
    ) -> Invitation:
        """A token with which one agent may come, once; what it came with before opens nothing more.

        Remembered before this returns. Cancelling does all or nothing.

        Args:
            actor: Who asks; it takes ``approve`` on the alias.
            agent_id: The id of the agent.
            alias: The name of its session; by default the id.
            labels: Its labels.
            lifetime: Seconds for which it is good.

        Raises:
            NotAllowed: The actor may not approve agents under this alias.
            InvalidTarget, InvalidInput: There can be no such agent, or not for so long.
            AliasInUse: Another device or session has the alias, or the id.
            StateError: It cannot be remembered, or the key to log in with not be used; there is no token.
        """
        if not policy.allowed(actor, Action.APPROVE, alias or agent_id, tuple(labels)):
            error = NotAllowed(f"{actor.name} may not approve agents under that alias", hint="ask for it to be granted")
            self.audit.refuse(actor, "approve", "", error, to="expect an agent")
            raise error
        if not all(_may(actor, each) for each in self._known() if each.device_id == agent_id):
            taken = policy.in_use()  # another's token would end
            self.audit.refuse(actor, "approve", "", taken, to="expect an agent")
            raise taken
        told = {"agent": agent_id, "labels": list(labels), "lifetime": lifetime}
        async with self.audit.begin(actor, "approve.agent.expect", alias or agent_id, **told):
            with policy.discreet(actor):
                return await through(self._invite(agent_id, alias, labels, lifetime))

    async def _invite(self, agent_id: str, alias: str | None, labels: Sequence[str], lifetime: float) -> Invitation:
        server = self._server
        if server is None:
            raise ConfigError("nobody may call here")
        public = await self.server_key()
        token, enrolment = server.invite(agent_id, alias, labels, lifetime)
        if self._memory is not None:
            await self._memory.expect(enrolment)
        gone = server.expect(enrolment)
        if self._memory is not None and gone:
            await self._memory.forget(gone)
        addresses = tuple(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in server.addresses)
        return Invitation(
            token=Secret(token.text()), expected=_shown(enrolment), server_key=public, addresses=addresses
        )

    def expected(self, actor: Actor) -> list[Expected]:
        """Those of the agents that are expected which an actor may approve, the latest last."""
        return [_shown(each) for each in self._known() if _may(actor, each)]

    async def server_key(self) -> str:
        """The public key with which agents are logged in to; made where there is none. It is nobody's secret.

        Raises:
            StateError: Its file cannot be used.
        """
        return "" if self._server is None else (await asyncio.to_thread(self._server.agents.key))[0]

    async def revoke(self, actor: Actor, agent_id: str) -> Expected:
        """Have the token of an id open nothing more. Whoever came with it already is not touched.

        Raises:
            UnknownAlias: There is none that the actor may approve.
            StateError: It cannot be forgotten; nothing was changed.
        """
        found = next((each for each in self._known() if each.device_id == agent_id), None)
        if found is None or self._server is None or not _may(actor, found):
            raise UnknownAlias("there is no token for that id", hint="`mooring agent-token --list` shows all")
        async with self.audit.begin(actor, "approve.agent.revoke", found.alias, agent=agent_id):
            await through(self._forget(agent_id))
        return _shown(found)

    async def _forget(self, agent_id: str) -> None:
        if self._memory is not None:
            await self._memory.forget([agent_id])
        if self._server is not None:
            self._server.agents.expected.remove(agent_id)

    def _known(self) -> list[Enrolment]:
        return [] if self._server is None else self._server.agents.expected.all


def _may(actor: Actor, enrolment: Enrolment) -> bool:
    return policy.allowed(actor, Action.APPROVE, enrolment.alias, enrolment.labels)


def _shown(enrolment: Enrolment) -> Expected:
    return Expected(
        agent_id=enrolment.device_id,
        alias=enrolment.alias,
        labels=enrolment.labels,
        issued=enrolment.issued,
        expires=enrolment.expires,
        used=enrolment.used,
    )
