"""A string that does not show itself."""

from __future__ import annotations

import hmac
from typing import NoReturn

from .errors import InvalidInput

__all__ = ["MASK", "Secret"]

MASK = "********"


class Secret:
    """A password or passphrase on its way from where it is kept to where it is needed.

    It has no other text than ``********``: not in ``str``, ``repr``, a format, a log record's arguments, a
    dataclass's ``repr`` or JSON. Only ``reveal()`` gives it, so that ``grep reveal`` finds every use.

    Args:
        value: The secret itself; another Secret is taken as it is.

    Raises:
        InvalidInput: It is no text, or one that UTF-8 cannot write.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | Secret) -> None:
        text: object = value.reveal() if isinstance(value, Secret) else value
        # A lone surrogate would come out later as a UnicodeEncodeError, whose repr shows the whole text.
        if not isinstance(text, str) or any("\ud800" <= char <= "\udfff" for char in text):
            raise InvalidInput("a secret must be a text that UTF-8 can write")
        self._value = text

    def reveal(self) -> str:
        """The secret itself. Keep it in no attribute, message or log."""
        return self._value

    def __eq__(self, other: object) -> bool:
        """Equal secrets are equal; compared in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        """One hash for all, since a hash of the value would be a trace of it."""
        return hash(Secret)

    def __bool__(self) -> bool:
        """False for the empty secret."""
        return bool(self._value)

    def __str__(self) -> str:
        """The mask."""
        return MASK

    def __repr__(self) -> str:
        """The mask, as a call."""
        return f"Secret('{MASK}')"

    def __reduce__(self) -> NoReturn:
        """Refused: a pickle would write the secret out."""
        raise TypeError("a Secret cannot be pickled: pass a reference such as password_from=env:NAME instead")

    def __copy__(self) -> Secret:
        """Itself: it never changes."""
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        """Itself: it never changes."""
        return self
