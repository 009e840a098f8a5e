"""What is remembered of devices that call home."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.model.device import Device, Pending
from mooring.model.secret import Secret
from mooring.model.target import Target
from mooring.store import Store, rotate_key, schema

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
CORE = Device(
    target=Target.parse(
        "core1://admin@core1-id", password=Secret(PASSWORD), host_key="SHA256:" + 43 * "A", label="site:ams"
    ),
    device_id="core 1",
)


def pending(number: int, **more: object) -> Pending:
    usual = {"host_key": "ssh-ed25519 AAAA", "fingerprint": "SHA256:x", "address": "h:1", "first_seen": 1.0}
    return Pending(**{"id": f"id{number}", "device_id": None, "last_seen": 2.0, **usual, **more})  # type: ignore[arg-type]


async def test_an_approval_comes_back_with_its_password(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.devices.approve(CORE, "id1")
    await store.aclose()
    assert not any(PASSWORD.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert await rotate_key(tmp_path) == []
    store = await Store.open(tmp_path)
    assert await store.devices.approved() == [CORE]
    await store.devices.remove("core1")
    assert await store.devices.approved() == []
    await store.aclose()


async def test_without_the_key_it_comes_back_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await Store.open(tmp_path)
    await store.devices.approve(CORE, "id1")
    await store.aclose()
    (tmp_path / "key").unlink()
    store = await Store.open(tmp_path)
    (device,) = await store.devices.approved()
    assert device.target.password is None
    assert "the password of the device core1 is needed again" in caplog.text
    await store.aclose()


async def test_what_waits_and_what_was_rejected(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.devices.keep([pending(1), pending(2)])
    await store.devices.reject(pending(2, rejected=True))
    assert await store.devices.pending() == [pending(1), pending(2, rejected=True)]
    await store.devices.keep([])
    assert await store.devices.pending() == [pending(2, rejected=True)]
    await store.devices.approve(CORE, "id2")
    assert await store.devices.pending() == []
    await store.aclose()


async def test_keys_learned_at_first_sight(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.devices.pin("device1", "SHA256:a")
    await store.devices.pin("device2", "SHA256:b")
    await store.devices.pin("device3", "SHA256:c")
    await store.devices.unpin(["device1", "device3", "nobody"])
    assert await store.devices.pins() == {"device2": "SHA256:b"}
    await store.devices.reject(pending(2, rejected=True))
    await store.devices.trust("device2", pending(2))
    assert await store.devices.pins() == {"device2": pending(2).fingerprint}
    assert await store.devices.pending() == []
    await store.devices.reject(pending(2, rejected=True))
    await store.devices.drop("id2")
    assert await store.devices.pending() == []
    await store.aclose()


async def test_a_database_from_before_there_were_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    store = await Store.open(tmp_path)
    await store.remember(CORE.target)
    await store.aclose()
    monkeypatch.undo()
    store = await Store.open(tmp_path)
    assert [each.target for each in await store.sessions()] == [CORE.target]
    assert (await store.devices.approved(), await store.devices.pending(), await store.devices.pins()) == ([], [], {})
    await store.aclose()
