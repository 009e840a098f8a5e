"""junospyez-ossh-server 0.1 under its own names: ``mooring.compat.junospyez_ossh_server.OutboundSSHServer``.

It needs PyEZ: ``pip install 'mooring[junos]'``.
"""

from __future__ import annotations

from . import about, log
from .ossh_server import OutboundSSHServer

__all__ = ["OutboundSSHServer", "about", "log"]
