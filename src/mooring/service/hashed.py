"""What bytes that pass through are known by: how many they are, and their SHA-256."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

__all__ = ["Hashed"]


class Hashed:
    """The bytes that have passed so far."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._size = 0

    def take(self, data: bytes) -> None:
        """More of them."""
        self._digest.update(data)
        self._size += len(data)

    async def through(self, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """Pass parts on, and take them."""
        async for part in parts:
            self.take(part)
            yield part

    def told(self) -> dict[str, int | str]:
        """What is known of them."""
        return {"bytes": self._size, "sha256": self._digest.hexdigest()}
