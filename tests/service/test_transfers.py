"""Which command lines carry files and can do nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.service.transfers import is_transfer


@pytest.mark.parametrize(
    "command",
    [
        b"scp -t /tmp/x",
        b"scp -f .",
        b"scp -v -r -p -d -t -- -odd",
        b"scp -rt 'a b;c'",
        b"scp -f a\\ b ./*.txt ~/x",
        b'scp -t "two words"',
        b"scp -t caf\xc3\xa9",
        b"rsync --server -vlogDtpre.iLsfxCIvu . /tmp/x",
        b"rsync --server --sender -vlogDtpre.iLsfxCIvu --delete --partial-dir=.p . a b",
        b"rsync --server -ve.LsfxCIvu --timeout=5 . ''",
    ],
)
def test_what_clients_ask_for(command: bytes) -> None:
    assert is_transfer(command)


@pytest.mark.parametrize(
    "command",
    [
        b"",
        b"scp",
        b"scp -t",
        b"scp a b",
        b"scp -S /bin/sh -t x",
        b"scp -t -f x",
        b"scp -oProxyCommand=id -f x",
        b"scp -f x -oProxyCommand=id",
        b"scp -f x '-oProxyCommand=id'",
        b"scp -t x; id",
        b"scp -t x && id",
        b"scp -t $(id)",
        b"scp -t `id`",
        b'scp -t "$(id)"',
        b"scp -t x | sh",
        b"scp -t x > /etc/passwd",
        b"scp -t x\nid",
        b"scp -t x\\\nid",
        b"scp -t <(id)",
        b"scpx -t x",
        b"/tmp/scp -t x",
        b"X=1 scp -t x",
        b"rsync --server --daemon . x",
        b"rsync --server --config=/tmp/c --daemon . x",
        b"rsync --server --rsh=sh . x",
        b"rsync --server -e sh . x",
        b"rsync --server -logM--daemon . x",
        b"rsync --daemon",
        b"rsync -a x y",
        b"rsync --server -a . x --daemon",
        b"rsync --server -a . x '--daemon'",
        b"rsync --server -a . x;id",
        b"rsync --server",
        b"rsync --server -vse.LsfxCIvu . x",
        b"rsync --server . {--daemon,--config=rc}",
        b"rsync --server --sender . x{a,-b}",
        b"rsync --server . *",
        b"rsync --server . ?-daemon",
        b"rsync --server . [-]-daemon",
        b"rsync --server . ''*",
        b"rsync --server . ''-x",
        b"rsync --server . \"\"'-'x",
        b"rsync --server . \\-x",
        b"rsync --server . ^x",
        b"rsync --server . \xa5\\;id",
        b"scp -f *",
        b"scp -f {-oProxyCommand=id,x}",
        b"scp -f x ?oProxyCommand=id",
    ],
)
def test_what_could_do_more(command: bytes) -> None:
    assert not is_transfer(command)


_PIECES = st.sampled_from(
    [b"-", b"x", b"*", b"?", b"[-]", b"{", b"}", b",", b"~", b"'", b'"', b"''", b'""', b"\\", b"/", b" ", b"^", b"="]
)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(_PIECES, min_size=1, max_size=8).map(b"".join))
def test_no_shell_makes_an_option_of_a_path(tmp_path: Path, shell: str, words: bytes) -> None:
    for name in ("-x", "--daemon", "-ax", "xa"):
        (tmp_path / name).touch()
    for command in (b"rsync --server . ", b"scp -f "):
        if is_transfer(command + words):
            line = b"printf '%s\\n' " + words
            printed = subprocess.run([shell, "-c", line], cwd=tmp_path, capture_output=True, check=True)
            before = printed.stdout.partition(b"--\n")[0] if words.startswith(b"-- ") else printed.stdout
            options = [word for word in before.split(b"\n") if word.startswith(b"-") and word != b"-"]  # that is a path
            assert not options, os.fsdecode(line)
