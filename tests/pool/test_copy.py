"""`mooring.copy()`: every form of source and target, over real sshds."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest

import mooring
from mooring import FileMissing, InvalidInput, Session
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.session.held import credentials, held

pytestmark = pytest.mark.anyio


@pytest.fixture
def far(peers_folder: Path) -> Iterator[Path]:
    """A folder at the far end."""
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
async def session(anyio_backend: str, sshd: Sshd) -> AsyncIterator[Session]:
    """One that is held."""
    del anyio_backend
    async with held(sshd) as session:
        yield session


@pytest.fixture
def keywords(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How hosts that are named are reached: ``edge1`` is one of ssh_config."""
    config = tmp_path_factory.mktemp("config") / "config"
    config.write_text(f"Host edge1\n  HostName 127.0.0.1\n  Port {sshd.port}\n")
    return {**credentials(sshd), "config": str(config)}


def here(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("form", ["text", "bytes", "host", "pair", "session"])
async def test_forms_of_a_source_and_a_target(
    form: str, session: Session, keywords: dict[str, Any], tmp_path: Path, far: Path
) -> None:
    here(tmp_path, a="content")
    port = session.status().port

    def spot(path: Path) -> Any:  # noqa: ANN401 - any form
        return {
            "text": f"edge1:{path}",
            "bytes": f"edge1:{path}".encode(),
            "host": ("edge1", path),
            "pair": (("127.0.0.1", port), str(path)),
            "session": (session, PurePath(path)),
        }[form]

    await mooring.copy(tmp_path / "a", spot(far), **keywords)
    assert (far / "a").read_text() == "content"
    await mooring.copy(spot(far / "a"), str(tmp_path / "b"), **keywords)
    assert (tmp_path / "b").read_text() == "content"


async def test_the_home_of_a_host_and_of_a_session(session: Session, keywords: dict[str, Any], tmp_path: Path) -> None:
    name = f"mooring-{tmp_path.name}"
    (tmp_path / name).write_text("x")
    try:
        await mooring.copy(str(tmp_path / name), "edge1:", **keywords)
        assert (await session.run(f"cat ~/{name}")).stdout == "x"
        (tmp_path / name).write_text("y")
        await mooring.copy([tmp_path / name], session)
        await mooring.copy(f"edge1:{name}", tmp_path / "back", **keywords)
        assert (tmp_path / "back").read_text() == "y"
    finally:
        await session.run(f"rm -f ~/{name}")


async def test_several_patterns_and_trees(session: Session, tmp_path: Path, far: Path) -> None:
    here(tmp_path, a="a", b="b", c="c")
    (tmp_path / "tree").mkdir()
    here(tmp_path / "tree", inner="inner")
    done = await mooring.copy(
        [tmp_path / "[ab]", tmp_path / "tree"], (session, far / "new"), recurse=True, preserve=True
    )
    assert done.files == 3
    subprocess.run(["diff", "-r", tmp_path / "tree", far / "new" / "tree"], check=True)
    await mooring.copy([(session, far / "new" / "?")], tmp_path / "back")
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["a", "b"]


async def test_between_two_hosts_through_us_and_without_a_file_here(
    session: Session, start_sshd: StartSshd, far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.session.files.access.LocalEnd", None)
    here(far, a="a" * 3_000_000)
    (far / "tree" / "empty").mkdir(parents=True)
    (far / "tree" / "link").symlink_to("empty")
    async with held(start_sshd(), alias="edge2") as other:
        done = await mooring.copy([(session, far / "a"), (session, far / "tree")], (other, far / "to"), recurse=True)
        assert (done.files, done.size) == (2, 3_000_000)
        with pytest.raises(FileMissing, match="edge1:/none"):
            await mooring.copy((session, "/none"), other)
    subprocess.run(["cmp", far / "a", far / "to" / "a"], check=True)
    subprocess.run(["diff", "-r", "--no-dereference", far / "tree", far / "to" / "tree"], check=True)


@pytest.mark.parametrize(
    ("sources", "target", "words"),
    [
        ("a", "b", "from this machine to itself"),
        (["edge1:a", PurePath("b")], ".", "from this machine to itself"),
        (["./a:b"], "c", "from this machine to itself"),
        ([], "edge1:", "no file was named"),
        (":a", "b", "no host stands before the colon"),
        ((7, "a"), "b", "a host is a int"),
        ((("edge1", "22"), "a"), "b", "a host is a tuple"),
        (7, "edge1:", "a path is a int"),
        (("edge1", 7), "b", "a path is a int"),
    ],
    ids=range(9),
)
async def test_what_cannot_be_meant(sources: Any, target: Any, words: str) -> None:  # noqa: ANN401 - any form
    with pytest.raises(InvalidInput, match=words):
        await mooring.copy(sources, target, config=None)
