"""What a daemon remembers, in real files."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given

from mooring.model.errors import InvalidTarget, StateError
from mooring.model.target import Target
from mooring.store import Store, vault
from mooring.store import store as module
from mooring.store.private import write_private
from tests.model.strategies import TARGET

from .held import BARE, EDGE, PASSWORD, WEB, recall, remembered

pytestmark = pytest.mark.anyio


async def test_remembers_in_order_and_in_place(store: Store) -> None:
    for target in (EDGE, WEB, WEB.with_options(port=22), BARE):
        await store.remember(target)
    assert await store.sessions() == [remembered(BARE), remembered(WEB.with_options(port=22))]
    await store.forget("edge1")
    await store.forget("edge1")
    assert [each.alias for each in await store.sessions()] == ["web1"]


async def test_comes_back_with_its_password(store: Store, tmp_path: Path) -> None:
    await store.remember(EDGE)
    await store.aclose()
    assert await recall(tmp_path) == [remembered(EDGE)]


@given(TARGET)
async def test_every_target_comes_back_as_it_was(target: Target) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = await Store.open(Path(directory))
        await store.remember(target)
        await store.aclose()
        assert await recall(Path(directory)) == [remembered(target)]


async def test_what_could_not_be_read_back_is_not_remembered(store: Store) -> None:
    with pytest.raises(InvalidTarget, match="characters long"):
        await store.remember(Target.parse("edge1", label=[f"key:{number}" for number in range(3000)]))
    assert await store.sessions() == []


async def test_files_are_for_the_owner_alone(store: Store, tmp_path: Path) -> None:
    await store.remember(EDGE)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "mooring.db": 0o600,
        "mooring.db-wal": 0o600,
        "key": 0o600,
    }
    await store.aclose()
    (tmp_path / "mooring.db").chmod(0o644)
    await recall(tmp_path)
    assert (tmp_path / "mooring.db").stat().st_mode & 0o777 == 0o600


async def test_no_key_is_made_for_nothing(store: Store, tmp_path: Path) -> None:
    await store.remember(WEB)
    assert not (tmp_path / "key").exists()


async def test_hundreds_at_once(store: Store) -> None:
    targets = [Target.parse(f"s{number}://h", password=PASSWORD) for number in range(500)]
    await asyncio.gather(*map(store.remember, targets))
    assert {each.alias: each.target for each in await store.sessions()} == {each.alias: each for each in targets}


async def test_cancelled_anywhere_a_verb_is_done_or_not(store: Store) -> None:
    turns = 0
    while True:
        call = asyncio.create_task(store.remember(EDGE.with_options(port=turns + 1)))
        for _ in range(turns):
            await asyncio.sleep(0)
        if not call.cancel():
            break
        with pytest.raises(asyncio.CancelledError):
            await call
        assert all(each.error is None for each in await store.sessions())
        turns += 1
    await call
    assert turns
    assert await store.sessions() == [remembered(EDGE.with_options(port=turns + 1))]


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_cancelled_while_it_opens_it_lets_go_of_the_file(tmp_path: Path, turns: int) -> None:
    call = asyncio.create_task(Store.open(tmp_path))
    for _ in range(turns):
        await asyncio.sleep(0)
    if call.cancel():
        with pytest.raises(asyncio.CancelledError):
            await call
    else:
        await (await call).aclose()
    assert await recall(tmp_path) == []


async def test_closed_it_says_so(store: Store) -> None:
    await store.aclose()
    await store.aclose()
    for verb in (store.sessions(), store.remember(EDGE), store.forget("edge1"), store.rotate()):
        with pytest.raises(StateError, match=r"mooring\.db is closed"):
            await verb


async def test_a_disk_that_does_not_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def stand_still(path: Path, data: bytes) -> None:
        answers.wait(30)
        write_private(path, data)

    monkeypatch.setattr(vault, "write_private", stand_still)
    monkeypatch.setattr(module, "_TIMEOUT", 0.2)
    with pytest.raises(StateError, match="did not answer in time"):
        await store.remember(EDGE)
    answers.set()
    monkeypatch.undo()
    await store.remember(WEB)
    assert await store.sessions() == [remembered(WEB)]
