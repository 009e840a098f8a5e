"""Where the daemon is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.client.address import find
from mooring.model.errors import InvalidInput


@pytest.fixture(autouse=True)
def state_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty state directory, and an environment that says nothing else."""
    for name in ("MOORING_URL", "MOORING_TOKEN", "MOORING_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOORING_STATE_DIR", str(tmp_path))
    return tmp_path


def _found(where: str | None = None, token: str | None = None) -> list[tuple[str, str]]:
    return [(str(address), address.token) for address in find(where, token)]


def test_the_usual_socket(state_dir: Path) -> None:
    assert _found() == [(f"unix:{state_dir}/mooring.sock", "")]


def test_where_there_is_no_socket_but_a_token_tcp_comes_after_it(state_dir: Path) -> None:
    (state_dir / "token").write_text("abc\n")
    assert _found() == [(f"unix:{state_dir}/mooring.sock", ""), ("http://127.0.0.1:8877", "abc")]
    (state_dir / "mooring.sock").touch()
    assert _found() == [(f"unix:{state_dir}/mooring.sock", "")]


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    (state_dir / "token").write_text("abc")
    monkeypatch.setenv("MOORING_SOCKET", "/s")
    assert _found() == [("unix:/s", "")]
    monkeypatch.setenv("MOORING_URL", "http://localhost:99/")
    assert _found() == [("http://localhost:99", "abc")]
    monkeypatch.setenv("MOORING_TOKEN", "xyz")
    assert _found() == [("http://localhost:99", "xyz")]
    assert _found("/other") == [("unix:/other", "")]
    assert _found("unix:///other", "t") == [("unix:/other", "")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://localhost", "http://localhost:8877"),
        ("http://[::1]:5", "http://[::1]:5"),
        ("https://moor.example", "https://moor.example:443"),
        ("https://moor.example:8877/", "https://moor.example:8877"),
    ],
)
def test_urls(text: str, shown: str) -> None:
    assert _found(text, "t") == [(shown, "t")]


def test_the_token_file_is_for_this_machine_alone(state_dir: Path) -> None:
    (state_dir / "token").write_text("abc")
    assert _found("https://moor.example") == [("https://moor.example:443", "")]
    assert _found("http://127.0.0.1.moor.example") == [("http://127.0.0.1.moor.example:8877", "")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ftp://x", "must be http://"),
        ("http://", "must be http://"),
        ("http://x:port", "no URL"),
        ("http://x:99999", "no URL"),
        ("http://x/v1", "end after the port"),
        ("http://me:pw@x", "end after the port"),
        ("http://moor.example", "without TLS"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault) as caught:
        find(text, "secret-token")
    assert "secret-token" not in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("token", ["a b", "a\r\nx: y", "ä", "a\x00"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="MOORING_TOKEN"):
        find("http://127.0.0.1:1", token)
