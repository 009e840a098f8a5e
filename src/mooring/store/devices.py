"""The devices that call home: those that were approved, rejected, or wait; and keys learned at first sight."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from ..model.device import Device, Pending
from ..model.errors import MooringError
from ..model.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    import aiosqlite

    from .vault import Vault

__all__ = ["Devices"]

_log: Final = logging.getLogger(__name__)


class Devices:
    """What a daemon must remember of devices. Each verb is one statement: it happened as a whole or not at all.

    Args:
        using: Gives the database, for a bounded time.
        vault: Seals passwords.
    """

    def __init__(self, using: Callable[[], AbstractAsyncContextManager[aiosqlite.Connection]], vault: Vault) -> None:
        self._using = using
        self._vault = vault

    async def approved(self) -> list[Device]:
        """The devices that were approved; one that cannot be read is left out, and told in the log.

        One whose password cannot be opened comes without it: its login fails, and says what is needed.

        Raises:
            StateError: The database cannot be read.
        """
        async with self._using() as connection:
            rows = await connection.execute_fetchall("SELECT alias, device_id, target, sealed FROM device ORDER BY id")
            return [device for row in rows if (device := await asyncio.to_thread(self._recall, *row)) is not None]

    def _recall(self, alias: str, device_id: str | None, text: str, sealed: bytes | None) -> Device | None:
        try:
            target = Target.parse(text)
        except MooringError as error:
            _log.warning("what was remembered of the device %s cannot be read: %s", alias, error)
            return None
        try:
            if sealed is not None:
                target = target.with_options(password=self._vault.open(alias, sealed))
        except MooringError as error:
            _log.warning("the password of the device %s is needed again: %s", alias, error)
        return Device(target=target, device_id=device_id)

    async def approve(self, device: Device, pending_id: str) -> None:
        """Remember an approved device, in place of the one of its alias, and that it is rejected no more.

        Raises:
            StateError: The database cannot be written, or the key for the password not be used.
        """
        target = device.target
        async with self._using() as connection:
            sealed = None
            if target.password is not None:
                sealed = await asyncio.to_thread(self._vault.seal, target.alias, target.password)
            # Ended between the two, it waits, as one that calls for the first time.
            await connection.execute_fetchall("DELETE FROM rejection WHERE id = ?", (pending_id,))
            await connection.execute_fetchall(
                "INSERT INTO device (alias, device_id, target, sealed) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (alias) DO UPDATE SET"
                " device_id = excluded.device_id, target = excluded.target, sealed = excluded.sealed",
                (target.alias, device.device_id, target.with_options(password="").dsn(), sealed),
            )

    async def enrol(self, device: Device) -> None:
        """Remember an agent that came with its token, and with that the end of the token.

        Raises:
            StateError: The database cannot be written; the token is as good as before.
        """
        async with self._using() as connection:
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO device (alias, device_id, target) VALUES (?, ?, ?)",
                (device.target.alias, device.device_id, device.target.dsn()),
            )

    async def remove(self, alias: str) -> None:
        """Forget an approved device; one that is not remembered is no error.

        Raises:
            StateError: The database cannot be written.
        """
        async with self._using() as connection:
            await connection.execute_fetchall("DELETE FROM device WHERE alias = ?", (alias,))

    async def pending(self) -> list[Pending]:
        """The devices that wait, as they were last kept, and those that were rejected.

        Raises:
            StateError: The database cannot be read.
        """
        async with self._using() as connection:
            waiting = await connection.execute_fetchall("SELECT told FROM waiting")
            rejected = await connection.execute_fetchall("SELECT told FROM rejection ORDER BY rowid")
        found = {each.id: each for row in waiting for each in msgspec.json.decode(row[0], type=list[Pending])}
        told = [msgspec.json.decode(row[0], type=Pending) for row in rejected]
        found |= {each.id: each for each in told}
        return list(found.values())

    async def keep(self, waiting: Iterable[Pending]) -> None:
        """Remember the devices that wait, in place of those that were kept before.

        Raises:
            StateError: The database cannot be written.
        """
        told = msgspec.json.encode(list(waiting)).decode()
        async with self._using() as connection:
            await connection.execute_fetchall("INSERT OR REPLACE INTO waiting (id, told) VALUES (1, ?)", (told,))

    async def reject(self, pending: Pending) -> None:
        """Remember a rejected device.

        Raises:
            StateError: The database cannot be written.
        """
        told = msgspec.json.encode(pending).decode()
        async with self._using() as connection:
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO rejection (id, told) VALUES (?, ?)", (pending.id, told)
            )

    async def pins(self) -> dict[str, str]:
        """Fingerprints of keys that were learned at first sight, by the ids of devices.

        Raises:
            StateError: The database cannot be read.
        """
        async with self._using() as connection:
            rows = await connection.execute_fetchall("SELECT device_id, fingerprint FROM pin")
        return {str(row[0]): str(row[1]) for row in rows}

    async def pin(self, device_id: str, fingerprint: str) -> None:
        """Remember a key that was learned at first sight.

        Raises:
            StateError: The database cannot be written.
        """
        async with self._using() as connection:
            await connection.execute_fetchall("INSERT OR REPLACE INTO pin VALUES (?, ?)", (device_id, fingerprint))

    async def trust(self, device_id: str, pending: Pending) -> None:
        """Remember the key of one that waits as that of an id, and that it is rejected no more.

        Raises:
            StateError: The database cannot be written.
        """
        async with self._using() as connection:
            # Ended between the two, it waits, as one that calls for the first time.
            await connection.execute_fetchall("DELETE FROM rejection WHERE id = ?", (pending.id,))
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO pin VALUES (?, ?)", (device_id, pending.fingerprint)
            )

    async def drop(self, pending_id: str) -> None:
        """Forget a rejection; one that is not remembered is no error.

        Raises:
            StateError: The database cannot be written.
        """
        async with self._using() as connection:
            await connection.execute_fetchall("DELETE FROM rejection WHERE id = ?", (pending_id,))

    async def unpin(self, device_ids: Iterable[str]) -> None:
        """Forget such keys; one that is not remembered is no error.

        Raises:
            StateError: The database cannot be written.
        """
        async with self._using() as connection:
            await connection.execute_fetchall(
                "DELETE FROM pin WHERE device_id IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode(list(device_ids)).decode(),),
            )
