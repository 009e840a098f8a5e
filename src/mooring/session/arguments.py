"""What may be passed to ``run`` and ``process``; all else is refused here, before anything is sent."""

from __future__ import annotations

import codecs
import difflib
import errno
import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from ..model.errors import InvalidInput
from ..transport.channel import NO_DESCRIPTORS, PROCESS_KEYWORDS, REDIRECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from types import UnionType

__all__ = [
    "check_command",
    "check_env",
    "check_keywords",
    "check_process",
    "check_redirection",
    "check_seconds",
    "encoded",
]

_UINT32: Final = 0xFFFF_FFFF
_LONGEST: Final = 128 * 1024
"""Bytes of one text: Linux starts no program with a longer one (execve(2)), and OpenSSH ends the whole connection over
a packet of twice as many."""


def check_command(command: object, *, quoted: bool = False) -> None:
    """A command line: a text for the peer's shell; perhaps quoted there once more."""
    if not isinstance(command, str) or not command.strip() or "\0" in command:
        raise InvalidInput("a command is a text that is not empty and holds no NUL")
    if not _is_text(command):
        raise InvalidInput("a command must be encodable as UTF-8")
    _check_length("a command", shlex.quote(command) if quoted else command)


def _check_length(what: str, text: str) -> None:
    """That a text fits into one packet: a longer one would cost everybody the connection."""
    if (size := len(text.encode())) > _LONGEST:
        raise InvalidInput(f"{what} has {size} bytes, and may have {_LONGEST}", hint="send what is long as input")


def check_process(args: Sequence[object], keywords: Mapping[str, Any], timeout: object) -> None:
    """What ``process`` takes: at most a command, and that once; keywords; a timeout that ends."""
    check_keywords(keywords)
    given = [*args, *(keywords[name] for name in ("command",) if name in keywords)]
    if len(given) > 1:
        raise InvalidInput("a process has one command")
    if given and given[0] is not None:
        check_command(given[0])
    if timeout is None:
        raise InvalidInput("timeout is None, and must be more than 0 seconds")
    check_seconds(timeout)


def check_seconds(timeout: object) -> None:
    """A timeout: more than 0 seconds, or None."""
    if timeout is not None and not (_is_number(timeout, int | float) and timeout > 0):  # type: ignore[operator]
        raise InvalidInput(f"timeout is {timeout!r}, and must be more than 0 seconds")


def encoded(data: object, encoding: object, errors: object) -> bytes | None:
    """Standard input as bytes, with the encoding that output is decoded with."""
    if data is None and (encoding, errors) == ("utf-8", "backslashreplace"):  # as nearly always
        return None
    for name, value, lookup in (
        ("encoding", encoding or "utf-8", lambda name: b"ab".decode(name, "ignore")),  # knows "hex" for no text
        ("errors", errors, codecs.lookup_error),
    ):
        if not isinstance(value, str) or not _finds(lookup, value):
            raise InvalidInput(f"{name} is {value!r}, which Python does not know")
    if isinstance(data, str):
        try:
            return data.encode(str(encoding or "utf-8"))
        except UnicodeError:
            # Not the cause: it would show the whole input.
            raise InvalidInput(f"input holds a character that {encoding or 'utf-8'} cannot write") from None
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    if data is None or isinstance(data, bytes):
        return data
    raise InvalidInput(f"input is a {type(data).__name__}, and may be a text, bytes or None")


def check_env(env: object) -> None:
    """Environment variables: texts by their names."""
    if not isinstance(env, Mapping):
        raise InvalidInput(f"env is a {type(env).__name__}, and must be a mapping of texts")
    for name, value in env.items():
        if not (_is_text(name) and name and "=" not in name and _is_text(value) and "\0" not in name + value):
            # Names only: a value may be a secret.
            raise InvalidInput(f"env has {name!r}, and must map names without '=' to texts, all without NUL")
        _check_length("a variable of env", name + value)


def check_keywords(keywords: Mapping[str, Any], *, less: Collection[str] = ()) -> None:
    """Keywords that AsyncSSH's ``create_process`` has, less some: their names, and the values of the usual ones."""
    known = PROCESS_KEYWORDS - set(less)
    for name in keywords:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise InvalidInput(f"unknown keyword {name!r}", hint=f"did you mean {close[0]}?" if close else None)
    size = keywords.get("term_size") or (0, 0)
    if not (
        isinstance(size, (tuple, list))
        and len(size) in {2, 4}
        and all(_is_number(number, int) and 0 <= number <= _UINT32 for number in size)
    ):
        raise InvalidInput(f"term_size is {size!r}, and must be (columns, rows) or (columns, rows, width, height)")
    for name in ("window", "max_pktsize"):
        number = keywords.get(name, 1)
        if not (_is_number(number, int) and 1 <= number <= _UINT32):
            raise InvalidInput(f"{name} is {number!r}, and must be a number of bytes from 1")
    for name in ("term_type", "subsystem"):
        text = keywords.get(name)
        if text is not None and not (_is_text(text) and "\0" not in text):  # for which sshd ends the connection
            raise InvalidInput(f"{name} is {text!r}, and must be a text without NUL, or None")
        _check_length(name, text or "")
    for name in NO_DESCRIPTORS:
        if keywords.get(name) is not None:
            _check_stream(name, keywords[name])


def _check_stream(name: str, value: object) -> None:
    """Where a stream comes from or goes: AsyncSSH would look at it when the command runs already."""
    if isinstance(value, (str, PurePath)):
        if fault := _path_fault(value, reading=name == "stdin"):
            raise InvalidInput(f"{name} is {str(value)!r}: {fault}")
    elif isinstance(value, int):
        if value not in NO_DESCRIPTORS[name] and (isinstance(value, bool) or not _finds(os.fstat, value)):
            raise InvalidInput(f"{name} is {value!r}, which is no open descriptor")
    elif not any(hasattr(value, method) for method in ("read" if name == "stdin" else "write", "fileno")):
        raise InvalidInput(f"{name} is a {type(value).__name__}, which is no file, pipe, socket or stream")
    elif getattr(value, "closed", False) is True:
        raise InvalidInput(f"{name} is a file that is closed")


def _path_fault(path: str | PurePath, *, reading: bool) -> str | None:
    """Why a file cannot be opened, as far as that is seen without opening it, which might wait for a FIFO's writer."""
    place = Path(path)
    try:
        there = reading or place.exists()
        found = place if there else place.parent
        if stat.S_ISDIR(found.stat().st_mode) is there:
            fault = errno.EISDIR if there else errno.ENOTDIR
        else:
            needed = (os.R_OK if reading else os.W_OK) if there else os.W_OK | os.X_OK
            fault = 0 if os.access(found, needed) else errno.EACCES
    except OSError as error:
        fault = error.errno or errno.EIO
    except ValueError:  # a NUL
        fault = errno.EINVAL
    return os.strerror(fault) if fault else None


def check_redirection(data: object, max_output: object, kill: object, keywords: Mapping[str, Any]) -> None:
    """``max_output`` and ``kill``, which work on output that ``run`` itself collects, and input from two places."""
    if max_output is not None and not (_is_number(max_output, int) and max_output >= 0):  # type: ignore[operator]
        raise InvalidInput(f"max_output is {max_output!r}, and must be a number of bytes from 0, or None")
    if kill not in {None, "wrap"}:
        raise InvalidInput(f"kill is {kill!r}, and may be None or 'wrap'")
    for name in sorted(REDIRECTIONS.intersection(keywords)):
        if kill or max_output is not None:
            raise InvalidInput(f"{'kill=' + repr(kill) if kill else 'max_output'} cannot be had together with {name}=")
    if data is not None and "stdin" in keywords:
        raise InvalidInput("input cannot be had together with stdin=")
    if kill and keywords.get("term_type"):
        raise InvalidInput("kill='wrap' cannot be had with a terminal", hint="closing a terminal hangs its commands up")


def _is_number(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _finds(lookup: Callable[[Any], object], name: str | int) -> bool:
    try:
        lookup(name)
    except (LookupError, ValueError, OSError, OverflowError):
        return False
    return True
