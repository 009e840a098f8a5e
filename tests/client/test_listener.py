"""Who listens on a port of this machine."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mooring.cli.sshpoolctl import _tokens
from mooring.client.address import find
from mooring.client.listener import is_of

NOBODY = 65_534

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a listener is")


@contextmanager
def listening(address: str, uid: int | None = None) -> Iterator[int]:
    """A listener on any free port, of another user where one is named."""
    before = os.geteuid()
    if uid is not None:
        os.seteuid(uid)
    try:
        six = ":" in address
        family = socket.AF_INET6 if six else socket.AF_INET
        made = socket.create_server((address, 0), family=family, dualstack_ipv6=six)
    finally:
        os.seteuid(before)
    with made as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::", "0.0.0.0", "::ffff:127.0.0.1"])  # noqa: S104
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another")
def test_whose_it_is(address: str) -> None:
    with listening(address, NOBODY) as port:
        assert is_of(port, NOBODY)
        assert not is_of(port, NOBODY - 1)
    assert is_of(port, NOBODY - 1)  # nobody's
    with listening(address) as port:
        assert is_of(port, NOBODY)  # root's


def test_our_own() -> None:
    with listening("127.0.0.1") as port:
        assert is_of(port, os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another")
def test_a_stranger_is_sent_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOORING_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("MOORING_TOKEN", raising=False)
    (tmp_path / "token").write_text("abc")
    with listening("127.0.0.1") as port:
        assert [address.token for address in find(f"http://127.0.0.1:{port}")] == ["abc"]
        assert list(_tokens(port)) == ["abc"]
    with listening("127.0.0.1", NOBODY) as port:
        assert [address.token for address in find(f"http://127.0.0.1:{port}")] == [""]
        assert [address.token for address in find(f"http://127.0.0.1:{port}", "said")] == ["said"]
        assert list(_tokens(port)) == []
        monkeypatch.setattr("mooring.client.paths.PORT", port)
        assert [address.path for address in find()] == [f"{tmp_path}/mooring.sock"]  # and nowhere else
