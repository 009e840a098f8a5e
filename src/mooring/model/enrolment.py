"""Agents that are expected: what the server knows of a token that somebody carries to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .device import Device, alias_like
from .errors import InvalidInput
from .target import Target

__all__ = ["Enrolment", "check_agent_id"]

_MAX_ID: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One token, without what makes it one.

    Attributes:
        device_id: The id of the agent that it is for; there is one token for an id at a time.
        alias: The name that its session gets.
        labels: For selectors.
        public_key: What verifies that something was made with the token.
        issued: When, seconds since the epoch (UTC).
        expires: Until when it is good.
        used: Whether an agent has come with it.
    """

    device_id: str
    alias: str
    labels: tuple[str, ...]
    public_key: bytes
    issued: float
    expires: float
    used: bool = False

    def device(self, user: str, host_key: str, identity: str) -> Device:
        """The agent as it is known from now on: by its host key alone.

        Args:
            user: Whom to log in as.
            host_key: The key that it proved.
            identity: The file of the key to log in with.

        Raises:
            InvalidTarget, InvalidInput: That makes no device.
        """
        target = Target.parse(
            "device://device",
            alias=self.alias,
            username=user,
            host=alias_like(self.device_id),
            host_key=host_key,
            identity=identity,
            label=list(self.labels),
        )
        device = Device(target=target, device_id=self.device_id)
        device.check()
        return device


def check_agent_id(agent_id: str) -> None:
    """Refuse what can be the id of no agent: one that means many, or of which no name can be made when it comes.

    Raises:
        InvalidInput: It cannot.
    """
    if not 0 < len(agent_id) <= _MAX_ID or not agent_id.isprintable() or agent_id.strip() != agent_id:
        raise InvalidInput(f"an id is a text of {_MAX_ID} letters at most, which can be printed")
    if Device(target=Target(alias="agent", host="agent"), device_id=agent_id).is_pattern:
        raise InvalidInput(f"{agent_id} would mean many, and a token is for one", hint="leave out *, ? and [")
    alias_like(agent_id)
