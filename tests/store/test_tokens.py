"""What is remembered of named tokens."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mooring.model.access import Action
from mooring.model.token import KeptToken, Token
from mooring.store import Store

pytestmark = pytest.mark.anyio


def kept(name: str, expires: float | None = None) -> KeptToken:
    token = Token(name=name, actions=(Action.READ, Action.RUN), selector="site:ams", created=1.5, expires=expires)
    return KeptToken(token=token, digest=name.encode())


async def test_they_come_back_in_order(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.tokens.keep(kept("zoe"))
    await store.tokens.keep(kept("ann", 2.5))
    await store.aclose()
    store = await Store.open(tmp_path)
    assert await store.tokens.kept() == [kept("zoe"), kept("ann", 2.5)]
    await store.tokens.forget("zoe")
    await store.tokens.forget("nobody")
    assert await store.tokens.kept() == [kept("ann", 2.5)]
    await store.aclose()


@pytest.mark.parametrize("change", ["actions = 'fly'", "actions = ''", "selector = ','", "name = 'a b'"])
async def test_what_cannot_be_read_opens_nothing(tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture) -> None:
    store = await Store.open(tmp_path)
    await store.tokens.keep(kept("ann"))
    await store.tokens.keep(kept("zoe"))
    await store.aclose()
    with closing(sqlite3.connect(tmp_path / "mooring.db")) as connection:
        connection.execute(f"UPDATE token SET {change} WHERE name = 'ann'")  # noqa: S608 - the test's own words
        connection.commit()
    store = await Store.open(tmp_path)
    assert await store.tokens.kept() == [kept("zoe")]
    assert "cannot be read" in caplog.text
    await store.aclose()
