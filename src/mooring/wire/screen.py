"""What a terminal's output says of its state, so that a viewer can come in later, leave early, and miss something.

Only the modes that outlive what was printed are followed (ECMA-48, and xterm's ``ctlseqs`` for the private ones): who
comes in must be brought to them, and who leaves must be brought back. What stands on the screen is the program's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Modes"]

_ON_AT_FIRST: Final = frozenset({7, 25})
_ALTERNATE: Final = (47, 1047, 1049)
_KNOWN: Final = frozenset(
    {1, 5, 6, 7, 9, 25, 45, 66, *_ALTERNATE, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 2004}
)
"""Private modes that are worth it: cursor keys, colours, origin, wrapping, the cursor, the alternate screen, the mouse,
focus, bracketed paste."""

_CHANGE: Final = re.compile(
    rb"\x1b(?:"
    rb"\[\?(?P<modes>[0-9;]{1,64})(?P<how>[hl])"
    rb"|\[>4(?:;(?P<keys>[0-9]?))?m"
    rb"|\[(?P<stack>[<>=])(?P<flags>[0-9]{0,3})[0-9;]{0,4}u"
    rb"|(?P<pad>[=>])"
    rb"|(?P<reset>c|\[!p))"
)
_UNFINISHED: Final = re.compile(rb"\x1b(?:\[[ -?]{0,64}|[]P_^X][^\x07\x1b]{0,256})?\Z")
_LONGEST: Final = 260


class Modes:
    """The modes of a terminal that has shown some output. ``feed`` it with that; a fresh one is a terminal reset."""

    def __init__(self) -> None:
        self.unfinished = b""
        """The begin of a sequence whose end has not come."""
        self._changed: dict[int, bool] = {}
        self._pad = False
        self._keys = b""
        self._flags = b""

    @property
    def full_screen(self) -> bool:
        """Whether the alternate screen is shown, as programs do that draw the whole of it."""
        return any(self._changed.get(mode, False) for mode in _ALTERNATE)

    def feed(self, data: bytes) -> None:
        """More output was shown; it may be cut anywhere."""
        if self.unfinished:
            data = self.unfinished + data
        elif b"\x1b" not in data:
            return
        for found in _CHANGE.finditer(data):
            self._take(found)
        rest = _UNFINISHED.search(data, max(len(data) - _LONGEST, 0))
        self.unfinished = rest[0] if rest else b""

    def _take(self, found: re.Match[bytes]) -> None:
        if modes := found["modes"]:
            for text in modes.split(b";"):
                if text and (mode := int(text)) in _KNOWN:
                    self._set(mode, on=found["how"] == b"h")
        elif found["pad"]:
            self._pad = found["pad"] == b"="
        elif found["stack"]:
            self._flags = b"" if found["stack"] == b"<" else found["flags"].strip(b"0")
        elif found["reset"]:
            kept = {mode: True for mode in _ALTERNATE if self._changed.get(mode)} if found["reset"] != b"c" else {}
            self._changed, self._pad, self._keys, self._flags = kept, False, b"", b""
        else:
            self._keys = (found["keys"] or b"").strip(b"0")

    def _set(self, mode: int, *, on: bool) -> None:
        if on is (mode in _ON_AT_FIRST):
            self._changed.pop(mode, None)
        else:
            self._changed[mode] = on

    def towards(self, other: Modes) -> bytes:
        """What brings a terminal from these modes to others. The screen that is left keeps its margins to itself."""
        return b"".join(self._steps(other))

    def _steps(self, other: Modes) -> Iterator[bytes]:
        leaves = self.full_screen and not other.full_screen
        if leaves:
            yield b"\x1b[r"  # leaving the alternate screen brings back the cursor, and not the margins
        for mode in sorted(self._changed.keys() | other._changed.keys(), key=lambda mode: (mode in _ALTERNATE, mode)):
            wanted = other._on(mode)
            if wanted is not self._on(mode):
                yield b"\x1b[?%d%c" % (mode, b"h" if wanted else b"l")
        if self._pad is not other._pad:
            yield b"\x1b=" if other._pad else b"\x1b>"
        if self._keys != other._keys:
            yield b"\x1b[>4;%bm" % other._keys
        if self._flags != other._flags:
            yield b"\x1b[=%b;1u" % (other._flags or b"0")
        if leaves:
            yield b"\x1b[m\x1b(B\x0f"

    def _on(self, mode: int) -> bool:
        return self._changed.get(mode, mode in _ON_AT_FIRST)

    def __repr__(self) -> str:
        """Them."""
        on: Mapping[int, bool] = dict(sorted(self._changed.items()))
        return f"<Modes {on}>"
