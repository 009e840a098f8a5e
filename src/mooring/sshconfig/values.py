"""What the argument of a keyword may be: each function turns the text into a value or says what is wrong.

A converter takes one argument and raises ValueError with the reason; `one`, `many` and `raw` make of it what the
keyword table needs, a function of the whole line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .lexer import WHITESPACE, Line, ascii_lower
from .patterns import matches

__all__ = [
    "Parse",
    "add_keys_to_agent",
    "agent_path",
    "algorithms",
    "anything",
    "choice",
    "control_persist",
    "domain",
    "duration",
    "escape_char",
    "flag",
    "integer",
    "ipqos",
    "many",
    "mask",
    "one",
    "permitted_cname",
    "port",
    "port_number",
    "raw",
    "rekey_limit",
    "text",
    "tunnel_device",
]

Parse = Callable[[Line], object]
Convert = Callable[[str], object]

_INT_MAX = 2**31 - 1
_C_SPACE = "[ \t\n\v\f\r]*"
_INTEGER = re.compile(rf"{_C_SPACE}([+-]?[0-9]+)")
_DURATION = re.compile(rf"({_C_SPACE}\+?[0-9]+[smhdwSMHDW])*({_C_SPACE}\+?[0-9]+)?")
_DURATION_PART = re.compile(r"([0-9]+)([smhdwSMHDW]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = re.compile(rf"{_C_SPACE}([+-]?[0-9]+)(?:\.([0-9]*))?([bkmgtpeBKMGTPE]?)")
_C_NUMBER = re.compile(r"\+?((0[xX])[0-9a-fA-F]+|(0)[0-7]*|[1-9][0-9]*)")
_ENVIRONMENT = re.compile(r"\$\{([^}]*)(\}?)")
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}
_QOS = {
    **{f"af{c}{d}": (8 * c + 2 * d) << 2 for c in range(1, 5) for d in range(1, 4)},
    **{f"cs{n}": n << 5 for n in range(8)},
    "ef": 0xB8,
    "le": 0x04,
    "va": 0xB0,
    "lowdelay": 0x10,
    "throughput": 0x08,
    "reliability": 0x04,
}
"""Traffic classes (RFC 2474, RFC 8622; the last three of RFC 791). Of two with one number ssh shows the first."""


def one(convert: Convert) -> Parse:
    """Exactly one argument."""

    def parse(line: Line) -> object:
        if not line.arguments or not line.arguments[0]:
            raise line.error(f"{line.keyword}: the argument is missing")
        if len(line.arguments) > 1:
            raise line.error(f"{line.keyword}: extra arguments at the end of the line")
        return _converted(line, convert, line.arguments[0])

    return parse


def many(convert: Convert, *, none_alone: bool = False, at_least: int = 0, at_most: int | None = None) -> Parse:
    """Any number of arguments; with ``none_alone``, the word ``none`` may only stand by itself."""

    def parse(line: Line) -> object:
        words = line.arguments
        if "" in words:
            raise line.error(f"{line.keyword}: an argument is empty")
        if none_alone and len(words) > 1 and any(ascii_lower(word) == "none" for word in words):
            raise line.error(f'{line.keyword}: "none" must stand alone')
        if len(words) < at_least:
            raise line.error(f"{line.keyword}: the argument is missing")
        if at_most is not None and len(words) > at_most:
            raise line.error(f"{line.keyword}: extra arguments at the end of the line")
        return tuple(_converted(line, convert, word) for word in words) or None

    return parse


def raw(line: Line) -> object:
    """The rest of the line as it stands, quotes and ``#`` included: a shell will read it."""
    return line.rest.lstrip(WHITESPACE + "=")


def anything(line: Line) -> object:
    """The arguments, unlooked at."""
    return line.arguments


def _converted(line: Line, convert: Convert, word: str) -> object:
    try:
        return convert(word)
    except ValueError as error:
        raise line.error(f"{line.keyword}: {error}") from None


def text(word: str) -> str:
    """Any text."""
    return word


def choice(options: Mapping[str, object] | tuple[str, ...]) -> Convert:
    """One of some words, the case of letters aside."""
    table: Mapping[str, object] = options if isinstance(options, Mapping) else {word: word for word in options}

    def convert(word: str) -> object:
        try:
            return table[ascii_lower(word)]
        except KeyError:
            raise ValueError(f'"{word}" is not one of {", ".join(table)}') from None

    return convert


flag = choice(_FLAGS)


def integer(word: str) -> int:
    """A number from 0 to 2147483647."""
    return _in_range(word, 0, _INT_MAX)


def _in_range(word: str, low: int, high: int) -> int:
    found = _INTEGER.fullmatch(word)
    if found is None:
        raise ValueError(f'"{word}" is not a number')
    digits = found[1]
    # More digits than any limit has: do not let int() refuse them with a message of its own.
    number = int(digits) if len(digits) < 40 else _INT_MAX + 1
    if not low <= number <= high:
        raise ValueError(f'"{word}" is not between {low} and {high}')
    return number


def port(word: str) -> int:
    """A TCP port from 1 to 65535; of the service names, only ``ssh``."""
    return 22 if word == "ssh" else _in_range(word, 1, 65535)


def port_number(word: str) -> int:
    """A TCP port, or 0 for any."""
    return 22 if word == "ssh" else _in_range(word, 0, 65535)


def duration(word: str) -> float | None:
    """Seconds from ``90``, ``10m``, ``1h30m``; None for ``none``, which leaves the keyword unset."""
    if word == "none":
        return None
    if not _DURATION.fullmatch(word):
        raise ValueError(f'"{word}" is not a time such as 90, 10m or 1h30m')
    total = 0
    for digits, unit in _DURATION_PART.findall(word):
        total += (int(digits) if len(digits) < 40 else _INT_MAX + 1) * _SECONDS[unit.lower()]
    if total > _INT_MAX:
        raise ValueError(f'"{word}" is too long a time')
    return float(total)


def algorithms(known: frozenset[str], *, wildcards: bool = False) -> Convert:
    """A list of algorithm names, optionally with ``+``, ``-`` or ``^`` before it; after ``-`` anything goes."""

    def convert(word: str) -> str:
        if word[0] == "-":
            return word
        prefix = word[0] if word[0] in "+^" else ""
        # ssh looks no further than an empty name.
        names = word.removeprefix(prefix).split(",,")[0].removesuffix(",").split(",")
        for name in names:
            if name not in known and not (name and wildcards and any(matches(one, name) for one in known)):
                raise ValueError(f'unknown algorithm "{name}"')
        return prefix + ",".join(names)

    return convert


def agent_path(environment: Mapping[str, str]) -> Convert:
    """A socket's path, ``$NAME``, or text with ``${NAME}``, each NAME of which must exist even where it is not used."""

    def convert(word: str) -> str:
        for name, closed in _ENVIRONMENT.findall(word):
            if not closed or not name:
                raise ValueError(f'"{word}" has a malformed ${{NAME}}')
            if name not in environment:
                raise ValueError(f"the environment has no variable {name}")
        if word[0] == "$" and word[1:2] != "{" and not re.fullmatch("[A-Za-z0-9_]+", word[1:]):
            raise ValueError(f'"{word}" does not name an environment variable')
        return word

    return convert


def domain(word: str) -> str:
    """A domain name, in lower case, without its last dot."""
    lowered = ascii_lower(word)
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", lowered) or ".." in lowered:
        raise ValueError(f'"{word}" is not a domain name')
    return lowered.removesuffix(".")


def permitted_cname(word: str) -> tuple[str, str]:
    """``SOURCES:TARGETS``, two pattern lists; ``*`` for all; ``none``."""
    if ascii_lower(word) == "none":
        return "none", ""
    if word == "*":
        return "*", "*"
    sources, colon, targets = ascii_lower(word).partition(":")
    if not colon or not targets:
        raise ValueError(f'"{word}" is not of the form SOURCES:TARGETS')
    return sources, targets


def ipqos(word: str) -> str:
    """A traffic class by name or number; its name, where it has one."""
    lowered = ascii_lower(word)
    if lowered == "none":
        return lowered
    number = _QOS.get(lowered)
    if number is None:
        found = _C_NUMBER.fullmatch(word)
        number = int(found[1], 16 if found[2] else 8 if found[3] else 10) if found and len(word) <= 12 else 256
        if number > 255:
            raise ValueError(f'"{word}" is not a traffic class')
    return next((name for name, known in _QOS.items() if known == number), f"0x{number:02x}")


def mask(word: str) -> str:
    """An octal file mode; what follows the digits is not looked at, as in ssh."""
    found = re.match(rf"{_C_SPACE}\+?(0*[0-7]{{1,3}})(?![0-7])", word)
    if found is None:
        raise ValueError(f'"{word}" is not an octal mode')
    return word


def escape_char(word: str) -> str:
    """One character, ``^`` and a letter, or ``none``."""
    if word != "none" and len(word) != 1 and not re.fullmatch(r"\^[@-\x7f]", word):
        raise ValueError(f'"{word}" is not an escape character')
    return word


def tunnel_device(word: str) -> str:
    """``LOCAL[:REMOTE]``, each a number or ``any``."""
    for device in word.split(":", 1):
        if ascii_lower(device) != "any":
            _in_range(device, 0, _INT_MAX - 2)
    return word


def rekey_limit(line: Line) -> object:
    """Bytes, 0 for ``default``, and seconds, or None where there is no time."""
    words, size, time = line.arguments, 0, None
    if not words or not words[0]:
        raise line.error(f"{line.keyword}: the argument is missing")
    if len(words) > 2:
        raise line.error(f"{line.keyword}: extra arguments at the end of the line")
    if words[0] != "default":
        found = _BYTES.fullmatch(words[0])
        scale = 1024 ** ("bkmgtpe".index(found[3].lower()) if found and found[3] else 0)
        if not found or len(found[1]) > 18 or not 0 <= int(found[1]) * scale < 2**63:
            raise line.error(f'{line.keyword}: "{words[0]}" is not a number of bytes')
        size = int(float(f"{found[1]}.{found[2] or 0}") * scale)
        if 0 < size < 16:
            raise line.error(f"{line.keyword}: too small")
    if len(words) == 2:
        if not words[1]:
            raise line.error(f"{line.keyword}: the time is missing")
        time = _converted(line, duration, words[1])
    return size, int(time) if isinstance(time, float) else None


def add_keys_to_agent(line: Line) -> object:
    """A flag, ``ask``, ``confirm [TIME]`` or a time."""
    words = line.arguments
    word = ascii_lower(words[0]) if words else ""
    if not word or len(words) > 2 or (len(words) == 2 and word != "confirm"):
        raise line.error(f"{line.keyword}: takes yes, no, ask, confirm or a time")
    if len(words) == 2 or word not in {*_FLAGS, "ask", "confirm"}:
        if not words[-1] or words[-1] == "none":
            raise line.error(f"{line.keyword}: the time is missing")
        _converted(line, duration, words[-1])
    return words


def control_persist(word: str) -> str:
    """A flag or a time."""
    if word not in _FLAGS and duration(word) is None:
        raise ValueError('"none" is not a time')
    return word
