"""Texts nobody would write: no surprise but `ConfigError`, and ``ssh -G`` agrees about the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mooring.model.errors import ConfigError, InvalidTarget
from mooring.sshconfig import HostConfig, Local, SSHConfig
from mooring.sshconfig.keywords import keyword_table
from mooring.sshconfig.patterns import matches, matches_list

from .reference import HAVE_SSH, Dump, Refused, compare, ssh_dump

LOCAL = Local(user="me", home="/home/me", uid=1000, hostname="here.example", environment={"HOME": "/home/me"})
HERE = Local.current()
KEYWORDS = [*keyword_table({}), "host", "match", "include-not", "unknown"]


class Nowhere:
    """No files at all."""

    def read(self, path: str, *, private: bool) -> str:
        raise FileNotFoundError(path)

    def find(self, pattern: str) -> list[str]:
        return []


def lookup(text: str, host: str = "host") -> HostConfig | ConfigError:
    try:
        return SSHConfig.parse(text, source="f", local=LOCAL, read=Nowhere()).lookup(host, run_exec=lambda _: True)
    except ConfigError as error:
        return error


@given(st.text(max_size=200))
@example("match\n")
@example('match "a')
@example("port\x0022")
@example("host a\\")
def test_any_text_is_read_or_refused(text: str) -> None:
    lookup(text)


CRITERIA = ["host", "user", "exec", "all", "canonical", "final", "!host", "originalhost", "localuser", "tagged"]
NOISE = st.text(alphabet=" \t\"'\\#=,%${}~!*?:[]@-/+^0129abchmnoyesHs\r\f", max_size=24)


@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), st.one_of(NOISE, st.text(max_size=10))), max_size=6))
def test_any_arguments_of_any_keyword_are_read_or_refused(parts: list[tuple[str, str]]) -> None:
    lookup("\n".join(f"{keyword} {arguments}" for keyword, arguments in parts))


@given(st.lists(st.tuples(st.sampled_from(CRITERIA), NOISE), max_size=5))
def test_any_criteria_are_read_or_refused(parts: list[tuple[str, str]]) -> None:
    lookup("match " + " ".join(f"{name} {argument}" for name, argument in parts))


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_target_is_looked_up_or_refused(host: str, user: str) -> None:
    config = SSHConfig.parse("ProxyCommand nc %h %r\nHost a*\n Port 1\n", local=LOCAL)
    try:
        found = config.lookup(host, user)
    except InvalidTarget:
        return
    assert not set(found.hostname) & set("'`\"$\\;&<>|(){}, \n\t\0")


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_patterns_match_by_the_book(pattern: str, text: str) -> None:
    def fits(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(fits(pattern[1:], text[i:]) for i in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])

    assert matches(text, pattern) is fits(pattern, text)
    assert matches_list(text, f"zzz,{pattern}") is fits(pattern, text)
    assert matches_list(text, f"*,!{pattern}") is not fits(pattern, text)


# --- side by side with ssh -------------------------------------------------------------------------------------------

NAME = st.text(alphabet="abx.-", min_size=1, max_size=5).filter(lambda text: not text.startswith("-"))
PATTERN = st.text(alphabet="abx.*?!", min_size=1, max_size=5)
WILD = st.text(alphabet=" \t\"'\\#=,ab!*1:@-", max_size=10)
SPACE = st.sampled_from([" ", "\t", "  ", "=", " = ", "= "])
NUMBER = st.sampled_from(
    ["0", "1", "22", "+7", "65535", "65536", "-1", "1x", "", " 5", "2147483647", "2147483648", "0x10"]
)
TIME = st.sampled_from(
    ["0", "5", "1m", "1h30m", "10S", "none", "1x", "m", "1w1w", "1m 5", "2147483648", "35791394m", "3w "]
)
FLAG = st.sampled_from(["yes", "no", "true", "FALSE", "Yes", "ask", "off", "accept-new", "1", '"yes"', "yes no"])
ALGORITHM = st.sampled_from(
    ["aes128-ctr", "+aes128-cbc", "-aes*", "^aes256-ctr,aes128-ctr", "zzz", "+", "aes128-ctr,,x"]
)
PATH = st.sampled_from(["~/a", "/a b", '"/a b"', "none", "/a/%h", "~", "/x", "None", "%%", "/%d", "/%u-%i-%r-%p"])
WORDS = st.one_of(WILD, NAME)

OPTION = st.one_of(
    st.tuples(st.sampled_from(["User", "BindAddress", "HostKeyAlias"]), SPACE, WORDS),
    st.tuples(st.sampled_from(["SendEnv", "SetEnv", "IdentityFile", "PreferredAuthentications"]), SPACE, WORDS),
    st.tuples(st.just("HostName"), SPACE, st.one_of(WILD, NAME, st.sampled_from(["%h.b", "%%", "1.2", "::a", "%x"]))),
    st.tuples(st.sampled_from(["Port", "ServerAliveCountMax", "ConnectionAttempts"]), SPACE, NUMBER),
    st.tuples(st.sampled_from(["ConnectTimeout", "ServerAliveInterval", "KeepAlive"]), SPACE, TIME),
    st.tuples(
        st.sampled_from(
            ["StrictHostKeyChecking", "PasswordAuthentication", "Compression", "TCPKeepAlive", "BatchMode"]
        ),
        SPACE,
        FLAG,
    ),
    st.tuples(st.just("Ciphers"), SPACE, ALGORITHM),
    st.tuples(st.sampled_from(["UserKnownHostsFile", "GlobalKnownHostsFile", "IdentityFile"]), SPACE, PATH),
    st.tuples(
        st.sampled_from(["RemoteCommand", "ProxyCommand"]), SPACE, st.sampled_from(["a %h #", '"b"', "none", "=x"])
    ),
    st.tuples(
        st.just("ProxyJump"), SPACE, st.sampled_from(["none", "a", "a,b", "u@a:2", "a:", "x:y", "[::1]:3", "a/b"])
    ),
    st.tuples(
        st.sampled_from(["IgnoreUnknown", "Odd", "Odder"]), SPACE, st.sampled_from(["odd*", "odder", "x y", '"'])
    ),
)
CRITERION = st.one_of(
    st.tuples(st.sampled_from(["host", "originalhost", "!host", "user", "!localuser"]), SPACE, PATTERN),
    st.tuples(st.sampled_from(["all", "canonical", "final", "!final", "!all"]), st.just(""), st.just("")),
    st.tuples(st.sampled_from(["host", "odd", "#"]), SPACE, WILD),
)
HEAD = st.one_of(
    st.lists(st.one_of(PATTERN, WILD), min_size=1, max_size=3).map(lambda words: "Host " + " ".join(words)),
    st.lists(CRITERION, min_size=1, max_size=3).map(lambda all_: "Match " + " ".join("".join(one) for one in all_)),
)
LINE = st.one_of(OPTION.map("".join), HEAD, st.just(""), WILD.map(lambda text: "#" + text))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.skipif(not HAVE_SSH, reason="no ssh on the PATH: install openssh-client")
@pytest.mark.timeout(120)
@settings(max_examples=400)
@given(lines=st.lists(LINE, max_size=8), host=NAME, user=st.one_of(st.none(), st.just("someone")))
def test_generated_files_mean_what_ssh_says(lines: list[str], host: str, user: str | None, folder: Path) -> None:
    file = folder / "config"
    file.write_text("\n".join(lines))
    ours, theirs = _read(file, host, user), _dumped(file, host, user)
    if isinstance(ours, HostConfig) and not isinstance(theirs, Refused):
        assert compare(ours, theirs, host, HERE) == []
    elif isinstance(ours, ConfigError) and isinstance(theirs, Refused):
        assert not theirs.where or (ours.source, ours.line) in theirs.where
    else:
        # A name from the file goes through a shell in ProxyCommand; ssh trusts the file with it, we do not.
        assert "is not fit for the shell" in str(ours), theirs


def _read(file: Path, host: str, user: str | None) -> HostConfig | ConfigError:
    try:
        return SSHConfig.load([file], local=HERE).lookup(host, user)
    except ConfigError as error:
        return error


def _dumped(file: Path, host: str, user: str | None) -> Dump | Refused:
    try:
        return ssh_dump(file, host, user=user)
    except Refused as refused:
        return refused
