"""`mooring cp` before a person: how far it is, and what is left when it is cut short."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers import sshd as openssh
from tests.peers.account import Account
from tests.peers.keys import Keyring
from tests.peers.sshd import Sshd

from .calling import MOORING
from .on_terminal import OnTerminal


@pytest.fixture
def far(peers_folder: Path) -> Iterator[Path]:
    """A folder at the far end."""
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture(scope="module")
def server(keyring: Keyring, login: Account, peers_folder: Path) -> Iterator[Sshd]:
    """An sshd that a test may stop, and start again."""
    if reason := openssh.missing():
        pytest.skip(reason)
    with Sshd(keyring, login, peers_folder) as server:
        yield server


@pytest.fixture(scope="module")
def _daemon(server: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    config = table("edge1", server) + table("edge2", server)
    with RunningDaemon(tmp_path_factory.mktemp("d"), config=config) as daemon:
        yield daemon


@pytest.fixture
def daemon(_daemon: RunningDaemon) -> RunningDaemon:
    """One that holds ``edge1`` and ``edge2`` to it."""
    _daemon.wait_state("edge1", "edge2")
    return _daemon


def copying(daemon: RunningDaemon, *words: object, columns: int = 100) -> OnTerminal:
    return OnTerminal([*MOORING, "cp", *map(str, words)], daemon.environment(), columns)


def emptied(folder: Path) -> bool:
    """Whether nothing is left in it, once the daemon has had its time for that."""
    deadline = time.monotonic() + 30
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(folder.iterdir())


def test_how_far_it_is(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "image\x1b.tgz").write_bytes(bytes(1_500_000))
    with copying(daemon, tmp_path / "image\x1b.tgz", f"edge1:{far}/", "--limit", "1M") as seat:
        shown = seat.expect(" left")
        assert re.search(r"image\\x1b\.tgz +\d+%  [\d.]+ [kM]B  [\d.]+ [kM]B/s  0:0\d left$", shown), shown
        code, rest = seat.end()
    assert (code, rest.rpartition("\r")[2]) == (0, "")
    assert seat.raw.endswith(b"\r\x1b[K")
    assert (far / "image\x1b.tgz").stat().st_size == 1_500_000


def test_how_far_many_are(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (far / "file").write_bytes(bytes(600_000))
    with copying(daemon, f"edge1,edge2:{far}/file", f"{tmp_path}/new/", "--limit", "500k", columns=70) as seat:
        seat.expect(" of 2 hosts")
        assert seat.end()[0] == 0
    assert sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "new").rglob("file")) == [
        "new/edge1/file",
        "new/edge2/file",
    ]


def test_on_a_narrow_terminal_it_is_one_line(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "a-long-name").write_bytes(bytes(300_000))
    with copying(daemon, tmp_path / "a-long-name", f"edge1:{far}/", "--limit", "300k", columns=20) as seat:
        assert seat.end()[0] == 0
    lines = [line.removeprefix(b"\x1b[K") for line in seat.raw.split(b"\r")]
    assert any(b"kB" in line for line in lines)
    assert max(map(len, lines)) < 20


@pytest.mark.parametrize("direction", ["to", "from"])
def test_a_session_that_is_lost(daemon: RunningDaemon, server: Sshd, tmp_path: Path, far: Path, direction: str) -> None:
    (tmp_path / "there").mkdir()
    source, target = (tmp_path / "big", far) if direction == "to" else (far / "big", tmp_path / "there")
    source.write_bytes(bytes(5_000_000))
    source.chmod(0o644)
    places = (source, f"edge1:{target}/") if direction == "to" else (f"edge1:{source}", f"{target}/")
    with copying(daemon, *places, "--limit", "300k") as seat:
        seat.expect("kB/s")
        server.stop()
        code, seen = seat.end(60)
    server.start()
    for alias in ("edge1", "edge2"):
        daemon.client.request("POST", f"/v1/sessions/{alias}/retry")
    assert code == 255
    named = re.escape(str(source)) if direction == "from" else r"\S+"
    assert re.search(rf"mooring cp: edge1 was lost while {named} was under way", seen), seen
    assert not (target / "big").exists()
    if direction == "from":
        assert list(target.iterdir()) == []


@pytest.mark.parametrize("direction", ["to", "from"])
def test_ctrl_c(daemon: RunningDaemon, tmp_path: Path, far: Path, direction: str) -> None:
    (tmp_path / "there").mkdir()
    source, target = (tmp_path / "big", far) if direction == "to" else (far / "big", tmp_path / "there")
    source.write_bytes(bytes(5_000_000))
    source.chmod(0o644)
    places = (source, f"edge1:{target}/") if direction == "to" else (f"edge1:{source}", f"{target}/")
    with copying(daemon, *places, "--limit", "300k") as seat:
        seat.expect("kB/s")
        seat.type("\x03")
        code, seen = seat.end()
    assert code == 130
    assert f"mooring cp: interrupted; taken away, since not whole: {source}" in seen
    assert emptied(target)


def test_ctrl_c_and_going_on(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(5_000_000))
    with copying(daemon, tmp_path / "big", f"edge1:{far}/", "--limit", "300k", "--resume") as seat:
        seat.expect("kB/s")
        seat.type("\x03")
        code, seen = seat.end()
    assert (code, f"interrupted; --resume goes on with: {tmp_path}/big" in seen) == (130, True)
    assert [re.sub(r"\w{16}", "x", path.name) for path in far.iterdir()] == [".mooring-x.part"]
    with copying(daemon, tmp_path / "big", f"edge1:{far}/", "--resume") as seat:
        assert seat.end()[0] == 0
    assert [path.name for path in far.iterdir()] == ["big"]
    assert (far / "big").read_bytes() == (tmp_path / "big").read_bytes()
