"""``edit-config --confirmed`` where confirming takes longer than the devices wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mooring.cli import edit_config


class Slow:
    """A device that takes its time to confirm."""

    def __init__(self, clock: list[float], alias: str) -> None:
        self._clock = clock
        self.alias = alias

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
    def make_confirmed(self, seconds: int) -> None: ...
    def verify(self) -> None: ...

    def confirm(self) -> None:
        self._clock[0] += 10

    def take_back(self) -> bool:
        raise AssertionError("it is too late for that")


def test_each_is_confirmed_in_its_time_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    change: Any = None
    monkeypatch.setattr(edit_config, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr("mooring.cli.edit_config._Run._editing", lambda _, alias: Slow(clock, alias))
    run = edit_config._Run(  # noqa: SLF001 - what the command makes of its words
        change, ["a", "b", "c"], change, as_json=False, concurrency=1
    )
    assert run.make_confirmed(15, ask=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        "a  confirmed",
        "b  confirmed",
        "c  taken back by the device within 15 s",
    ]
