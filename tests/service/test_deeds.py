"""What becomes of a deed in the trail: that it can be checked, that it is refused without a record, and its bounds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from mooring.model.access import ADMIN, Actor
from mooring.model.audit import AuditQuery, AuditRecord
from mooring.model.errors import StateError
from mooring.service import Audit
from mooring.store.audit import journal, ledger
from mooring.store.audit import trail as trails
from mooring.store.audit.trail import Trail

pytestmark = pytest.mark.anyio

ROOT = Actor(name="root", door="unix", grants=(ADMIN,))
ANN, BOB = (Actor(name=name, door="tcp", grants=()) for name in ("ann", "bob"))
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
async def trail(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Trail]:
    del anyio_backend
    trail = await Trail.open(tmp_path)
    yield trail
    await trail.aclose()


async def recorded(trail: Trail) -> list[AuditRecord]:
    page = await trail.page(AuditQuery(), ascending=True, limit=10_000)
    return [record for record in page.records if record.door != "mooringd"]


async def test_the_check_of_the_document_holds_for_any_number(
    trail: Trail, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = Audit(trail)
    took = [0.000069, 1e-6, 0.00012345, 1.5]
    now = iter([time for seconds in took for time in (1.0, 1.0, 1.0 + seconds)])
    monkeypatch.setattr("mooring.service.audit.time", SimpleNamespace(monotonic=lambda: next(now)))
    for _ in took:
        audit.begin(ROOT, "run").end()
    monkeypatch.undo()
    for number in (1e-7, -5e-5, 0.0001, 1e17, 1e300, float("inf"), float("nan")):
        audit.refuse(ROOT, "run", "", "not-allowed", number=number)
    records = (await trail.page(AuditQuery(), ascending=True)).records
    document = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    [script] = _BLOCK.findall(document)
    _, begin, check = script.partition("before =")
    lines = [json.loads(json.dumps(asdict(record))) for record in records]  # as `mooring audit --json` has them
    exec(begin + check, {"lines": lines, "hashlib": hashlib, "json": json})  # noqa: S102 - our own document
    assert capsys.readouterr().out.splitlines() == [f"{number} holds" for number in range(1, 1 + 1 + 8 + 7)]


async def test_the_space_for_refusals_is_for_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StateError("the disk is full")

    for part in (journal, trails):
        monkeypatch.setattr(part, "HALF", 1 << 18)
    monkeypatch.setattr(trails, "_RESERVE", 1 << 17)
    trail = await Trail.open(tmp_path)
    audit = Audit(trail)
    try:
        with monkeypatch.context() as disk:
            disk.setattr(ledger.Ledger, "_insert", full)
            under_way = audit.begin(ROOT, "files.subsystem")
            await trail.verify()  # and that it is full is known by now
            with contextlib.suppress(StateError):
                for _ in range(2000):
                    audit.begin(ROOT, "run", command="x" * 900).end()
            for _ in range(2000):
                with pytest.raises(StateError, match="it cannot be recorded"):
                    audit.welcome(ANN, "login", address="127.0.0.1")
                audit.note(ROOT, "session.algorithms", old=["ssh-rsa"])
                under_way.also("files.remove", True, {"path": "/etc/motd"})  # noqa: FBT003 - it was
            with pytest.raises(StateError):
                under_way.check()
            with pytest.raises(StateError):
                audit.begin(BOB, "run", command="reload")
            under_way.end()
        refused = [record for record in await recorded(trail) if record.outcome == "refused"]
        assert [record.detail["command"] for record in refused if record.who == "bob"] == ["reload"]
        assert {record.what for record in await recorded(trail)} == {"files.subsystem", "run", "login"}
    finally:
        await trail.aclose()


async def test_many_logins_of_one_are_counted(trail: Trail) -> None:
    audit = Audit(trail)
    for _ in range(700):
        audit.welcome(ANN, "login", address="127.0.0.1")
    audit.welcome(BOB, "login", address="127.0.0.1")
    audit.close()
    told = [(record.who, record.what, record.detail.get("logins")) for record in await recorded(trail)]
    assert told == [("ann", "login", None)] * 500 + [("bob", "login", None), ("ann", "audit.uncounted", 200)]


async def test_of_a_long_text_the_beginning_and_its_hash_are_kept(trail: Trail) -> None:
    audit = Audit(trail)
    audit.begin(ROOT, "run", **audit.command("x" * 4096)).also("files.remove", True, {"path": b"/" * 4096})  # noqa: FBT003 - it was
    [begun, removed] = [record.detail for record in await recorded(trail)]
    assert begun == {"command": "x" * 1024, "command_sha256": hashlib.sha256(b"x" * 4096).hexdigest()}
    assert removed["path"] == "/" * 1024
    assert removed["path_sha256"] == hashlib.sha256(b"/" * 4096).hexdigest()
