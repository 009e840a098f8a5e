"""The gallery's far end: a home with what its programs look for, on the sshd that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.account import Account
from tests.peers.sshd import Sshd

from .gallery import Gallery, Home, target


@pytest.fixture
def gallery(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """What runs the programs."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Gallery(folder, capsys, monkeypatch)


@pytest.fixture
def home(account: Account) -> Iterator[Home]:
    """The home at the far end, made anew."""
    home = Home(account.home)
    yield home
    home.clear()


@pytest.fixture
def edge(sshd: Sshd) -> str:
    """The shared sshd, as the programs take it."""
    return target(sshd)
