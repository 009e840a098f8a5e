"""What starts a handler that is installed nowhere."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys

import pytest

from mooring import InvalidInput
from mooring.wire.near import Answered, NearEnd
from mooring.wire.shipping import shipped

HANDLER = b"import sys\nfrom mooring.far import serve\nserve(lambda pipe, message: [message, sys.argv, __file__])\n"


def test_a_handler_runs_from_what_is_shipped_alone() -> None:
    line, program = shipped(f"{shlex.quote(sys.executable)} -I", "h.py", HANDLER, ["a b"])
    near = NearEnd("edge1")
    _, asked = near.ask(*near.packed("x"))
    given = program + near.hello(20) + asked + near.terminate()
    done = subprocess.run(["sh", "-c", line], input=given, capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(near.receive(done.stdout)) == [Answered(1, ["x", ["h.py", "a b"], "h.py"], None)]


def test_half_a_program_is_told() -> None:
    line, program = shipped(shlex.quote(sys.executable), "h.py", HANDLER, [])
    done = subprocess.run(["sh", "-c", line], input=program[:-1], capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"the handler did not arrive whole\n")


def test_what_starts_it_is_python_3_8() -> None:
    line, _ = shipped("python3", "h.py", HANDLER, [])
    become, interpreter, option, boot = shlex.split(line)
    assert (become, interpreter, option) == ("exec", "python3", "-c")
    ast.parse(boot, feature_version=(3, 8))


@pytest.mark.parametrize("source", [b"def", b"\0", b"# coding: nonsense\n", b"'\xff'"])
def test_what_is_no_python_is_refused(source: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"the handler h\.py is no Python"):
        shipped("python3", "h.py", source, [])
