"""What a check finds, and what it may look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from ...client import paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ...daemon.config import Settings
    from ...model.target import Target

__all__ = ["START", "Finding", "Ground", "fail", "ok", "warn"]

START: Final = "look whether mooringd runs, and at its log"
"""What to do about a daemon that does not answer."""


class Finding(NamedTuple):
    """One line of the doctor's.

    Attributes:
        verdict: ``fail`` must be mended, ``warn`` should be looked at.
        check: What was looked at.
        detail: What is so, and where.
        hint: What to change; None where all is well.
    """

    verdict: Literal["ok", "warn", "fail"]
    check: str
    detail: str
    hint: str | None = None


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding("ok", check, detail)


def warn(check: str, detail: str, hint: str) -> Finding:
    """Somebody should look at it, and here is what to change."""
    return Finding("warn", check, detail, hint)


def fail(check: str, detail: str, hint: str) -> Finding:
    """It must be mended, and here is how."""
    return Finding("fail", check, detail, hint)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where the checks stand.

    Attributes:
        settings: Of the daemon where one answers, else as this user's would have them; None where they cannot be read.
        state: The state directory.
        sessions: What the daemon says of its sessions, by their aliases; empty where it does not answer.
        tokens: What it says of the named tokens; likewise, and where this user may not know.
        trail: And of its audit trail, by the names of the metrics without ``mooring_audit_``; likewise.
        answers: Whether the daemon does.
        doors: What it says of where it listens; None where it does not say.
    """

    settings: Settings | None
    state: Path
    sessions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tokens: tuple[Mapping[str, Any], ...] = ()
    trail: Mapping[str, float] = field(default_factory=dict)
    answers: bool = False
    doors: Sequence[Mapping[str, Any]] | None = None

    @property
    def pid(self) -> int | None:
        """The daemon's process, as it has written it into its lock."""
        try:
            return int((self.state / "lock").read_text())
        except (OSError, ValueError):
            return None

    @property
    def socket(self) -> str:
        """The Unix door."""
        return str(self.settings.socket) if self.settings is not None else paths.socket_path()

    @property
    def targets(self) -> tuple[Target, ...]:
        """The sessions that the configuration has dialed."""
        return () if self.settings is None else self.settings.targets

    @property
    def peers(self) -> tuple[Target, ...]:
        """These, and the devices that may call."""
        devices = () if self.settings is None else self.settings.devices.values()
        return (*self.targets, *(device.target for device in devices))

    @property
    def ssh_config(self) -> list[Path] | None:
        """The ssh_config files of the daemon, as a Router takes them."""
        named = () if self.settings is None else self.settings.ssh_config
        return [] if named is None else list(named) or None

    @property
    def many(self) -> int:
        """How many sessions there are, or are to be."""
        return len({target.alias for target in self.peers} | self.sessions.keys())
