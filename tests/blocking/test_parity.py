"""The synchronous face has the signatures of the asynchronous one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_overloads

import pytest

import mooring
from mooring import blocking

TERMINAL = ("start", "write", "resize", "redraw", "wait", "end", "close")
SAME: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (mooring.connect, blocking.connect),
    (mooring.Pool, blocking.Pool),
    (mooring.Pool.start, blocking.Pool.start),
    (mooring.Pool.stop, blocking.Pool.stop),
    (mooring.Pool.run, blocking.Pool.run),
    (mooring.Pool.select, blocking.Pool.select),
    (mooring.Pool.statistics, blocking.Pool.statistics),
    (mooring.Session.status, blocking.Session.status),
    (mooring.Session.wait_up, blocking.Session.wait_up),
    (mooring.Session.ping, blocking.Session.ping),
    (mooring.Session.run, blocking.Session.run),
    (mooring.Session.pipe, blocking.Session.pipe),
    (mooring.Session.get, blocking.Session.get),
    (mooring.Session.put, blocking.Session.put),
    (mooring.Pipe.start, blocking.Pipe.start),
    (mooring.Pipe.send, blocking.Pipe.send),
    (mooring.Pipe.request, blocking.Pipe.request),
    (mooring.Pipe.status, blocking.Pipe.status),
    (mooring.Pipe.close, blocking.Pipe.close),
    (mooring.Session.forward_local, blocking.Session.forward_local),
    (mooring.Session.forward_remote, blocking.Session.forward_remote),
    (mooring.Session.forward_socks, blocking.Session.forward_socks),
    (mooring.Forward.get_port, blocking.Forward.get_port),
    (mooring.Forward.status, blocking.Forward.status),
    (mooring.Forward.close, blocking.Forward.close),
    (mooring.Session.terminal, blocking.Session.terminal),
    *((getattr(mooring.Terminal, name), getattr(blocking.Terminal, name)) for name in TERMINAL),
    (mooring.Session.retry, blocking.Session.retry),
    (mooring.Session.close, blocking.Session.close),
]


@pytest.mark.parametrize(("theirs", "ours"), SAME, ids=lambda function: function.__qualname__)
def test_the_parameters_are_the_same(theirs: Callable[..., Any], ours: Callable[..., Any]) -> None:
    assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters
    assert [inspect.signature(one) for one in get_overloads(ours)] == [
        inspect.signature(one) for one in get_overloads(theirs)
    ]


@pytest.mark.parametrize("name", ["alias", "target", "direction", "labels", "state", "error", "facts"])
def test_so_are_the_properties(name: str) -> None:
    assert isinstance(getattr(blocking.Session, name), property)


def test_process_waits_as_long() -> None:
    theirs, ours = inspect.signature(mooring.Session.process), inspect.signature(blocking.Session.process)
    assert ours.parameters["timeout"] == theirs.parameters["timeout"]
