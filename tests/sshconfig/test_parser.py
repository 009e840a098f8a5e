"""Include: where an included file stands, and what is wrong with it."""

from __future__ import annotations

import pytest

from mooring.model.errors import ConfigError
from mooring.sshconfig import SSHConfig

from .places import LOCAL, Files, lookup


def test_it_stands_where_it_is_written() -> None:
    found = lookup("Host edge1\n Include a b\n Port 3\n", a="Host other\n Port 1\n", b="User b\nPort 2\n")
    assert (found.user, found.port, found.origin["port"]) == ("b", 2, "/home/me/.ssh/b:2")


def test_nothing_in_it_reaches_beyond_a_block_that_does_not_apply() -> None:
    text = "Host other\n Include a\n User never\nHost *\n User always\n"
    found = lookup(text, a='Host edge1\n Port 1\nMatch all\n Port 2\nMatch exec "never"\n Port 3\n')
    assert (found.user, found.port) == ("always", None)


def test_names() -> None:
    files = Files({})
    text = "Include a ~/b /c/*.d '~nobody/x'\n"
    SSHConfig.parse(text, local=LOCAL, read=files)
    assert files.asked == ["/home/me/.ssh/a", "/home/me/b", "/c/*.d", "~nobody/x"]


def test_a_vanished_file_is_no_error() -> None:
    assert lookup("Include a\nPort 1", a="gone").port == 1


def test_an_unreadable_file_is_one() -> None:
    with pytest.raises(ConfigError) as caught:
        lookup("\nInclude a", a="unreadable")
    assert str(caught.value) == "config:2: include: /home/me/.ssh/a cannot be read: Permission denied"


def test_errors_name_the_included_file() -> None:
    with pytest.raises(ConfigError) as caught:
        lookup("Host other\n Include a\n", a="\n Port x")
    assert str(caught.value) == '/home/me/.ssh/a:2: port: "x" is not a number'


def test_unknown_keywords_count_in_blocks_that_do_not_apply() -> None:
    with pytest.raises(ConfigError) as caught:
        lookup("Host other\n Include a\n", a="Odd x")
    assert caught.value.message == '/home/me/.ssh/a:1: "odd" is not a keyword of ssh_config'
    assert lookup("IgnoreUnknown odd\nHost other\n Include a\n", a="Odd x").port is None


def test_a_cycle_ends() -> None:
    with pytest.raises(ConfigError) as caught:
        lookup("Include a", a="\nInclude a")
    assert str(caught.value) == ("/home/me/.ssh/a:2: include: more than 16 files deep; does a file include itself?")


def test_sixteen_levels_are_allowed() -> None:
    files = {f"f{n}": f"Include f{n + 1}" for n in range(1, 16)} | {"f16": "Port 16"}
    assert lookup("Include f1", **files).port == 16


def test_match_final_in_an_included_file_asks_for_a_second_pass() -> None:
    found = lookup("HostName real\nInclude a\nHost real\n Port 7", a="Match final host none\n User x")
    assert found.port == 7
