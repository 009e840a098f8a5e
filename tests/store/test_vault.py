"""The key that seals passwords: made, lost, replaced, left open to others, rotated."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mooring.model.errors import CredentialError, StateError
from mooring.model.secret import Secret
from mooring.model.target import Target
from mooring.store import Remembered, Store, rotate_key
from mooring.store.vault import Vault

from .held import BARE, EDGE, PASSWORD, WEB, recall, remembered, writer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def key(store: Store, tmp_path: Path) -> Path:
    """The key file of a closed store that remembers two sessions, one with a password."""
    await store.remember(EDGE)
    await store.remember(WEB)
    await store.aclose()
    return tmp_path / "key"


async def find_lost(directory: Path) -> CredentialError:
    """What is said of the session whose password cannot be opened, while all the rest comes back."""
    edge, web = await recall(directory)
    assert web == remembered(WEB)
    assert edge == Remembered(alias="edge1", target=BARE, error=edge.error)
    assert isinstance(edge.error, CredentialError)
    assert edge.error.message.startswith("the password of edge1 is needed again: ")
    return edge.error


def test_what_is_sealed_never_looks_the_same(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "key")
    sealed = [vault.seal("edge1", Secret(PASSWORD)) for _ in range(2)]
    assert sealed[0] != sealed[1]
    assert all(vault.open("edge1", each).reveal() == PASSWORD for each in sealed)


def test_a_sealed_password_is_one_alias_s_alone(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "key")
    sealed = vault.seal("edge1", Secret(PASSWORD))
    with pytest.raises(CredentialError, match="is not the one"):
        vault.open("edge2", sealed)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_what_was_cut_short_is_not_opened(tmp_path: Path, length: int) -> None:
    vault = Vault(tmp_path / "key")
    sealed = vault.seal("edge1", Secret(PASSWORD))
    with pytest.raises(CredentialError):
        vault.open("edge1", sealed[:length])


async def test_a_lost_key(key: Path) -> None:
    key.unlink()
    error = await find_lost(key.parent)
    assert f"the key file {key} cannot be read: No such file or directory" in error.message
    assert error.hint == "put the key file back, and restart the daemon; or start edge1 again with its password"
    store = await Store.open(key.parent)
    await store.remember(EDGE)
    await store.aclose()
    assert await recall(key.parent) == [remembered(EDGE), remembered(WEB)]


async def test_another_key(key: Path) -> None:
    key.write_bytes(bytes(32))
    assert "is not the one that it was sealed with" in (await find_lost(key.parent)).message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
async def test_a_key_that_others_may_use(key: Path, mode: int) -> None:
    key.chmod(mode)
    error = await find_lost(key.parent)
    assert f"has mode 0{mode:o}" in error.message
    assert error.hint == f"chmod 600 {key}, and restart the daemon; or start edge1 again with its password"
    store = await Store.open(key.parent)
    try:
        with pytest.raises(StateError, match=f"mode 0{mode:o}"):
            await store.remember(EDGE)
        with pytest.raises(StateError, match=f"mode 0{mode:o}"):
            await store.rotate()
        key.chmod(0o600)
        assert await store.sessions() == [remembered(EDGE), remembered(WEB)]
    finally:
        await store.aclose()


@pytest.mark.parametrize("content", [b"", b"short", bytes(33), bytes(96)], ids=len)
async def test_a_damaged_key_is_left_as_it_is(key: Path, content: bytes) -> None:
    key.write_bytes(content)
    assert "is damaged: it should have 32 bytes" in (await find_lost(key.parent)).message
    store = await Store.open(key.parent)
    try:
        with pytest.raises(StateError, match="is damaged"):
            await store.remember(EDGE)
    finally:
        await store.aclose()
    assert key.read_bytes() == content


async def test_a_link_that_leads_nowhere_is_left_as_it_is(store: Store, tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="No such file"):
        await store.remember(EDGE)
    assert (tmp_path / "key").is_symlink()


async def test_a_key_taken_away_meanwhile_is_written_again(store: Store, tmp_path: Path) -> None:
    await store.remember(EDGE)
    (tmp_path / "key").unlink()
    late = Target.parse("late://h", password=PASSWORD)
    await store.remember(late)
    await store.aclose()
    assert await recall(tmp_path) == [remembered(EDGE), remembered(late)]


async def test_rotation(key: Path) -> None:
    before = shutil.copy(key, key.with_name("before"))
    assert await rotate_key(key.parent) == []
    assert len(key.read_bytes()) == 32
    assert key.stat().st_mode & 0o777 == 0o600
    assert await recall(key.parent) == [remembered(EDGE), remembered(WEB)]
    shutil.copy(before, key)
    assert "is not the one" in (await find_lost(key.parent)).message


async def test_the_old_key_opens_nothing_that_is_left(store: Store, tmp_path: Path) -> None:
    for target in (EDGE, EDGE.with_options(alias="web1"), EDGE.with_options(alias="web2")):
        await store.remember(target)
    old = Vault(tmp_path / "key")
    assert finds(old, tmp_path)
    await store.forget("web1")
    assert await store.rotate() == []
    assert not finds(old, tmp_path)
    assert finds(Vault(tmp_path / "key"), tmp_path)
    assert await store.sessions() == [remembered(EDGE), remembered(EDGE.with_options(alias="web2"))]


def finds(vault: Vault, directory: Path) -> bool:
    """Whether it opens anything anywhere in the files, free space and log included."""
    length = len(vault.seal("edge1", Secret(PASSWORD)))
    for content in [path.read_bytes() for path in directory.iterdir()]:
        for start in range(len(content)):
            if any(opens(vault, alias, content[start : start + length]) for alias in ("edge1", "web1", "web2")):
                return True
    return False


def opens(vault: Vault, alias: str, sealed: bytes) -> bool:
    try:
        return vault.open(alias, sealed).reveal() == PASSWORD
    except CredentialError:
        return False


async def test_rotation_names_what_it_cannot_open(key: Path) -> None:
    key.unlink()
    assert await rotate_key(key.parent) == ["edge1"]
    assert "is not the one" in (await find_lost(key.parent)).message


async def test_a_rotation_that_did_not_end_is_completed(key: Path) -> None:
    Vault(key).renew()
    assert len(key.read_bytes()) == 64
    store = await Store.open(key.parent)
    late = Target.parse("late://h", password=PASSWORD)
    await store.remember(late)
    await store.aclose()
    Vault(key).renew()
    assert len(key.read_bytes()) == 64
    assert await recall(key.parent) == [remembered(EDGE), remembered(WEB), remembered(late)]
    newest = key.read_bytes()[:32]
    assert await rotate_key(key.parent) == []
    assert key.read_bytes() == newest
    assert await recall(key.parent) == [remembered(EDGE), remembered(WEB), remembered(late)]


async def test_a_rotation_killed_anywhere_loses_nothing(key: Path) -> None:
    for turns in range(8):
        with writer(key.parent, "", "rotate") as process:
            assert process.stdout is not None
            for _ in range(turns):
                process.stdout.readline()
        assert await recall(key.parent) == [remembered(EDGE), remembered(WEB)]


async def test_the_key_of_a_running_daemon_is_not_rotated(key: Path) -> None:
    before = key.read_bytes()
    with writer(key.parent, ""):
        with pytest.raises(StateError, match="in use by another process"):
            await rotate_key(key.parent)
        assert key.read_bytes() == before


async def test_there_must_be_something_to_rotate(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"there is no mooring\.db in"):
        await rotate_key(tmp_path)
    assert list(tmp_path.iterdir()) == []
