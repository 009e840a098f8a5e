"""OpenSSH client configuration, read as OpenSSH reads it.

`load` and `loads` give an `SSHConfigFile`, to be asked, checked, changed and written back (`dump`, `dumps`).
`SSHConfig` parses once and resolves hosts to `HostConfig`, as ``ssh -G`` does; what Mooring cannot honour and must not
pass over in silence is refused (`UNSUPPORTED`). Everything outside the text is an argument: `Local` and `Reader`.
"""

from __future__ import annotations

from .config import SSHConfig
from .disk import Disk, Reader
from .file import SSHConfigFile, dump, dumps, load, loads
from .host import HostConfig
from .local import Local
from .unsupported import UNSUPPORTED, Unsupported

__all__ = [
    "UNSUPPORTED",
    "Disk",
    "HostConfig",
    "Local",
    "Reader",
    "SSHConfig",
    "SSHConfigFile",
    "Unsupported",
    "dump",
    "dumps",
    "load",
    "loads",
]
