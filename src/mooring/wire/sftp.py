"""What passes over an SFTP channel, read in passing: which files, and how many bytes.

Version 3 of the protocol (draft-ietf-secsh-filexfer-02), as OpenSSH and all that speak to it do. Give what the client
sends to ``asked`` and what the server sends to ``answered``, in parts of any size, and ``end`` it. Memory is bounded,
and nothing of a file is kept. Where something is no SFTP, or too much of it, or could move what is not seen here, it is
``blind`` from then on.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SftpWatch"]

_INIT, _OPEN, _CLOSE, _READ, _WRITE, _FSETSTAT, _OPENDIR, _EXTENDED = 1, 3, 4, 5, 6, 10, 11, 200
_VERSION, _STATUS, _HANDLE, _DATA = 2, 101, 102, 103
_ANSWERS: Final = frozenset({101, 102, 103, 104, 105, 201})
_HARMLESS: Final = frozenset({7, 8, _OPENDIR, 12, 16, 17, 19})
"""They change nothing and read no file: LSTAT, FSTAT, READDIR, REALPATH, STAT, READLINK."""
_NAMED: Final[Mapping[int, tuple[str, int]]] = {
    9: ("files.setstat", 1),
    13: ("files.remove", 1),
    14: ("files.mkdir", 1),
    15: ("files.rmdir", 1),
    18: ("files.rename", 2),
    20: ("files.symlink", 2),
}
"""What is asked about paths, and how many it names."""
_EXTENSIONS: Final[Mapping[bytes, tuple[str, int]]] = {
    b"posix-rename@openssh.com": ("files.rename", 2),
    b"hardlink@openssh.com": ("files.link", 2),
    b"lsetstat@openssh.com": ("files.setstat", 1),
}
_HARMLESS_EXTENSIONS: Final = frozenset(
    {
        b"limits@openssh.com",
        b"statvfs@openssh.com",
        b"fstatvfs@openssh.com",
        b"fsync@openssh.com",
        b"expand-path@openssh.com",
        b"home-directory",
        b"users-groups-by-id@openssh.com",
    }
)
_WRITES: Final = 0x02 | 0x04 | 0x08 | 0x10
"""SSH_FXF_WRITE, APPEND, CREAT, TRUNC."""
_LONGEST: Final = 1 << 24
"""Bytes of a packet: OpenSSH takes 256 KiB."""
_NAMES: Final = 8400
"""Bytes of a question that are looked at: two paths of 4096."""
_UNDER_WAY: Final = 4096
_UNDERSTOOD: Final = 3
"""The latest version that is: those after it say other things with the same packets."""
_FILES: Final = 1024


class _StrangeError(Exception):
    pass


class _File:
    def __init__(self, path: bytes, *, writes: bool) -> None:
        self.path = path
        self.writes = writes
        self.read = self.written = 0


class _Question(NamedTuple):
    """What was asked, and is not answered.

    Attributes:
        kind: The type of its packet.
        file: The file that it is about.
        size: Bytes that are written by it.
        what: What is done to a path.
        detail: And to which.
    """

    kind: int
    file: _File | None = None
    size: int = 0
    what: str = ""
    detail: Mapping[str, Any] = MappingProxyType({})


class _Packets:
    """Cuts a stream into packets, of which only the beginning is looked at.

    Args:
        most: So many bytes of a packet of this type; of others what ``otherwise`` says.
    """

    def __init__(self, most: Mapping[int, int], otherwise: int, take: Callable[[int, bytes], None]) -> None:
        self._most = most
        self._otherwise = otherwise
        self._take = take
        self._begin = bytearray()
        self._skip = 0

    def feed(self, data: memoryview) -> None:
        while data:
            if self._skip:
                skipped = min(self._skip, len(data))
                self._skip -= skipped
                data = data[skipped:]
                continue
            wanted = self._wanted()
            part = data[: wanted - len(self._begin)]
            self._begin += part
            data = data[len(part) :]
            if len(self._begin) == wanted == self._wanted():
                length = int.from_bytes(self._begin[:4], "big")
                self._skip = 4 + length - wanted
                packet = bytes(self._begin[4:])
                self._begin.clear()
                self._take(packet[0], packet[1:])

    def _wanted(self) -> int:
        if len(self._begin) < 5:
            return 5
        length = int.from_bytes(self._begin[:4], "big")
        if not 0 < length <= _LONGEST:
            raise _StrangeError
        return 4 + min(length, self._most.get(self._begin[4], self._otherwise))


class SftpWatch:
    """Tells of files as they are done with.

    Args:
        tell: Called with what was done, whether it was, and its detail.

    Attributes:
        blind: Whether what passes is not understood any more.
    """

    def __init__(self, tell: Callable[[str, bool, dict[str, Any]], None]) -> None:
        self._tell = tell
        self._questions = _Packets({_WRITE: 280}, _NAMES, self._question)
        self._answers = _Packets({_HANDLE: 270}, 9, self._answer)
        self._asking: dict[int, _Question] = {}
        self._files: dict[bytes, _File] = {}
        self.blind = False

    def asked(self, data: bytes | memoryview) -> None:
        """What the client sends."""
        self._feed(self._questions, data)

    def answered(self, data: bytes | memoryview) -> None:
        """What the server sends."""
        self._feed(self._answers, data)

    def end(self) -> None:
        """Nothing more passes: tell of what was not closed, or never answered."""
        for file in self._files.values():
            self._done(file, closed=False)
        for question in self._asking.values():
            self._told(question, None)
        self._files.clear()
        self._asking.clear()

    def _feed(self, packets: _Packets, data: bytes | memoryview) -> None:
        if self.blind:
            return
        try:
            packets.feed(memoryview(data))
            if len(self._asking) > _UNDER_WAY or len(self._files) > _FILES:
                raise _StrangeError
        except _StrangeError:
            self.end()
            self.blind = True

    def _question(self, kind: int, packet: bytes) -> None:
        if kind == _INIT:
            return
        number, rest = _number(packet)
        if number in self._asking:
            raise _StrangeError  # which of the two is answered, only the server knows
        self._asking[number] = self._meant(kind, rest)

    def _meant(self, kind: int, rest: bytes) -> _Question:
        if kind == _OPEN:
            path, rest = _string(rest)
            return _Question(kind, _File(path, writes=bool(_number(rest)[0] & _WRITES)))
        if kind in {_CLOSE, _READ, _WRITE, _FSETSTAT}:
            handle, rest = _string(rest)
            return self._about(kind, handle, rest)
        if kind == _EXTENDED:
            name, rest = _string(rest)
            if name in _HARMLESS_EXTENSIONS:
                return _Question(kind)
            return _named(kind, _EXTENSIONS.get(name), rest)
        if kind in _HARMLESS:
            return _Question(kind)
        return _named(kind, _NAMED.get(kind), rest)

    def _about(self, kind: int, handle: bytes, rest: bytes) -> _Question:
        file = self._files.get(handle)
        if kind == _CLOSE:
            self._files.pop(handle, None)
        if kind == _FSETSTAT:
            if file is None:
                raise _StrangeError
            return _Question(kind, what="files.setstat", detail={"path": file.path})
        return _Question(kind, file, _number(rest[8:])[0] if kind == _WRITE else 0)

    def _answer(self, kind: int, packet: bytes) -> None:
        if kind == _VERSION and _number(packet)[0] > _UNDERSTOOD:
            raise _StrangeError
        if kind not in _ANSWERS:
            return
        number, rest = _number(packet)
        question = self._asking.pop(number, None)
        if kind == _HANDLE:
            self._opened(question, _string(rest)[0])
        elif question is not None and kind == _STATUS:
            self._told(question, _number(rest)[0])
        elif question is not None and kind == _DATA and question.file is not None:
            question.file.read += _number(rest)[0]

    def _opened(self, question: _Question | None, handle: bytes) -> None:
        if question is None or question.kind not in {_OPEN, _OPENDIR}:
            raise _StrangeError
        before = self._files.pop(handle, None)
        if before is not None:  # it was closed by a question that came before we knew its handle
            self._done(before, closed=False)
        if question.file is not None:
            self._files[handle] = question.file

    def _told(self, question: _Question, status: int | None) -> None:
        """It was answered; None where it never was."""
        done = status == 0
        said = {} if not status else {"status": status}
        file = question.file
        if question.what:
            self._tell(question.what, done, {**question.detail, **said})
        elif file is not None and question.kind == _OPEN:
            self._tell(_kind(file), False, {"path": file.path, **said})  # noqa: FBT003 - it was refused
        elif file is not None and question.kind == _CLOSE:
            self._done(file, closed=done, **said)
        elif file is not None and question.kind == _WRITE and done:
            file.written += question.size

    def _done(self, file: _File, *, closed: bool, **said: int) -> None:
        told: dict[str, Any] = {"path": file.path, "bytes": file.written if file.writes else file.read}
        if file.writes and file.read:
            told["read"] = file.read
        self._tell(_kind(file), closed, {**told, **said})


def _named(kind: int, meant: tuple[str, int] | None, rest: bytes) -> _Question:
    if meant is None:
        raise _StrangeError
    path, rest = _string(rest)
    detail: dict[str, Any] = {"path": path}
    if meant[1] > 1:
        detail["to"], rest = _string(rest)
    return _Question(kind, what=meant[0], detail=detail)


def _kind(file: _File) -> str:
    return "files.write" if file.writes else "files.read"


def _number(packet: bytes) -> tuple[int, bytes]:
    if len(packet) < 4:
        raise _StrangeError
    return int.from_bytes(packet[:4], "big"), packet[4:]


def _string(packet: bytes) -> tuple[bytes, bytes]:
    length, rest = _number(packet)
    if length > len(rest):
        raise _StrangeError
    return rest[:length], rest[length:]
