"""A user of this machine that exists for the tests only: password logins and signals need one that is not root."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_END = 10.0
"""Seconds in which what is killed is gone."""


@dataclass(frozen=True)
class Account:
    """A login.

    Attributes:
        name: The user's name.
        password: Its password; empty for the current user, whose password nobody knows.
        home: Its home directory.
    """

    name: str
    password: str = field(repr=False)
    home: Path


def current() -> Account:
    """Whoever runs the tests, who can log in by key only."""
    entry = pwd.getpwuid(os.getuid())
    return Account(entry.pw_name, "", Path(entry.pw_dir))


@contextmanager
def throwaway() -> Iterator[Account | None]:
    """A user with a random password and ``/bin/sh``, removed afterwards; None where we may not make one."""
    if os.geteuid() != 0 or not shutil.which("useradd") or not shutil.which("chpasswd"):
        yield None
        return
    name, password = f"mooring-test-{secrets.token_hex(3)}", secrets.token_urlsafe(12)
    _administer(["useradd", "--create-home", "--shell", "/bin/sh", name])
    entry = pwd.getpwnam(name)
    try:
        _administer(["chpasswd"], f"{name}:{password}\n")
        yield Account(name, password, Path(entry.pw_dir))
    finally:
        _end_all(entry.pw_uid)
        _administer(["userdel", "--remove", "--force", name])


def _end_all(uid: int) -> None:
    """End what a user runs: a command without a terminal outlives the session that is cut under it."""
    killed = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.uids().real == uid:
                process.kill()
                killed.append(process)
    psutil.wait_procs(killed, timeout=_END)


def _administer(command: list[str], text: str = "") -> None:
    """Run a program that edits the password file, again while another one has it locked."""
    deadline = time.monotonic() + 30
    while True:
        outcome = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if outcome.returncode == 0 or ("lock" not in outcome.stderr or time.monotonic() > deadline):
            break
        time.sleep(0.1)
    if outcome.returncode not in (0, 12):  # 12: userdel found no mail spool to remove
        raise RuntimeError(f"{command[0]}: {outcome.stderr.strip()}")
