"""Pytest fixtures that start real peers. A test that asks for one which is missing here is skipped, and told why."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from . import account as accounts
from . import libnetconf2 as cesnet
from . import netconfd as yuma
from . import sshd as openssh
from .account import Account
from .agent import Agent
from .dropbear import Dropbear
from .keys import Keyring
from .libnetconf2 import Libnetconf2
from .netconfd import Netconfd
from .sshd import Sshd


class StartSshd(Protocol):
    """Starts an sshd of the test's own."""

    def __call__(
        self, *, account: Account | None = None, host_keys: list[Path] | None = None, **config: object
    ) -> Sshd:
        """Keywords are lines of sshd_config: ``start_sshd(MaxSessions=2)``."""


@pytest.fixture(scope="session")
def peers_folder() -> Iterator[Path]:
    """A folder that other users can look into, unlike pytest's own: sshd reads keys as the user who logs in."""
    folder = Path(tempfile.mkdtemp(prefix="mooring-peers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def keyring(peers_folder: Path) -> Keyring:
    """The keys of this run of the tests: ``keyring.key("client")``, ``keyring.ca("user")``."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen: install openssh-client")
    return Keyring(peers_folder)


@pytest.fixture(scope="session")
def _throwaway_account() -> Iterator[Account | None]:
    with accounts.throwaway() as account:
        yield account


@pytest.fixture(scope="session")
def account(_throwaway_account: Account | None) -> Account:
    """A user that is not root, with a password and ``/bin/sh``."""
    if _throwaway_account is None:
        pytest.skip("needs root, to make a user with a known password")
    return _throwaway_account


@pytest.fixture(scope="session")
def current_account() -> Account:
    """Whoever runs the tests: key logins only. As root, sshd before 9.4 ignores signals."""
    return accounts.current()


@pytest.fixture(scope="session")
def login(_throwaway_account: Account | None, current_account: Account) -> Account:
    """The user that most tests log in as: the throwaway one if there is one, else whoever runs the tests."""
    return _throwaway_account or current_account


@pytest.fixture(scope="session")
def sshd(keyring: Keyring, login: Account, peers_folder: Path) -> Iterator[Sshd]:
    """An sshd that all tests share: leave it as it was found, and never stop it."""
    if reason := openssh.missing():
        pytest.skip(reason)
    with Sshd(keyring, login, peers_folder) as server:
        yield server


@pytest.fixture
def start_sshd(keyring: Keyring, login: Account, peers_folder: Path) -> Iterator[StartSshd]:
    """Start an sshd that the test may kill, restart and suspend: ``start_sshd(MaxSessions=2)``."""
    if reason := openssh.missing():
        pytest.skip(reason)
    with ExitStack() as stack:

        def start(*, account: Account | None = None, host_keys: list[Path] | None = None, **config: object) -> Sshd:
            lines = {key: value if isinstance(value, list) else str(value) for key, value in config.items()}
            return stack.enter_context(Sshd(keyring, account or login, peers_folder, lines, host_keys=host_keys or []))

        yield start


@pytest.fixture
def start_netconfd(
    keyring: Keyring, login: Account, peers_folder: Path
) -> Iterator[Callable[..., tuple[Netconfd, Sshd]]]:
    """Start a netconfd and the sshd before it: ``start_netconfd(chunked=False)``."""
    if reason := yuma.missing() or openssh.missing():
        pytest.skip(reason)
    with ExitStack() as stack:

        def start(*, chunked: bool = True) -> tuple[Netconfd, Sshd]:
            sshd = Sshd(keyring, login, peers_folder, {"MaxSessions": 100})
            netconfd = stack.enter_context(Netconfd(login.name, sshd.port, chunked=chunked))
            sshd.config["Subsystem"] = netconfd.subsystem
            return netconfd, stack.enter_context(sshd)

        yield start


@pytest.fixture(scope="session")
def _libnetconf2(peers_folder: Path) -> Path:
    if reason := cesnet.missing():
        pytest.skip(reason)
    return cesnet.build(peers_folder)


@pytest.fixture
def libnetconf2(_libnetconf2: Path, keyring: Keyring) -> Iterator[Libnetconf2]:
    """A NETCONF server of another make, which has its own SSH."""
    with Libnetconf2(_libnetconf2, keyring.key("host")) as server:
        yield server


@pytest.fixture
def agent() -> Iterator[Agent]:
    """An ssh-agent without keys."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh-agent: install openssh-client")
    with Agent() as agent:
        yield agent


@pytest.fixture
def start_dropbear(keyring: Keyring, account: Account) -> Iterator[Callable[..., Dropbear]]:
    """Start a Dropbear that the test may kill, as small devices have it: ``start_dropbear("-T", "1")``."""
    if shutil.which("dropbear", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        pytest.skip("no dropbear: install dropbear-bin")
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(Dropbear(keyring, account, *arguments))
