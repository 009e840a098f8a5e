"""Rules for the system's own file."""

from __future__ import annotations

import pytest

from mooring.model.errors import ConfigError
from mooring.sshconfig.disk import Disk
from mooring.sshconfig.parser import Parser

from .places import LOCAL, Files


def test_relative_names_are_taken_from_etc() -> None:
    files = Files({})
    Parser(LOCAL, files, system=True).parse("Include ssh_config.d/*.conf /abs", "/etc/ssh/ssh_config")
    assert files.asked == ["/etc/ssh/ssh_config.d/*.conf", "/abs"]


def test_a_home_directory_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        Parser(LOCAL, Files({}), system=True).parse("Include ~/x", "/etc/ssh/ssh_config")
    assert str(caught.value) == '/etc/ssh/ssh_config:1: include: "~/x" in a system file must be absolute'


def test_a_directory_reads_as_empty(tmp_path: object) -> None:
    assert Disk().read(str(tmp_path), private=True) == ""


def test_bytes_that_are_no_text_survive(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("bytes") / "config"
    file.write_bytes(b"User \xff\xc3\xa9\n")
    text = Disk().read(str(file), private=True)
    assert text.encode("utf-8", "surrogateescape") == b"User \xff\xc3\xa9\n"


def test_files_are_found_in_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("glob")
    for name in ("b.conf", "a.conf", ".hidden.conf", "c.txt"):
        (folder / name).touch()
    assert Disk().find(f"{folder}/*.conf") == [f"{folder}/a.conf", f"{folder}/b.conf"]
    assert Disk().find(f"{folder}/missing") == []
