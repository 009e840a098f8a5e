"""What a visitor has asked on one channel, until the device is asked the same."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from .share import Share

__all__ = ["Kept"]

_QUESTIONS: Final = 256
_BYTES: Final = 512 * 1024
_VARIABLES: Final = 256
"""Twice as many as OpenSSH's server takes."""
_VARIABLE_BYTES: Final = 128 * 1024
"""As much as Linux lets one of them have."""

_Question: TypeAlias = tuple[bytes, bytes, bool]
"""Its name, its text, and whether it wants an answer."""


class Kept:
    """The questions of one channel, in their order, and the variables for what is to be started.

    Args:
        share: Counts them with those on all other channels of the user.
    """

    def __init__(self, share: Share) -> None:
        self._share = share
        self._questions: deque[_Question] = deque()
        self._bytes = 0
        self._variables: list[tuple[bytes, bytes]] = []
        self._variable_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._questions)

    @property
    def too_much(self) -> bool:
        """Whether that is more than anybody needs."""
        some = self._bytes > _BYTES or len(self._questions) > _QUESTIONS
        return some or (bool(self._questions) and self._share.keeps_too_much)

    def put(self, name: bytes, text: bytes, want_reply: bool) -> None:  # noqa: FBT001 - as the packet has it
        """Keep a question."""
        self._questions.append((name, text, want_reply))
        self._bytes += len(text)
        self._share.kept += len(text)

    def pop(self) -> _Question:
        """The oldest of them, which is kept no more."""
        question = self._questions.popleft()
        self._bytes -= len(question[1])
        self._share.kept -= len(question[1])
        return question

    def put_variable(self, name: bytes, value: bytes) -> bool:
        """Keep a variable, unless there are too many; whether it is kept."""
        size = self._variable_bytes + len(name) + len(value)
        if len(self._variables) >= _VARIABLES or size > _VARIABLE_BYTES or self._share.keeps_too_much:
            return False
        self._share.kept += size - self._variable_bytes
        self._variable_bytes = size
        self._variables.append((name, value))
        return True

    def pop_variables(self) -> list[tuple[bytes, bytes]]:
        """All of them, which are kept no more."""
        variables, self._variables = self._variables, []
        self._share.kept -= self._variable_bytes
        self._variable_bytes = 0
        return variables

    def clear(self) -> None:
        """Keep nothing. Safe to call twice."""
        while self._questions:
            self.pop()
        self.pop_variables()
