"""Files on a real disk, in ssh's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.model.errors import ConfigError
from mooring.sshconfig import Local, SSHConfig


@pytest.fixture
def home(tmp_path: Path) -> Local:
    (tmp_path / ".ssh").mkdir()
    return Local("me", str(tmp_path), 1000, "here")


def test_the_user_s_file_goes_before_the_system_s(home: Local) -> None:
    Path(home.home, ".ssh/config").write_text("Host edge1\n HashKnownHosts no\n Include more\n")
    Path(home.home, ".ssh/more").write_text("Port 2201\n")
    found = SSHConfig.load(local=home).lookup("edge1")
    assert (found.port, found.hash_known_hosts) == (2201, False)
    assert found.origin["port"] == f"{home.home}/.ssh/more:1"


def test_no_file_is_no_error(home: Local) -> None:
    assert SSHConfig.load(local=home).lookup("edge1").hostname == "edge1"


def test_a_named_file_must_be_there(home: Local, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        SSHConfig.load([tmp_path / "missing"], local=home)
    assert str(caught.value) == f"{tmp_path}/missing: no such file"


def test_named_files_count_in_their_order(home: Local, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).write_text(f"Port {number}\nIdentityFile {number}\n")
    found = SSHConfig.load([tmp_path / "2", tmp_path / "1"], local=home).lookup("a")
    assert (found.port, found.identity_files) == (2, ("2", "1"))


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_file_that_others_may_write_is_refused(home: Local, mode: int) -> None:
    file = Path(home.home, ".ssh/config")
    file.write_text("Port 1")
    file.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        SSHConfig.load(local=home)
    assert str(caught.value) == f"{file}: others may write this file (chmod go-w {file}, and make it your own)"
    assert SSHConfig.load([file], local=home).lookup("a").port == 1


def test_this_process_is_the_place_unless_one_is_given(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("IdentityFile ~/%u-%i\n")
    here = Local.current()
    found = SSHConfig.load([tmp_path / "config"]).lookup("a")
    assert found.identity_files == (f"{here.home}/{here.user}-{here.uid}",)
