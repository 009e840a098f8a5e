"""OpenSSH client configuration, read as OpenSSH reads it.

`SSHConfig` parses once and resolves hosts to `HostConfig`, as ``ssh -G`` does; what Mooring cannot honour and must not
pass over in silence is refused (`UNSUPPORTED`). Everything outside the text is an argument: `Local` and `Reader`.
"""

from __future__ import annotations

from .config import SSHConfig
from .disk import Disk, Reader
from .host import HostConfig
from .local import Local
from .unsupported import UNSUPPORTED, Unsupported

__all__ = ["UNSUPPORTED", "Disk", "HostConfig", "Local", "Reader", "SSHConfig", "Unsupported"]
