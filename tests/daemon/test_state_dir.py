"""The state directory: one daemon at a time, private, with a token that is whole or not there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mooring.daemon import token
from mooring.daemon.lock import own
from mooring.model.errors import StateError


def test_a_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    with own(directory):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert (directory / "lock").read_text() == f"{os.getpid()}\n"


def test_a_second_owner_is_refused_with_the_firsts_pid(tmp_path: Path) -> None:
    with own(tmp_path), pytest.raises(StateError) as caught, own(tmp_path):
        pass
    assert caught.value.message == f"another mooringd, process {os.getpid()}, uses the state directory {tmp_path}"
    assert caught.value.hint == f"stop it (kill {os.getpid()}), or name another directory with --state-dir"


def test_a_directory_is_free_again_after_its_owner(tmp_path: Path) -> None:
    for _ in range(2):
        with own(tmp_path):
            pass


def test_a_killed_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib, mooring.daemon.lock as lock\nwith lock.own(pathlib.Path(sys.argv[1])): os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], timeout=30, check=False)
    assert done.returncode == 9
    with own(tmp_path):
        pass


def test_a_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(StateError, match="others may write to the state directory"), own(tmp_path):
        pass


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(StateError, match="file"), own(path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65_534, 65_534)
    with pytest.raises(StateError, match="belongs to uid 65534, and we are 0"), own(tmp_path):
        pass


def test_a_token_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "token"
    first = token.load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == first.reveal() + "\n"
    assert len(first.reveal()) >= 32
    assert token.load(path) == first
    assert token.load(tmp_path / "other") != first
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "token"]


def test_what_a_crash_left_of_a_token_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "token.new").write_text("half")
    assert len(token.load(tmp_path / "token").reveal()) >= 32


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token.load(path)
    path.chmod(0o640)
    with pytest.raises(StateError) as caught:
        token.load(path)
    assert caught.value.message == f"the token {path} has mode 0640, and others may use it"
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_pipe_in_the_tokens_place_holds_nobody(tmp_path: Path) -> None:
    path = tmp_path / "token"
    os.mkfifo(path, 0o600)
    with pytest.raises(StateError, match="is no file"):
        token.load(path)


@pytest.mark.parametrize(
    "text", ["", "short", "with a space in the middle of it", "x" * 20 + "\N{SNOWMAN}", "x" * 20 + "\ny"]
)
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StateError, match="holds no token"):
        token.load(path)
