"""The gallery's programs on files, against a real sshd."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.sshd import Sshd

from .gallery import CONTENT, OLD, Gallery, Home, Ran, ssh_config, target

DONE = Ran("", "", 0)


@pytest.fixture
def config(sshd: Sshd, tmp_path: Path) -> str:
    """An ssh_config by which ``edge1`` is the shared sshd."""
    return ssh_config(sshd, tmp_path / "config")


def names(folder: Path) -> list[str]:
    """All that is below a folder, what hides left out."""
    return sorted(str(path.relative_to(folder)) for top in folder.glob("[!.]*") for path in (top, *top.rglob("*")))


def kept(path: Path) -> tuple[int, int]:
    """What ``preserve`` keeps of a file."""
    return path.stat().st_mode & 0o777, int(path.stat().st_mtime)


def test_sftp_client_gets_a_file(gallery: Gallery, edge: str, home: Home) -> None:
    assert gallery.run("sftp_client", edge) == DONE
    assert names(gallery.folder) == ["example.txt"]
    assert (gallery.folder / "example.txt").read_text() == CONTENT["example.txt"]


def test_sftp_client_names_the_file_that_is_missing(gallery: Gallery, edge: str) -> None:
    ran = gallery.run("sftp_client", edge)
    assert (ran.stdout, ran.status) == ("", 1)
    assert "example.txt" in ran.stderr
    assert names(gallery.folder) == []


def test_sftp_recursive_gets_a_folder_as_it_is(gallery: Gallery, edge: str, home: Home) -> None:
    assert gallery.run("sftp_recursive", edge) == DONE
    copy = gallery.folder / "example_dir"
    assert names(gallery.folder) == ["example_dir", "example_dir/below", "example_dir/below/deep", "example_dir/flat"]
    assert (copy / "below" / "deep").read_text() == CONTENT["example_dir/below/deep"]
    assert kept(copy / "below" / "deep") == kept(copy / "flat") == (0o640, OLD)


@pytest.mark.parametrize("program", ["sftp_wildcard", "sftp_actions"])
def test_sftp_wildcard_gets_what_fits(program: str, gallery: Gallery, edge: str, home: Home) -> None:
    ran = gallery.run(program, edge)
    assert (ran.stderr, ran.status) == ("", 0)
    assert ran.stdout == ("" if program == "sftp_wildcard" else "example.txt 11\nnotes.txt 6\n")
    assert names(gallery.folder) == ["example.txt", "notes.txt"]
    assert (gallery.folder / "notes.txt").read_text() == CONTENT["notes.txt"]


@pytest.mark.parametrize("program", ["scp_client", "scp_host", "scp_port", "scp_session"])
def test_scp_gets_a_file_whatever_names_the_host(
    program: str, gallery: Gallery, sshd: Sshd, config: str, home: Home
) -> None:
    port = str(sshd.port)
    words = {"scp_port": [sshd.host, port, config], "scp_session": [target(sshd)]}.get(program, ["edge1", config])
    assert gallery.run(program, *words) == DONE
    assert names(gallery.folder) == ["example.txt"]
    assert (gallery.folder / "example.txt").read_text() == CONTENT["example.txt"]


@pytest.mark.parametrize(
    ("program", "copy"),
    [
        ("scp_upload", "example.txt"),
        ("scp_rename", "example2.txt"),
        ("scp_into", "example_dir/example.txt"),
    ],
)
def test_scp_puts_a_file_where_it_is_told(program: str, copy: str, gallery: Gallery, config: str, home: Home) -> None:
    (gallery.folder / "example.txt").write_text("from here")
    before = names(home.folder)
    assert gallery.run(program, "edge1", config) == DONE
    assert names(home.folder) == sorted({*before, copy})
    assert home.text(copy) == "from here"


def test_scp_wildcard_puts_what_fits(gallery: Gallery, config: str, home: Home) -> None:
    for name in ("one.txt", "two.txt", "three.dat"):
        (gallery.folder / name).write_text(name)
    before = names(home.folder)
    assert gallery.run("scp_wildcard", "edge1", config) == DONE
    assert names(home.folder) == sorted({*before, "one.txt", "two.txt"})
    assert (home.text("one.txt"), home.text("two.txt")) == ("one.txt", "two.txt")


def test_scp_recursive_puts_a_folder_as_it_is(gallery: Gallery, config: str, home: Home) -> None:
    home.clear()
    mine = Home(gallery.folder)
    assert gallery.run("scp_recursive", "edge1", config) == DONE
    assert names(home.folder) == [name for name in names(mine.folder) if name.startswith("example_dir")]
    assert home.text("example_dir/below/deep") == CONTENT["example_dir/below/deep"]
    assert kept(home.folder / "example_dir" / "flat") == (0o640, OLD)


def test_scp_several_copies_from_here_and_from_a_host(gallery: Gallery, edge: str, sshd: Sshd, home: Home) -> None:
    (gallery.folder / "one.txt").write_text("from here")
    for words in ([edge], [edge, target(sshd, "edge2")]):
        assert gallery.run("scp_several", *words) == DONE
        assert names(home.folder / "copies") == ["example.txt", "one.txt"]
        assert (home.text("copies/one.txt"), home.text("copies/example.txt")) == ("from here", CONTENT["example.txt"])
        (home.folder / "copies" / "one.txt").unlink()


def test_scp_between_copies_from_host_to_host(gallery: Gallery, edge: str, sshd: Sshd, home: Home) -> None:
    assert gallery.run("scp_between", edge, target(sshd, "edge2")) == Ran("11 bytes\n", "", 0)
    assert home.text("example2.txt") == CONTENT["example.txt"]
    assert names(gallery.folder) == []


def test_a_copy_that_fails_says_why(gallery: Gallery, config: str, home: Home) -> None:
    ran = gallery.run("scp_upload", "edge1", config)
    assert (ran.stdout, ran.status) == ("", 1)
    assert "example.txt" in ran.stderr
