"""sshpipe's ssh_config functions, which are Mooring's own."""

from __future__ import annotations

from ...sshconfig import SSHConfig, dump, dumps, load, loads

__all__ = ["SSHConfig", "dump", "dumps", "load", "loads"]
