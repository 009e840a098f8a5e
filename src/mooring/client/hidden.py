"""A password on a command line, taken off it: everybody may read the command lines of everybody's processes.

The program is executed again in its own place, with the password masked in its arguments and the argument itself on a
pipe that only it holds. Between the first start and that moment, some ten milliseconds, the password can be seen in
``/proc/*/cmdline``, and in the shell's history for good: ``password_from`` and a prompt are better places.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final

from ..model.errors import InvalidInput
from ..model.secret import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["command_line", "masked", "masked_in"]

_VARIABLE: Final = "MOORING_HIDDEN_FD"
_PASSWORD: Final = re.compile(r"^((?:[^\s:]*?://)?[^:/?#@\s]*):.+@", re.DOTALL)
"""What stands between the first ``:`` of the authority and the last ``@``: too much rather than too little."""


def command_line() -> list[str]:
    """This program's arguments as they were meant.

    The first call of a program started with a password among them does not return: it executes the program again.
    Call it before threads are started and files are opened.

    Raises:
        InvalidInput: More passwords than a pipe holds.
    """
    words = sys.argv[1:]
    handed = os.environ.pop(_VARIABLE, "")
    if handed.isdecimal():
        for place, word in _received(int(handed)):
            words[place] = word
    elif sys.platform != "win32" and sys.orig_argv[len(sys.orig_argv) - len(words) :] == words:
        hidden = {place: word for place, word in enumerate(words) if masked(word) != word}
        if hidden:
            _execute_again(words, hidden)
    return words


def masked(word: str) -> str:
    """A word of a command line, with the mask for what looks like a password in a target."""
    return _PASSWORD.sub(rf"\1:{MASK}@", word)


def masked_in(sentence: str, words: Iterable[str]) -> str:
    """What a parser says about the words it was given, which it may quote, with what looks like a password masked."""
    for word in words:
        for part in (word, word.partition("=")[2]):
            for quoted in (part, repr(part)):
                sentence = sentence.replace(quoted, masked(part)) if masked(part) != part else sentence
    return sentence


def _received(descriptor: int) -> Iterator[tuple[int, str]]:
    with os.fdopen(descriptor, "rb") as pipe:
        parts = pipe.read().split(b"\0")
    for place, word in zip(parts[::2], parts[1::2], strict=False):
        yield int(place), os.fsdecode(word)


def _execute_again(words: list[str], hidden: dict[int, str]) -> None:
    receiver, sender = os.pipe()
    # An argument cannot hold a NUL, so it may stand between them.
    message = b"\0".join(part for place, word in hidden.items() for part in (b"%d" % place, os.fsencode(word)))
    os.set_blocking(sender, False)
    try:
        whole = os.write(sender, message) == len(message)
    except BlockingIOError:
        whole = False
    if not whole:
        raise InvalidInput("so many passwords do not fit on a command line", hint="put them into a configuration file")
    os.close(sender)
    os.set_inheritable(receiver, True)  # noqa: FBT003 - likewise
    os.environ[_VARIABLE] = str(receiver)
    python = sys.orig_argv[: len(sys.orig_argv) - len(words)]
    os.execv(sys.executable, [*python, *map(masked, words)])  # noqa: S606 - no shell is wanted
