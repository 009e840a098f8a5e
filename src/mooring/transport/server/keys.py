"""The authorized_keys files of a server: one for all, or one for each user; read again when they have changed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from ...model.errors import ConfigError
from ..authorized import read_authorized_keys
from .terms import for_user

if TYPE_CHECKING:
    from pathlib import Path

    from ..authorized import AuthorizedKeys

__all__ = ["Keys"]

_log: Final = logging.getLogger(__name__)


class Keys:
    """Which keys may log in.

    Args:
        template: The file, as ``for_user`` has it.

    Raises:
        ConfigError: One file is for all, and cannot be read; or the files' folder is not there.
    """

    def __init__(self, template: str) -> None:
        self._template = template
        self._known: tuple[tuple[int, int, int], AuthorizedKeys] | None = None
        first, second = for_user(template, "a"), for_user(template, "b")
        self._shared = first == second
        if first is not None and self._shared:
            self._read(first)
        elif first is not None and second is not None:
            folder = next(path for path in first.parents if path in second.parents)
            if not folder.is_dir():
                raise ConfigError("there is no such folder", source=str(folder), hint=f"mkdir -p {folder}")

    async def of(self, user: str) -> AuthorizedKeys | None:
        """Those of a user; None where there are none."""
        path = for_user(self._template, user)
        return None if path is None else await asyncio.to_thread(self._now, path)

    def _now(self, path: Path) -> AuthorizedKeys | None:
        """On a thread. A file that cannot be honoured lets nobody in: who runs the server is told why."""
        try:
            return self._read(path) if self._shared or path.exists() else None
        except (ConfigError, OSError) as error:
            _log.warning("nobody is let in by %s", error)
            return None

    def _read(self, path: Path) -> AuthorizedKeys:
        if not self._shared:
            return read_authorized_keys(path)
        try:
            status = path.stat()
        except OSError:
            return read_authorized_keys(path)
        version = status.st_mtime_ns, status.st_size, status.st_ino
        if self._known is None or self._known[0] != version:
            self._known = version, read_authorized_keys(path)
        return self._known[1]
