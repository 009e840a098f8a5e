"""Logins that devices refused: what is sent once more only when a person says so. Decisions only, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ..model.errors import AuthenticationFailed, SessionParked

if TYPE_CHECKING:
    from ..model.errors import MooringError

__all__ = ["Refusals"]

_REMEMBERED: Final = 10_000
"""Devices of each sort, as many as have sessions; beyond, the one forgotten is that which was added longest ago."""
_HANG_UPS: Final = 3
"""In a row, after the password: some devices refuse it so, but one that restarts hangs up too, and not so often."""
_Who = tuple[str, str]
_ValueT = TypeVar("_ValueT")


class Refusals:
    """What devices made of our logins, by entry and by the id, or the key, under which each is known.

    Attributes:
        age: How often something was forgiven: what a login came to that began before then is not held against it.
    """

    def __init__(self) -> None:
        self.age = 0
        self._refused: dict[_Who, str] = {}
        self._hung_up: dict[_Who, int] = {}

    def check(self, who: _Who) -> None:
        """Let a device log in.

        Raises:
            SessionParked: It refused us before.
        """
        if who in self._refused:
            raise SessionParked(
                f"{who[1] or who[0]} refused the login, and is not asked again: {self._refused[who]}",
                hint="set the credentials right, then reload, or replace the entry",
            )

    def refuse(self, who: _Who, error: MooringError, age: int) -> None:
        """It refused the login that was begun at an age, and has no session that could be parked."""
        if age == self.age:
            _put(self._refused, who, error.message)

    def hang_up(self, who: _Who, error: MooringError) -> MooringError:
        """It hung up after the password was sent: what that means, a refusal when it happens again and again."""
        count = self._hung_up.pop(who, 0) + 1
        if count < _HANG_UPS:
            _put(self._hung_up, who, count)
            return error
        return AuthenticationFailed(
            f"hung up on the password {count} times in a row: {error.message}",
            hint="if it is right, try again: it was not, since devices lock out who repeats a wrong one",
        )

    def let_in(self, who: _Who) -> None:
        """It let us in."""
        self._hung_up.pop(who, None)

    def forgive(self, entry: str | None = None) -> None:
        """Try those of an entry again; None for all."""
        self.age += 1
        for each in (self._refused, self._hung_up):
            for who in [who for who in each if entry in (None, who[0])]:
                del each[who]


def _put(found: dict[_Who, _ValueT], who: _Who, value: _ValueT) -> None:
    found[who] = value
    if len(found) > _REMEMBERED:
        del found[next(iter(found))]
