"""How agents are taken in: by a token that was given out for an id, once; from then on by their host key."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..model.enrolment import Enrolment, check_agent_id
from ..model.errors import ConfigError, InvalidInput
from ..model.target import Target
from ..transport.serve import load_host_key
from ..wire.enrolment import Token
from .enrolments import Enrolments

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..model.device import Device, HostKey
    from ..wire.callhome import Claim

__all__ = ["LIFETIME", "Agents"]

LIFETIME: Final = 3600.0
"""Seconds for which a token is good unless somebody says otherwise: long enough to carry it there."""
_LONGEST: Final = 30 * 86_400.0


class Agents:
    """The agents that are expected, and those that came and are not kept yet.

    Args:
        identity: The file of the key with which they are logged in to, made where there is none; None expects nobody.
        kept: Keeps one that came, and that its token is used; None where nothing is kept.

    Attributes:
        expected: By their tokens.
    """

    def __init__(
        self, identity: str | Path | None = None, kept: Callable[[Device], Awaitable[None]] | None = None
    ) -> None:
        self.identity = None if identity is None else Path(identity).absolute()
        self.expected = Enrolments()
        self._kept = kept
        self._came: dict[str, Device] = {}
        self._key: tuple[str, str] | None = None

    def invite(
        self, agent_id: str, alias: str, labels: Sequence[str], lifetime: float, now: float
    ) -> tuple[Token, Enrolment]:
        """A new token, and what is to be known of it. It counts once that was added to ``expected``.

        Raises:
            InvalidTarget, InvalidInput: There can be no such agent, or not for so long.
            ConfigError: There is no key to log in with.
            StateError: Its file cannot be used.
        """
        check_agent_id(agent_id)
        if not 0 < lifetime <= _LONGEST:
            raise InvalidInput(f"a token is good for 1 to {_LONGEST:.0f} seconds")
        target = Target.parse("agent://agent", alias=alias, label=list(labels))
        token = Token(secrets.token_bytes(32), self.key()[1])
        return token, Enrolment(
            device_id=agent_id,
            alias=target.alias,
            labels=target.label,
            public_key=token.public_key,
            issued=now,
            expires=now + lifetime,
        )

    def key(self) -> tuple[str, str]:
        """The public key with which agents are logged in to, as a line of their trusted keys, and its fingerprint.

        Read, or made, once; that waits for the disk.

        Raises:
            ConfigError: There is none.
            StateError: Its file cannot be used.
        """
        if self.identity is None:
            raise ConfigError(
                "there is no key to log in to agents with", hint="CallHomeServer(agent_key=...) names one"
            )
        if self._key is None:
            key = load_host_key(self.identity)
            self._key = key.export_public_key().decode("ascii").strip(), key.get_fingerprint()
        return self._key

    def take_in(self, claim: Claim, key: HostKey, now: float) -> Device:
        """The device that an agent becomes which brings a token. Nothing is changed by it; see ``taken_in``.

        Raises:
            MooringError: As ``Enrolments.judge`` and ``Enrolment.device`` have them.
        """
        found = self.expected.judge(claim, key, now)
        return found.device(claim.user or "", key.text, str(self.identity))

    def taken_in(self, device: Device) -> None:
        """It is known from now on: its token opens nothing more, and it is to be kept."""
        name = device.device_id or ""
        self.expected.use(name)
        self._came[name] = device

    async def keep(self, device: Device) -> None:
        """Have a device kept that came with a token and was not kept yet; any other needs nothing.

        Raises:
            StateError: It cannot be kept; another call tries again.
        """
        name = device.device_id or ""
        if self._came.get(name) is device:
            if self._kept is not None:
                await self._kept(device)
            self._came.pop(name, None)

    def forget(self, device: Device) -> None:
        """It may call no more."""
        self._came.pop(device.device_id or "", None)
