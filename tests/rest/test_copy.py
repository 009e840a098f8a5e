"""``/v1/copy``: who may have what opened, and what is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.peers.sshd import Sshd

from .door import READER, RUNNER, Running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def held(door: Running, sshd: Sshd) -> Running:
    """A door over ``web1`` and ``web2``, a real sshd."""
    for alias in ("web1", "web2"):
        await door.hold_sshd(alias, sshd)
    return door


def copied(source: dict[str, str], target: dict[str, str], **more: object) -> dict[str, Any]:
    return {"sources": [source], "target": target, **more}


async def test_over_the_unix_socket_its_user_may_have_files_opened(held: Running, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    async with held.client(unix=True) as client:
        body = copied({"path": str(tmp_path / "a")}, {"session": "web*", "path": f"mooring-{tmp_path.name}/"})
        told = [json.loads(line) for line in (await client.ask("POST", "/v1/copy", body)).body.splitlines()]
        assert told[-1] == {"summary": {"ok": 2, "failed": 0}}
        assert {line["alias"]: line["done"]["size"] for line in told[:-1] if "done" in line} == {"web1": 7, "web2": 7}
        body = copied({"session": "web1", "path": f"mooring-{tmp_path.name}/a"}, {"path": str(tmp_path / "b")})
        told = [json.loads(line) for line in (await client.ask("POST", "/v1/copy", body)).body.splitlines()]
    assert (tmp_path / "b").read_text() == "content"
    await held.pool["web1"].run(f"rm -r mooring-{tmp_path.name}")


@pytest.mark.parametrize("reverse", [False, True])
async def test_with_a_token_nobody_may(held: Running, tmp_path: Path, *, reverse: bool) -> None:
    here, there = {"path": str(tmp_path / "a")}, {"session": "web1", "path": "a"}
    answer = await held.ask("POST", "/v1/copy", copied(there, here) if reverse else copied(here, there))
    assert "may not have the daemon open files" in answer.problem(403, "not-allowed")["detail"]
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("token", [READER, RUNNER])
async def test_it_takes_files_on_every_session(held: Running, token: str) -> None:
    body = copied({"session": "web1", "path": "/etc/hostname"}, {"session": "web2", "path": "x"})
    headers = {"Authorization": f"Bearer {token}"}
    answer = await held.ask("POST", "/v1/copy", body, headers)
    answer.problem(403, "not-allowed")


async def test_a_path_here_begins_at_the_root(held: Running) -> None:
    async with held.client(unix=True) as client:
        body = copied({"path": "a"}, {"session": "web1", "path": "a"})
        (await client.ask("POST", "/v1/copy", body)).problem(400, "invalid-input")


async def test_errors_are_lines(held: Running) -> None:
    body = copied({"session": "web1", "path": "/none"}, {"session": "web2", "path": "x"})
    told = [json.loads(line) for line in (await held.ask("POST", "/v1/copy", body)).body.splitlines()]
    assert told[0]["error"]["code"] == "file-missing"
    assert (told[0]["error"]["path"], told[0]["error"]["where"]) == ("/none", "web1")
    assert told[-1] == {"summary": {"ok": 0, "failed": 1}}
