"""The known_hosts files on disk: read again when they changed, added to and rewritten without losing a byte."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .known_hosts import AUTHORITY, REVOKED, Line, add, name_of, new_line, parse, take_out

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import asyncssh

__all__ = ["Known", "KnownHosts", "Trust"]

_LOCK_TIMEOUT: Final = 10.0
_LOCK_RETRY: Final = 0.02
_PORT: Final = 22


@dataclass(frozen=True, slots=True)
class Known:
    """A key, and the line that says so."""

    key: asyncssh.SSHKey
    line: Line


@dataclass(frozen=True, slots=True)
class Trust:
    """What the files say of one host.

    Attributes:
        name: The host as the files name it.
        keys: Its keys.
        authorities: Who may sign its keys.
        revoked: Keys that nobody may show any more, authorities included.
        portless: Whether nothing is known of ``[host]:port``, and keys and authorities are those of ``host``. ssh
            accepts them there, but does not take another key for a changed one.
        skipped: Where lines stand that could not be read.
    """

    name: str
    keys: tuple[Known, ...] = ()
    authorities: tuple[Known, ...] = ()
    revoked: tuple[Known, ...] = ()
    portless: bool = False
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Content:
    """One file as it was read."""

    version: tuple[int, int, int] | None
    lines: tuple[Line, ...] = ()
    by_name: dict[str, list[Line]] = field(default_factory=dict)
    others: tuple[Line, ...] = ()
    skipped: tuple[str, ...] = ()
    answers: dict[str, tuple[Line, ...]] = field(default_factory=dict)

    def about(self, name: str) -> tuple[Line, ...]:
        """The lines about a host, in order. Remembered: each hashed name costs a microsecond to compare."""
        found = self.answers.get(name)
        if found is None:
            lines = (*self.by_name.get(name, ()), *(line for line in self.others if line.matches(name)))
            found = self.answers[name] = tuple(sorted(lines, key=lambda line: line.number))
        return found


class KnownHosts:
    """Trusted host keys from OpenSSH's known_hosts files, each read once and again when it changed.

    Hashed names, patterns, negation, ``[host]:port``, ``@cert-authority`` and ``@revoked`` mean what they mean to
    ssh; a line that cannot be read is skipped and remembered. A file that does not exist is an empty one. Addresses
    are not looked up beside names, as with ssh's ``CheckHostIP no``.

    Args:
        files: The user's files.
        system: Files that are read after them and never written.
        learn_to: Where new keys are written; the first of ``files`` by default.
    """

    def __init__(self, files: Sequence[Path], *, system: Sequence[Path] = (), learn_to: Path | None = None) -> None:
        self._user = tuple(files)
        self._content = dict.fromkeys((*files, *system), _Content(None))
        self.learn_to = learn_to or (self._user[0] if self._user else None)

    def match(self, host: str, port: int) -> Trust:
        """What is known of a host.

        Args:
            host: Name or address, or its HostKeyAlias.
            port: TCP port; 22 for a HostKeyAlias, which has none.

        Raises:
            OSError: A file exists and cannot be read.
        """
        self._refresh()
        trust = self._match(name_of(host, port))
        if port == _PORT:
            return trust
        plain = self._match(name_of(host, _PORT))
        trust = replace(
            trust,
            # Stricter than ssh: a key in other hands is no better on another port.
            revoked=tuple(dict.fromkeys((*trust.revoked, *plain.revoked))),
            skipped=tuple(dict.fromkeys((*trust.skipped, *plain.skipped))),
        )
        if trust.keys or trust.authorities:
            return trust
        return replace(trust, keys=plain.keys, authorities=plain.authorities, portless=True)

    def _match(self, name: str) -> Trust:
        found: dict[str, list[Known]] = {"": [], AUTHORITY: [], REVOKED: []}
        skipped = [place for content in self._content.values() for place in content.skipped]
        for content in self._content.values():
            for line in content.about(name):
                if line.key is None:
                    skipped.append(line.place)
                else:
                    found[line.marker].append(Known(line.key, line))
        keys, authorities, revoked = (tuple(known) for known in found.values())
        return Trust(name, keys, authorities, revoked, skipped=tuple(skipped))

    def obstacle(self, host: str, port: int, keys: Sequence[asyncssh.SSHKey]) -> str | None:
        """Why a host's lines may not be brought up to date, by the rules of ssh_config(5), UpdateHostKeys.

        Args:
            host: As for ``match``.
            port: As for ``match``.
            keys: All keys in question, old and new.

        Returns:
            None where they may.

        Raises:
            OSError: A file exists and cannot be read.
        """
        self._refresh()
        name = name_of(host, port)
        blobs = {key.public_data for key in keys}
        for file in self._user:
            for line in self._content[file].lines:
                if line.matches(name):
                    if line.marker:
                        return f"{line.place} has {line.marker}"
                    if not line.plain and not line.names.startswith("|"):
                        return f"{line.place} names the host by a pattern"
                    if line.names.count(",") > 1:
                        return f"{line.place} has more names than ssh writes"
                elif line.blob in blobs:
                    return f"{line.place} has the key under another name"
        return None

    async def learn(self, host: str, port: int, key: asyncssh.SSHKey, *, hash_names: bool = False) -> bool:
        """Write down a key; the file is made with mode 0600, and its folder with 0700, where they are missing.

        Cancelling is safe: the line is written whole or not at all.

        Returns:
            False where another key was written for this host meanwhile; then nothing is.

        Raises:
            OSError: The file cannot be written.
        """
        return await asyncio.to_thread(self._learn, name_of(host, port), key, hash_names)

    def _learn(self, name: str, key: asyncssh.SSHKey, hash_names: bool) -> bool:  # noqa: FBT001 - for the thread
        file = self._writable()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(file) as descriptor:
            data = _read_all(descriptor)
            known = [
                line.blob
                for line in parse(data, file, user=True)
                if isinstance(line, Line) and not line.marker and line.matches(name)
            ]
            if not known:
                _append(descriptor, add(data, new_line(name, key, hash_names=hash_names)))
            return not known or key.public_data in known

    async def replace(
        self,
        host: str,
        port: int,
        add: Sequence[asyncssh.SSHKey],  # the word ssh's manual has
        remove: Sequence[asyncssh.SSHKey],
        *,
        hash_names: bool = False,
    ) -> None:
        """Take keys of a host out of the user's files and write others down. All other lines stay, byte for byte.

        Cancelling is safe: each file is as it was or as it should be.

        Raises:
            OSError: A file cannot be written.
        """
        lines = [new_line(name_of(host, port), key, hash_names=hash_names) for key in add]
        blobs = frozenset(key.public_data for key in remove)
        await asyncio.to_thread(self._replace, name_of(host, port), lines, blobs)

    def _replace(self, name: str, lines: list[str], blobs: frozenset[bytes]) -> None:
        first = self._writable()
        first.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in dict.fromkeys((first, *self._user)):
            wanted = lines if file == first else []
            if wanted or file.exists():
                _rewrite(file, name, blobs, wanted)

    def _writable(self) -> Path:
        if self.learn_to is None:
            msg = "there is no known_hosts file to write to"
            raise FileNotFoundError(msg)
        return self.learn_to

    def _refresh(self) -> None:
        for file, content in self._content.items():
            try:
                status = file.stat()
            except (FileNotFoundError, NotADirectoryError):
                version = None
            else:
                # What holds no lines (/dev/null) is empty, and what could keep us waiting (a pipe) is not opened.
                kept = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
                version = _version(status) if kept else None
            if version != content.version:
                self._content[file] = _read(file, user=file in self._user) if version else _Content(None)


def _read(file: Path, *, user: bool) -> _Content:
    try:
        with file.open("rb") as stream:
            version = _version(os.fstat(stream.fileno()))
            data = stream.read()
    except FileNotFoundError:
        return _Content(None)
    lines = []
    skipped = []
    by_name: dict[str, list[Line]] = {}
    others = []
    for line in parse(data, file, user=user):
        if not isinstance(line, Line):
            skipped.append(f"{file}:{line}")
            continue
        lines.append(line)
        if line.plain:
            for name in set(line.names.lower().split(",")):
                by_name.setdefault(name, []).append(line)
        else:
            others.append(line)
    return _Content(version, tuple(lines), by_name, tuple(others), tuple(skipped))


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_all(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, "rb", closefd=False) as stream:
        return stream.read()


def _append(descriptor: int, data: bytes) -> None:
    end = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        written = os.write(descriptor, data)
    except OSError:
        os.ftruncate(descriptor, end)
        raise
    if written < len(data):
        os.ftruncate(descriptor, end)
        msg = "the disk is full"
        raise OSError(msg)


def _rewrite(file: Path, name: str, blobs: frozenset[bytes], lines: list[str]) -> None:
    """Replace a file by its new text in one step; a link stays a link."""
    file = file.resolve()
    if file.exists() and not file.is_file():
        return  # never rename onto a device: /dev/null is a known_hosts file to many
    with _locked(file) as descriptor:
        old = _read_all(descriptor)
        new = take_out(old, name, blobs)
        for line in lines:
            new += add(new, line)
        if new != old:
            _replace_file(file, new, os.fstat(descriptor))


def _replace_file(file: Path, data: bytes, status: os.stat_result) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if sys.platform != "win32":
                os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fsync(descriptor)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[int]:
    """The file, open for reading and writing, and locked against our other threads and processes."""
    deadline = time.monotonic() + _LOCK_TIMEOUT
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor, deadline)
            if _still(file, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _still(file: Path, descriptor: int) -> bool:
    """Whether the file was not replaced by another while we waited for the lock."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, deadline: float) -> None:
    if sys.platform == "win32":
        return
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                msg = f"another process holds the lock for more than {_LOCK_TIMEOUT:g} s"
                raise TimeoutError(msg) from None
            time.sleep(_LOCK_RETRY)  # a lock on a file tells nobody when it is free
        else:
            return
