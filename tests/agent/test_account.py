"""Whom the agent runs as."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from mooring.agent.account import Account


def test_its_home_is_where_its_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Account.own().home == str(tmp_path)


@pytest.mark.parametrize("said", ["", ".", "/none/such"])
def test_what_is_no_folder_is_no_home(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("HOME", said)
    listed = pwd.getpwuid(os.getuid()).pw_dir
    assert Account.own().home == (listed if Path(listed).is_dir() else "/")
