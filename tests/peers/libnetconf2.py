"""A NETCONF server on libnetconf2, the library under Netopeer2: SSH and NETCONF from C, built here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .process import Peer

_YANG = Path("/usr/share/yuma/modules/ietf")
_HEADERS = ("nc_server.h", "libyang/libyang.h", "libssh/callbacks.h")


def missing() -> str | None:
    """Why none can be built here; None if one can."""
    if shutil.which("gcc") is None:
        return "no gcc: install gcc"
    for header in _HEADERS:
        if not Path("/usr/include", header).exists():
            return f"no {header}: install libnetconf2-dev libyang2-dev libssh-dev"
    return None if _YANG.exists() else f"no {_YANG}: install libyuma-base"


def build(folder: Path) -> Path:
    """Compile the server, and return the program."""
    program = folder / "libnetconf2"
    source = Path(__file__).with_name("libnetconf2.c")
    libraries = ["-lnetconf2", "-lyang", "-lssh"]
    subprocess.run(["gcc", "-Wall", str(source), "-o", str(program), *libraries], check=True, timeout=60)
    return program


class Libnetconf2(Peer):
    """It lets in ``admin`` with the password ``admin``, holds nothing, and says ok to all but get and get-config."""

    ready = "listening on port {port}"

    home: int | None = None
    """The port at which it calls home, and again when the connection is gone; None for nowhere."""

    def __init__(self, program: Path, host_key: Path) -> None:
        super().__init__()
        self._program = program
        self.host_key = host_key

    def command(self) -> Sequence[str]:
        home = [] if self.home is None else [str(self.home)]
        return [str(self._program), str(_YANG), str(self.host_key), str(self.port), *home]
