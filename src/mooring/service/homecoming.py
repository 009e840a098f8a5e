"""The devices that call home: what is said of them, each change as a whole or not at all; the fleet asks who may."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..model.errors import MooringError
from ..model.event import EventKind
from .reload import Reloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from ..model.device import Device, Pending
    from ..model.event import Event
    from ..pool.callhome import CallHomeServer

__all__ = ["DeviceMemory", "Homecoming"]

_log: Final = logging.getLogger(__name__)
_PAUSE: Final = 1.0
"""Seconds between two writings of those that wait: strangers decide how many come."""
_NEWS: Final = frozenset({EventKind.PENDING, EventKind.APPROVED, EventKind.REJECTED, EventKind.STATE})


class DeviceMemory(Protocol):
    """What keeps devices over a restart: a change is on the disk when its verb returns."""

    async def approved(self) -> list[Device]:
        """Those that were approved."""

    async def approve(self, device: Device, pending_id: str) -> None:
        """Keep an approved one, and that it waits no more."""

    async def remove(self, alias: str) -> None:
        """Keep none of that alias."""

    async def pending(self) -> list[Pending]:
        """Those that wait, and those that were rejected."""

    async def keep(self, waiting: Iterable[Pending]) -> None:
        """Keep those that wait, in place of those that were kept."""

    async def reject(self, pending: Pending) -> None:
        """Keep a rejected one."""

    async def pins(self) -> dict[str, str]:
        """Keys learned at first sight, by device ids."""

    async def trust(self, device_id: str, pending: Pending) -> None:
        """Keep the key of one that waits as that of an id, and that it waits no more."""

    async def drop(self, pending_id: str) -> None:
        """Keep a rejection no more."""

    async def unpin(self, device_ids: Iterable[str]) -> None:
        """Keep none of those ids."""


class Homecoming:
    """The devices of a daemon: some from its configuration, the others approved through a door, and then remembered.

    Args:
        server: Takes them in; it listens, or soon will.
        memory: Keeps what was said of them; None forgets it.
    """

    def __init__(self, server: CallHomeServer, memory: DeviceMemory | None) -> None:
        self._server = server
        self._memory = memory
        self._configured: dict[str, Device] = {}
        self._kept: list[Pending] = []

    @property
    def pending(self) -> list[Pending]:
        """Those that wait, and those that were rejected."""
        return self._server.pending

    async def restore(self) -> None:
        """Bring back what was remembered, before the first device calls.

        Raises:
            StateError: It cannot be read.
        """
        if self._memory is not None:
            self._server.recall(await self._memory.approved(), await self._memory.pending(), await self._memory.pins())

    async def drop(self, devices: Mapping[str, Device]) -> Reloaded:
        """Let those that the configuration names no more call no more; before ``reload``, so that aliases are free."""
        gone = [alias for alias in self._configured if alias not in devices]
        errors: list[MooringError] = []
        for alias in gone:
            try:
                await self.remove(alias)
            except MooringError as error:
                errors.append(error)
        return Reloaded(stopped=tuple(gone), errors=tuple(errors))

    async def reload(self, devices: Mapping[str, Device]) -> Reloaded:
        """Let those call that the configuration names now, as it says; touch nothing else.

        Args:
            devices: By their aliases.
        """
        self._server.forgive()  # a reference may lead to another password now
        before = dict(self._configured)
        replaced = [alias for alias in devices if alias in before and devices[alias] != before[alias]]
        started = [alias for alias in devices if alias not in before]
        errors: list[MooringError] = []
        for aliases in (replaced, started):
            for alias in tuple(aliases):
                try:
                    await self._change(devices[alias])
                except MooringError as error:
                    errors.append(error)
                    aliases.remove(alias)
        return Reloaded(
            replaced=tuple(replaced),
            started=tuple(started),
            unchanged=len(devices) - len(replaced) - len(started) - len(errors),
            errors=tuple(errors),
        )

    async def _change(self, device: Device) -> None:
        alias = device.target.alias
        if alias in self._configured:
            await self._server.replace(device)
        else:
            self._server.add(device)
        self._configured[alias] = device

    async def approve(self, pending_id: str, alias: str, options: Mapping[str, Any]) -> None:
        """Let a device in from its next call on; it is remembered before this returns.

        Raises:
            MooringError: As ``CallHomeServer.approve`` has them.
            StateError: It cannot be remembered; it waits as before.
        """
        waiting = next((each for each in self.pending if each.id == pending_id), None)
        device = self._server.approve(pending_id, alias, **options)
        try:
            if self._memory is not None:
                await self._memory.approve(device, pending_id)
        except BaseException:
            await self._server.remove(alias)
            if waiting is not None:
                self._server.roll.waiting.restore([waiting])
            raise

    async def reject(self, pending_id: str) -> Pending:
        """Turn a device away quietly, over a restart too.

        Raises:
            UnknownAlias: None waits under this id.
            StateError: It cannot be remembered; until a restart it is turned away.
        """
        rejected = self._server.reject(pending_id)
        if self._memory is not None:
            await self._memory.reject(rejected)
        return rejected

    async def trust(self, pending_id: str, fingerprint: str | None = None) -> Pending:
        """Let a device of the configuration in with the key with which it waits; remembered before this returns.

        Raises:
            MooringError: As ``CallHomeServer.trust`` has them.
            StateError: It cannot be remembered; it waits as before.
        """
        before = dict(self._server.roll.pins)
        trusted = self._server.trust(pending_id, fingerprint=fingerprint)
        try:
            if self._memory is not None and trusted.device_id is not None:
                await self._memory.trust(trusted.device_id, trusted)
        except BaseException:
            self._server.untrust(trusted, before.get(trusted.device_id or ""))
            raise
        return trusted

    async def forget(self, pending_id: str) -> Pending:
        """Forget a device that waits, or that it was rejected, over a restart too.

        Raises:
            UnknownAlias: None waits under this id.
            StateError: It cannot be forgotten; nothing was changed.
        """
        if self._memory is not None:
            await self._memory.drop(pending_id)
        return self._server.forget(pending_id)

    def has(self, alias: str) -> bool:
        """Whether a device that may call, or a kind of them, has this alias."""
        return self._server.roll.named(alias) is not None

    async def remove(self, alias: str) -> None:
        """Let a device call no more, whether it was approved or configured; its session is closed.

        One of the configuration may call again after a reload, and is then known by what that says alone.

        Raises:
            UnknownAlias: No device is called so.
            StateError: It cannot be forgotten; it may still call.
        """
        if self._memory is not None:
            if self.has(alias):
                await self._memory.remove(alias)
            if names := self._server.held_to_keys(alias):
                await self._memory.unpin(names)
        self._configured.pop(alias, None)
        await self._server.remove(alias)

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Keep those that wait, soon after each call and at the end of the block."""
        changed = asyncio.Event()

        def note(event: Event) -> bool:
            if event.kind in _NEWS:
                changed.set()
            return False  # one is told that there is something, and not what

        with self._server.pool.events(wanted=note):
            task = asyncio.create_task(self._keep(changed), name="those that wait")
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait((task,))
                await self._save()

    async def _keep(self, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            changed.clear()
            await self._save()
            await asyncio.sleep(_PAUSE)

    async def _save(self) -> None:
        waiting = [each for each in self.pending if not each.rejected]
        if self._memory is None or waiting == self._kept:
            return
        try:
            await self._memory.keep(waiting)
        except MooringError as error:
            _log.warning("the devices that wait are not kept: %s", error)
        else:
            self._kept = waiting
