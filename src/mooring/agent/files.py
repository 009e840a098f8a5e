"""The host's files over SFTP, as the user that the agent runs as; relative names begin at home."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from ..transport.server.files import RootedFiles

if TYPE_CHECKING:
    import asyncssh

__all__ = ["Files"]


class Files(RootedFiles):
    """All files that the user may reach, and whatever may be done to them.

    Args:
        channel: The client's.
        home: Where relative names begin. The process stands where it was started.
    """

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: str) -> None:
        super().__init__(channel, Path("/"), free=True)
        self._home = os.fsencode(home)
        self._is_scp = channel.get_subsystem() is None

    def _from_top(self, path: bytes) -> bytes:
        """In a name that ``scp`` gives, ``~/`` is home, as a shell would have it."""
        if self._is_scp and (path == b"~" or path.startswith(b"~/")):
            path = path[2:]
        return posixpath.join(self._home, path)
