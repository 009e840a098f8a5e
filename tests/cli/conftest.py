"""An sshpoold for each test that asks for one, an sshd that lets its user in, and no trace of ``main``."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mooring.simulate.ports import ReservedPort
from tests.cli.sshpool import RunningSshpoold
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """A command that was called in this process has frozen what there is, as one does that ends with it."""
    yield
    gc.unfreeze()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens."""
    with closing(ReservedPort("127.0.0.1")) as port:
        yield port.port


@pytest.fixture
def localhost(start_sshd: StartSshd, current_account: Account) -> Sshd:
    """An sshd that lets us in by key, as sshpool's README has it."""
    return start_sshd(account=current_account)


@pytest.fixture
def make_pool(localhost: Sshd) -> Iterator[Callable[..., RunningSshpoold]]:
    """Makes an sshpoold, not yet started, whose user's keys open `localhost` and know it."""
    with ExitStack() as stack:

        def make(*arguments: str) -> RunningSshpoold:
            folder = Path(tempfile.mkdtemp(prefix="sshpoold-"))
            stack.callback(shutil.rmtree, folder)
            pool = RunningSshpoold(folder, *arguments)
            stack.callback(pool.close)
            ssh = pool.home / ".ssh"
            ssh.mkdir(mode=0o700)
            shutil.copy(localhost.client_key, ssh / "id_ed25519")
            (ssh / "id_ed25519").chmod(0o600)
            line = public_line(localhost.host_keys[0])
            (ssh / "known_hosts").write_text(f"[localhost]:{localhost.port} {line}\n")
            return pool

        yield make


@pytest.fixture
def pool(make_pool: Callable[..., RunningSshpoold], localhost: Sshd) -> RunningSshpoold:
    """A running sshpoold that holds `localhost`."""
    pool = make_pool(f"--channel=localhost://localhost:{localhost.port}")
    pool.start()
    pool.wait_log("connected to localhost://")
    return pool
