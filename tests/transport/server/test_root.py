"""A folder that nothing leads out of."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.transport.server.root import Root


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder in a folder with a secret, and links of all kinds."""
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    (top / "up").symlink_to("..")
    (top / "away").symlink_to("/etc")
    (top / "home").symlink_to("/a")
    (top / "a" / "deep").symlink_to("../../../../../../secret")
    (top / "round").symlink_to("round")
    (top / "none").symlink_to("a/nothing")
    (top / "absolute").symlink_to(tmp_path / "secret")
    return top


@pytest.fixture
def root(top: Path) -> Iterator[Root]:
    root = Root(top)
    yield root
    root.close()
    root.close()


def read(root: Root, path: bytes) -> str:
    """What is read at a path, as a server does it."""
    with root.spot(path) as spot:
        descriptor = spot.open(os.O_RDONLY)
    with os.fdopen(descriptor) as file:
        return file.read()


@pytest.mark.parametrize(
    "path",
    [b"a/b/file", b"/a/b/file", b"//a/./b//file", b"home/b/file", b"../../a/b/file", b"a/../a/b/file", b"up/a/b/file",
     b"home/../home/b/file", b"a/b/../b/file", b"up/up/../home/b/file"],
)  # fmt: skip
def test_ways_to_a_file(root: Root, path: bytes) -> None:
    assert read(root, path) == "inside"


@pytest.mark.parametrize(
    "path",
    [b"../secret", b"/../secret", b"a/../../secret", b"up/secret", b"up/../secret", b"away/passwd", b"a/deep",
     b"absolute", b"/etc/passwd", b"home/../../secret", b"a/b/../../../secret", b"none/../../secret"],
)  # fmt: skip
def test_nothing_leads_out(root: Root, path: bytes) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at below
        read(root, path)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"round", errno.ELOOP),
        (b"a/b/file/more", errno.ENOTDIR),
        (b"nothing/more", errno.ENOENT),
        (b"a\0b", errno.EINVAL),
        (b"a/" * 3000, errno.ENAMETOOLONG),
        (b"a/../" * 700 + b"a/b/../../" * 10, None),
        (b"x" * 300, errno.ENAMETOOLONG),
    ],
)
def test_what_has_no_end_or_is_none(root: Root, path: bytes, number: int | None) -> None:
    if number is None:
        with root.spot(path) as spot:
            assert spot.path == b"/"
        return
    with pytest.raises(OSError) as caught, root.spot(path) as spot:  # noqa: PT011 - looked at below
        spot.open(os.O_RDONLY)
    assert caught.value.errno == number


def test_a_way_up_and_down_for_ever_ends(root: Root, top: Path) -> None:
    deep = top.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    (top / "climb").symlink_to("d/" * 100 + "../" * 99)
    (top / "again").symlink_to("climb/../climb/../climb")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)), root.spot(b"again/x"):
        pass


def test_the_last_link_is_followed_or_not(root: Root) -> None:
    with root.spot(b"home") as followed, root.spot(b"home", follow=False) as itself:
        assert (followed.path, itself.path) == (b"/a", b"/home")
        assert (stat.S_ISDIR(followed.stat().st_mode), stat.S_ISLNK(itself.stat().st_mode)) == (True, True)
    with root.spot(b"none") as dangling:
        assert (dangling.path, dangling.exists()) == (b"/a/nothing", False)
    with root.spot(b"..") as top:
        assert (top.name, top.path) == (b".", b"/")


def test_a_link_put_there_meanwhile_is_not_followed(root: Root, top: Path) -> None:
    with root.spot(b"a/b/file") as spot:
        (top / "a" / "b" / "file").unlink()
        (top / "a" / "b" / "file").symlink_to("/etc/passwd")
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            spot.open(os.O_RDONLY)
        with pytest.raises(OSError):  # noqa: PT011 - which one, the system chooses
            spot.chmod(0o777)
    with root.spot(b"a/b/new") as spot:
        (top / "a" / "b").rename(top / "moved")
        (top / "a" / "b").symlink_to("/tmp")
        os.close(spot.open(os.O_WRONLY | os.O_CREAT))
    assert (top / "moved" / "new").exists()


def test_permissions_are_set_without_opening(root: Root, top: Path) -> None:
    path = top / "a" / "b" / "file"
    path.chmod(0)
    with root.spot(b"a/b/file") as spot:
        spot.chmod(0o640)
    assert path.stat().st_mode & 0o777 == 0o640


PARTS = [
    b"a",
    b"b",
    b"file",
    b"..",
    b".",
    b"",
    b"up",
    b"away",
    b"home",
    b"deep",
    b"none",
    b"absolute",
    b"etc",
    b"secret",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(st.sampled_from(PARTS), max_size=12), st.booleans())
def test_no_path_leads_out(root: Root, top: Path, parts: list[bytes], absolute: bool) -> None:  # noqa: FBT001
    path = (b"/" if absolute else b"") + b"/".join(parts)
    try:
        with root.spot(path) as spot:
            folder = Path(f"/proc/self/fd/{spot.folder}").readlink()
            assert folder == top or top in folder.parents
            assert b"/" not in spot.name
            assert spot.name != b".."
            assert os.path.normpath(spot.path) == os.fsdecode(spot.path).encode()
    except OSError:
        pass
