"""`mooring cp` against a real daemon and real sshds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.cli.copied import seconds, size
from mooring.cli.cp import place
from tests.daemon.running import RunningDaemon
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd

from .calling import mooring


@pytest.fixture(scope="module")
def daemon(sshd: Sshd) -> Iterator[RunningDaemon]:
    """One that holds ``edge1`` and ``edge2``, the same sshd twice, and ``down``."""
    folder = Path(tempfile.mkdtemp(prefix="mooringd-"))
    key = public_line(sshd.host_keys[0])
    config = "".join(
        f'[sessions.{alias}]\nhost = "127.0.0.1"\nport = {sshd.port}\nusername = "{sshd.user}"\nlabel = ["site:ams"]\n'
        f'identity = ["{sshd.client_key}"]\nhost_key = "{key}"\n'
        for alias in ("edge1", "edge2")
    )
    config += '[sessions.down]\nhost = "127.0.0.1"\nport = 1\nhost_key = "off"\n'
    try:
        with RunningDaemon(folder, config=config) as daemon:
            daemon.wait_state("edge1", "edge2")
            yield daemon
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def far(peers_folder: Path) -> Iterator[Path]:
    """A folder at the far end."""
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        Path(name).chmod(0o777)
        yield Path(name)


def cp(daemon: RunningDaemon, *words: object, cwd: Path | None = None, code: int = 0) -> str:
    """Run it; what it says on stderr."""
    done = mooring("cp", *map(str, words), environment=daemon.environment(), cwd=cwd)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    return done.stderr


def test_there_and_back(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(1_000_000))
    assert cp(daemon, "a", f"edge1:{far}/", "--checksum", cwd=tmp_path) == ""
    assert cp(daemon, f"edge1:{far}/a", "b", cwd=tmp_path) == ""
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_a_tree_from_host_to_host(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "tree" / "empty").mkdir(parents=True)
    (tmp_path / "tree" / "with space").write_text("content")
    os.utime(tmp_path / "tree" / "with space", (1_000_000_000, 1_000_000_000))
    cp(daemon, "-rp", "tree", f"edge1:{far}", cwd=tmp_path)
    cp(daemon, "-rp", f"edge1:{far}/tree", f"edge2:{far}/again", "--limit", "1M", "--resume")
    subprocess.run(["diff", "-r", tmp_path / "tree", far / "again"], check=True)
    assert (far / "again" / "with space").stat().st_mtime == 1_000_000_000


def test_one_file_to_a_selector(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "motd").write_text("hello")
    for selector in ("edge1,edge2", "edge*", "[site:ams]"):
        cp(daemon, tmp_path / "motd", f"{selector}:{far}/motd")
        assert (far / "motd").read_text() == "hello"
        (far / "motd").unlink()
    told = cp(daemon, tmp_path / "motd", f"edge1,down:{far}/motd", code=1)
    assert (far / "motd").read_text() == "hello"
    assert told.startswith("mooring cp: down is ")


def test_patterns_and_several_sources(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    for name in ("a.conf", "b.conf", "c"):
        (tmp_path / name).write_text(name)
    cp(daemon, "*.conf", "c", f"edge1:{far}/new", cwd=tmp_path)
    assert sorted(path.name for path in (far / "new").iterdir()) == ["a.conf", "b.conf", "c"]
    cp(daemon, f"edge1:{far}/new/*.conf", f"{tmp_path}/back/")
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["a.conf", "b.conf"]


def test_from_many_hosts_each_into_a_folder_of_its_own(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (far / "log").write_text("from far")
    (far / "more").write_text("more")
    cp(daemon, f"edge*:{far}/log", f"[site:ams]:{far}/m*", f"edge1:{far}/more", "logs", cwd=tmp_path)
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        f"logs/edge{number}/{name}": text for number in (1, 2) for name, text in (("log", "from far"), ("more", "more"))
    }
    told = cp(daemon, f"edge*:{far}/log", f"edge1:{far}/x", code=2)
    assert "a source that names many sessions is copied to a folder here" in told


@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=["anew", "resume"])
def test_two_hosts_do_not_replace_each_others_file(
    daemon: RunningDaemon, tmp_path: Path, far: Path, resume: list[str]
) -> None:
    (far / "log").write_text("from far")
    told = cp(daemon, *resume, f"edge1:{far}/log", f"edge2:{far}/log", f"{tmp_path}/logs", code=1)
    assert told == (
        f"mooring cp: edge2:{far}/log: another source has its name, and would be replaced by it\n"
        "  hint: copy it under another name\n"
    )
    assert (tmp_path / "logs" / "log").read_text() == "from far"


def test_names_that_are_no_text(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).write_bytes(b"content")
    cp(daemon, tmp_path / name, f"edge1:{far}/")
    assert [path.name for path in far.iterdir()] == [name]
    cp(daemon, f"edge1:{far}/{name}", f"[edge2]:{far}/again-{name}")
    cp(daemon, f"edge1:{far}/again-{name}", tmp_path / f"back-{name}")
    assert (tmp_path / f"back-{name}").read_bytes() == b"content"
    assert cp(daemon, tmp_path / f"none-{name}", f"edge1:{far}/", code=1) == (
        f"mooring cp: {tmp_path}/none-caf\\udce9: there is no such file\n"
    )


def test_a_timeout_is_for_each_host(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(1_000_000))
    told = cp(daemon, tmp_path / "big", f"edge1:{far}/", "--limit", "100k", "--timeout", "0.3", code=124)
    assert told.startswith("mooring cp: the files of edge1 were not copied within 0.3 s")
    assert list(far.iterdir()) == []


def test_json_tells_each_step(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "a").write_text("a")
    done = mooring("cp", "--json", str(tmp_path / "a"), f"edge1:{far}/", environment=daemon.environment())
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["alias"] == "edge1"
    assert (last["done"]["files"], last["done"]["size"], last["done"]["protocol"]) == (1, 1, "sftp")


def test_failures_name_the_file_and_go_on(daemon: RunningDaemon, tmp_path: Path, far: Path) -> None:
    (tmp_path / "a").write_text("a")
    told = cp(daemon, tmp_path / "none", tmp_path / "a", f"edge1:{far}/", code=1)
    assert told == f"mooring cp: {tmp_path}/none: there is no such file\n"
    assert (far / "a").read_text() == "a"
    told = cp(daemon, f"edge1:{far}", tmp_path, code=1)
    assert told == f"mooring cp: edge1:{far}: it is a folder\n  hint: recurse copies folders\n"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["a"], 2, "it takes a source and a target"),
        (["a", "b"], 2, "from this machine to itself"),
        (["nobody:a", "b"], 255, "no session is called nobody"),
        (["down:a", "b"], 255, "down is "),
        (["a", ":b"], 2, "no alias stands before the colon"),
        (["a", "edge1:", "--limit", "fast"], 2, "'fast' is no rate"),
        (["a", "edge1:", "--links", "copy"], 2, "--links"),
    ],
    ids=range(7),
)
def test_what_cannot_be_done(daemon: RunningDaemon, words: list[str], code: int, told: str) -> None:
    assert told in cp(daemon, *words, code=code)


def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert place("edge1:\udce9") == {"session": "edge1", "path": {"base64": "6Q=="}}
    assert place("edge1:a:b") == {"session": "edge1", "path": "a:b"}
    assert place("[site:ams,!x]:a]:b") == {"session": "site:ams,!x", "path": "a]:b"}
    assert place("a/") == {"path": f"{tmp_path}/a/"}
    assert place("./a:b") == {"path": f"{tmp_path}/./a:b"}
    assert place("/a") == {"path": "/a"}


def test_numbers_for_people() -> None:
    assert [size(count) for count in (0, 999, 1000, 123_456, 5e9, 7e15)] == [
        "0 B", "999 B", "1.0 kB", "123 kB", "5.0 GB", "7000.0 TB",
    ]  # fmt: skip
    assert [seconds(left) for left in (0, 59.6, 3599, 3661)] == ["0:00", "1:00", "59:59", "1:01:01"]
