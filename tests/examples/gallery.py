"""What runs the programs of ``examples/asyncssh``: within this process, as Python runs a program."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import IO
from urllib.parse import quote, urlencode

import pytest

from tests.peers.ending import ending
from tests.peers.sshd import Sshd

PROGRAMS = Path(__file__).parents[2] / "examples" / "asyncssh"
SERVERS = {path.stem for path in PROGRAMS.glob("*.py") if re.search(r"_server$|^editor$|^show_", path.stem)}
"""What waits for clients."""


def target(server: Sshd, alias: str = "edge1", user: str | None = None, **options: str) -> str:
    """A server as the programs take it: everything that it needs is in the one word."""
    known = {"known_hosts": str(server.known_hosts), "identity": str(server.client_key)}
    chosen = {name: value for name, value in {**known, **options}.items() if value}
    return f"{alias}://{quote(user or server.user)}@{server.host}:{server.port}?{urlencode(chosen)}"


def ssh_config(server: Sshd, path: Path) -> str:
    """An ssh_config by which ``edge1`` is the server."""
    path.write_text(
        f"Host edge1 {server.host}\n  HostName {server.host}\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.client_key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {server.known_hosts}\n"
    )
    return str(path)


@dataclass(frozen=True)
class Ran:
    """What a program did."""

    stdout: str
    stderr: str
    status: int


class Gallery:
    """Runs programs, in a folder of their own."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capture = capture
        self._patch = patch

    def run(self, program: str, *words: object) -> Ran:
        """Run one, and return what it did."""
        path = PROGRAMS / f"{program}.py"
        self._patch.chdir(self.folder)
        self._patch.setattr("sys.argv", [str(path), *(str(word) for word in words)])
        said, status = "", 0
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            said, status = (f"{end.code}\n", 1) if isinstance(end.code, str) else ("", int(end.code or 0))
        seen = self._capture.readouterr()
        return Ran(seen.out, seen.err + said, status)

    @contextmanager
    def running(self, program: str, *words: object, ends: bool = False) -> Iterator[IO[str]]:
        """One that runs until it is interrupted, which is its good end, or by itself; what it prints."""
        path = str(PROGRAMS / f"{program}.py")
        command = [sys.executable, "-u", "-W", "error", path, *(str(word) for word in words)]
        with ending(subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, cwd=self.folder)) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            yield process.stdout
            if not ends:
                process.send_signal(signal.SIGINT)
            ended = process.wait(timeout=40), process.stderr.read()
            assert ended == (0, ""), ended


class Home:
    """The home at the far end, as the programs expect it: ``abc``, ``example.txt``, ``example_dir``, ``notes.txt``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        owner = folder.stat()
        for name, text in CONTENT.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (OLD, OLD))
            path.chmod(0o640)
        for top in folder.glob("[!.]*"):
            for path in (top, *top.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)

    def text(self, name: str) -> str:
        """A file's text."""
        return (self.folder / name).read_text()

    def clear(self) -> None:
        """Take away all that does not hide."""
        for path in self.folder.glob("[!.]*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


OLD = 1_000_000_000
CONTENT = {
    "abc/one": "1",
    "abc/two": "2",
    "example.txt": "an example\n",
    "notes.txt": "notes\n",
    "example_dir/below/deep": "deep",
    "example_dir/flat": "flat",
}
