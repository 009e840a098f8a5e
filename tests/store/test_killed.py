"""A process killed with SIGKILL while it writes: what it said was remembered is there, and nothing in the clear."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from .held import recall, writer

pytestmark = pytest.mark.anyio

PASSWORD = "pässword/of:the#killed "


@pytest.mark.parametrize("acknowledged", [1, 2, 60, 400])
async def test_what_was_remembered_is_there(tmp_path: Path, acknowledged: int) -> None:
    with writer(tmp_path, PASSWORD) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(acknowledged)]
        process.kill()
        said += process.stdout.read().split()
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"mooring.db", "mooring.db-wal", "key"} <= kept.keys()
    for form in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe="")):
        assert not any(form.encode() in content for content in kept.values())
    encoded = base64.b64encode(PASSWORD.encode())[:-4]
    assert not any(encoded in content for content in kept.values())
    found = await recall(tmp_path)
    # The last one may have been remembered, and the word of it not have come out any more.
    assert [each.alias for each in found][: len(said)] == said
    assert len(found) - len(said) in {0, 1}
    for number, each in enumerate(found):
        assert each.error is None
        assert each.target is not None
        assert each.target.password is not None
        assert each.target.password.reveal() == f"{PASSWORD}{number}"


async def test_killed_again_and_again(tmp_path: Path) -> None:
    for _ in range(5):
        with writer(tmp_path, PASSWORD) as process:
            assert process.stdout is not None
            process.stdout.readline()
    assert [each.error for each in await recall(tmp_path) if each.error] == []
