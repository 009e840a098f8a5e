"""Hosts for the drop-ins: an ssh_config that leads to a real sshd, on which handlers find what they import."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
import uvloop

import mooring.compat.sshpipe
import mooring.far
from mooring import blocking
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd


@dataclass(frozen=True)
class Far:
    """A far host.

    Attributes:
        config: An ssh_config that leads to it, under any name.
        folder: On it, readable and writable by the account.
        sshd: It.
    """

    config: Path
    folder: Path
    sshd: Sshd

    def write(self, name: str, text: str) -> str:
        """A file there; its path."""
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o644)
        return str(file)


@pytest.fixture(scope="session", autouse=True)
def once_for_the_process() -> None:
    """Start what lives as long as the process: libuv's pipe for signals, and the tracker of multiprocessing."""
    uvloop.new_event_loop().close()
    resource_tracker.ensure_running()


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """The loop's thread ends with the test; ``nothing_outlives`` looks after that."""
    yield
    blocking.shutdown()


@pytest.fixture(scope="session")
def library(peers_folder: Path) -> Path:
    """What a handler imports, where the account may read it: the packages on its import path and no others."""
    root = peers_folder / "library"
    source = Path(str(mooring.__file__)).parent
    for file in ("__init__.py", "far/__init__.py", "compat/__init__.py",
                 "compat/sshpipe/__init__.py", "compat/sshpipe/handler.py"):  # fmt: skip
        (root / "mooring" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / file, root / "mooring" / file)
    return root


@pytest.fixture
def far(start_sshd: StartSshd, library: Path, tmp_path: Path, peers_folder: Path) -> Iterator[Far]:
    """A host whose handlers find the library."""
    sshd = start_sshd(SetEnv=f"PYTHONPATH={library}")
    folder = peers_folder / f"far-{sshd.port}"
    folder.mkdir()
    folder.chmod(0o777)
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host *\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile {sshd.client_key}\n  UserKnownHostsFile {sshd.known_hosts}\n  IdentityAgent none\n"
    )
    yield Far(config, folder, sshd)
    shutil.rmtree(folder)
