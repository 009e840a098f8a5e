"""``install`` where something of what it changes is not there: all of it, or nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = lambda name, *rest: None if name == HIDDEN else find(name, *rest)
import mooring.compat.ncclient as compat
import ncclient.transport
theirs = ncclient.transport.SSHSession
try:
    with compat.install():
        print(ncclient.transport.SSHSession is theirs)
except ImportError as error:
    print(type(error).__name__)
print(ncclient.transport.SSHSession is theirs)
"""


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ("jnpr", ["False", "True"]),
        ("jnpr.junos", ["False", "True"]),
        ("jnpr.junos.utils.ssh_client", ["ModuleNotFoundError", "True"]),  # which an older one lacks
    ],
)
def test_what_is_missing(hidden: str, said: list[str]) -> None:
    pytest.importorskip("jnpr.junos")
    done = subprocess.run(
        [sys.executable, "-c", f"HIDDEN = {hidden!r}\n{PROGRAM}"], capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.returncode) == (said, 0), done.stderr
