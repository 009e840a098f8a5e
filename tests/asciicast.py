"""A strict reader of asciicast v3 (https://docs.asciinema.org/manual/asciicast/v3/): what is not as it says fails."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

_INTERVAL = re.compile(rb'\[(\d+\.\d{1,6}), "')
"""Plain seconds with microseconds at most, which is all that asciinema's own parser takes."""


class Event(NamedTuple):
    """One event, its time counted from the beginning."""

    at: float
    code: str
    data: str


@dataclass
class Cast:
    """A recording."""

    header: dict[str, Any]
    events: list[Event]

    def text(self, code: str = "o") -> str:
        """What was shown, or typed, all of it."""
        return "".join(event.data for event in self.events if event.code == code)

    def each(self, code: str) -> list[str]:
        """The events of a kind."""
        return [event.data for event in self.events if event.code == code]


def read(content: bytes) -> Cast:
    """Read one, and fail where it is not as it must be."""
    assert content.endswith(b"\n")
    first, *lines = content.decode("utf-8", "strict").removesuffix("\n").split("\n")
    header = json.loads(first, object_pairs_hook=_once)
    assert header["version"] == 3
    assert all(type(header["term"][name]) is int and 0 < header["term"][name] < 1 << 16 for name in ("cols", "rows"))
    assert {"cols", "rows"} <= header["term"].keys() <= {"cols", "rows", "type", "version", "theme"}
    assert type(header.get("timestamp", 0)) is int
    assert all(type(header.get(name, "")) is str for name in ("title", "command"))
    at = 0.0
    events: list[Event] = []
    for line in lines:
        assert _INTERVAL.match(line.encode()), line
        interval, code, data = json.loads(line)
        assert code in set("oirmx")
        assert type(data) is str
        assert data or code == "m"
        assert code != "r" or re.fullmatch(r"[1-9]\d*x[1-9]\d*", data)
        assert code != "x" or re.fullmatch(r"-?\d+", data)
        assert "x" not in [event.code for event in events]  # nothing follows the end
        at += interval
        events.append(Event(at, code, data))
    return Cast(header, events)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found
