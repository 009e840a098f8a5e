"""The one place here that touches the file system; everything else takes a `Reader`."""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path
from typing import Protocol

from ..model.errors import ConfigError

__all__ = ["DISK", "Disk", "Reader"]


class Reader(Protocol):
    """Where configuration files come from."""

    def read(self, path: str, *, private: bool) -> str:
        """The file's text.

        Args:
            path: The file's name.
            private: Whether to refuse a file that others could have written.

        Raises:
            OSError: It cannot be read.
            ConfigError: Others could have written it.
        """
        ...

    def find(self, pattern: str) -> list[str]:
        """The existing files whose names fit a glob(7) pattern, in order."""
        ...


class Disk:
    """The file system."""

    def read(self, path: str, *, private: bool) -> str:
        """The file's text; bytes that are not UTF-8 survive as surrogates. A directory reads as empty."""
        file = Path(path)
        if file.is_dir():
            return ""
        if private and os.name == "posix":
            status = file.stat()
            if status.st_uid not in {0, os.getuid()} or status.st_mode & 0o022:
                raise ConfigError(
                    "others may write this file",
                    source=path,
                    hint=f"chmod go-w {path}, and make it your own",
                )
        return file.read_bytes().decode("utf-8", "surrogateescape")

    def write(self, path: str, content: bytes, *, create_dirs: bool) -> None:
        """Put a file in the place of another at once, with its mode; a new one is its owner's alone.

        Raises:
            OSError: It cannot be written; what was there is there still.
        """
        file = Path(path).resolve()  # a link goes on to lead there
        if create_dirs:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o7777 if file.exists() else 0o600
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(mode)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def find(self, pattern: str) -> list[str]:
        """The files that fit."""
        return sorted(glob.glob(pattern))  # noqa: PTH207  # Path.glob normalises names; they appear in messages


DISK = Disk()
