"""The words of one line, cut as OpenSSH 9.x cuts them.

OpenSSH has two tokenisers and uses both: the keyword, and everything after ``Match``, goes through `next_word`
(double quotes only, one ``=`` counts as a separator); the arguments of all other keywords through `arguments`
(double and single quotes, backslash, ``#`` ends the line). They differ in small ways that real files rely on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.errors import ConfigError

__all__ = ["WHITESPACE", "Line", "arguments", "ascii_lower", "first_words", "line_of", "next_word", "places"]

WHITESPACE = " \t\r\n"
_DELIMITERS = frozenset(WHITESPACE + '"=')
_UPPER_TO_LOWER = {ord("A") + i: ord("a") + i for i in range(26)}


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is neither blank nor a comment.

    Attributes:
        keyword: In lower case, as written otherwise.
        rest: All that follows the keyword and its ``=``, quotes and comment included, without trailing whitespace.
        arguments: ``rest`` cut into words; without the comment.
        source: The file's name; None for text that came from no file.
        number: Counted from 1.
    """

    keyword: str
    rest: str
    arguments: tuple[str, ...]
    source: str | None
    number: int

    @property
    def origin(self) -> str:
        """``file:line``, for messages."""
        return f"line {self.number}" if self.source is None else f"{self.source}:{self.number}"

    def error(self, message: str, *, hint: str | None = None) -> ConfigError:
        """The error that refuses this line."""
        return ConfigError(message, source=self.source, line=self.number, hint=hint)


def ascii_lower(text: str) -> str:
    """Lower case for A to Z alone: OpenSSH compares bytes, so a Kelvin sign is not a ``k``."""
    return text.translate(_UPPER_TO_LOWER)


def next_word(text: str) -> tuple[str | None, str | None]:
    """Cut the first word off.

    Returns:
        The word and what is left; None for what is left at the end of the line; None for both where a double quote
        is never closed.
    """
    at = next((i for i, char in enumerate(text) if char in _DELIMITERS), None)
    if at is None:
        return text, None
    if text[at] == '"':
        text = text[:at] + text[at + 1 :]
        end = text.find('"', at)
        return (None, None) if end < 0 else (text[:end], text[end + 1 :].lstrip(WHITESPACE))
    word, rest = text[:at], text[at + 1 :].lstrip(WHITESPACE)
    if text[at] != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(WHITESPACE)
    return word, rest


def arguments(text: str) -> tuple[str, ...] | None:
    """Cut the arguments of a keyword into words; None where a quote is never closed."""
    found = places(text)
    return None if found is None else tuple(word for word, _, _ in found)


def places(text: str) -> list[tuple[str, int, int]] | None:
    """As `arguments`, each word with where it begins and ends in the text, its quotes included."""
    words: list[tuple[str, int, int]] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            break
        begin = at
        word, at = _one_argument(text, begin)
        if word is None:
            return None
        words.append((word, begin, at))
    return words


def _one_argument(text: str, at: int) -> tuple[str | None, int]:
    """The word that begins at ``at``, and where it ends; None for the word where a quote is never closed."""
    word: list[str] = []
    quote = ""
    while at < len(text):
        char, following = text[at], text[at + 1 : at + 2]
        if char == "\\" and following and (following in "'\"\\" or (following == " " and not quote)):
            at += 1
            word.append(following)
        elif not quote and char in " \t":
            break
        elif not quote and char in "\"'":
            quote = char
        elif quote and char == quote:
            quote = ""
        else:
            word.append(char)
        at += 1
    return (None if quote else "".join(word)), at


def first_words(raw: str) -> tuple[str | None, str]:
    """A line's keyword, and all that follows it, which is how the line ends but for blanks."""
    # A form feed may end a line but not begin one; the first character is never stripped.
    word, rest = next_word(raw[:1] + raw[1:].rstrip(WHITESPACE + "\f"))
    if word == "" and rest is not None:
        word, rest = next_word(rest)
    return word, (rest or "").lstrip(WHITESPACE)


def line_of(raw: str, *, source: str | None, number: int) -> Line | None:
    """One line; None where it says nothing.

    Raises:
        ConfigError: A keyword without an argument, a quote that is never closed, a NUL character.
    """
    if "\0" in raw:
        raise ConfigError("NUL character", source=source, line=number)
    keyword, rest = first_words(raw)
    if not keyword or keyword.startswith("#"):
        return None
    if not rest:
        raise ConfigError(f"{keyword}: no argument", source=source, line=number)
    words = arguments(rest)
    if words is None:
        raise ConfigError(f"{keyword}: a quote is never closed", source=source, line=number)
    return Line(ascii_lower(keyword), rest, words, source, number)
