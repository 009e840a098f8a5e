"""What a fan-out leaves in files: each session's output, and the names of those where it failed."""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ..model.errors import InvalidInput
from ..model.selector import ALIAS
from .grouped import natural

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FailedFile", "Outputs"]

_STREAMS: Final = {"stdout": "out", "stderr": "err"}


class Outputs:
    """A folder with ``ALIAS.out`` and ``ALIAS.err`` for each session that had its turn, in place of older ones.

    Args:
        folder: Its name; it is made where it is not there.

    Raises:
        InvalidInput: Nothing can be written there.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).expanduser()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            Draft(self._folder / "trial").drop()
        except OSError as error:
            raise InvalidInput(f"--out {folder}: {error.strerror or error}") from None

    def keep(self, outcome: dict[str, Any]) -> None:
        """Write one session's output, and put the files' names into its place.

        Raises:
            OSError: It cannot be written; the message names the file.
        """
        alias = str(outcome["alias"])
        if not ALIAS.fullmatch(alias):  # it becomes part of a path
            raise InvalidInput(f"the daemon names a session {alias!r}, which is no alias")
        error = outcome.get("error") or {}
        holder = outcome.get("result") or error.get("result") or error
        for stream, ending in _STREAMS.items():
            content = _bytes(holder.get(stream, ""))
            if ending == "err" and error:
                content += f"mooring: {error['detail']}\n".encode()
            path = self._folder / f"{alias}.{ending}"
            _write(path, content)
            holder[stream] = {"file": str(path)}


class FailedFile:
    """A selector file of the sessions where it failed or did not run; written at the end, whole or not at all.

    Args:
        name: The file's; one that is there is replaced.

    Raises:
        InvalidInput: It cannot be written.
    """

    def __init__(self, name: str) -> None:
        path = Path(name).expanduser().resolve()
        try:
            if path.exists() and not path.is_file():
                raise InvalidInput(f"--failed {name}: there is something that is no file")
            self._draft = Draft(path)
        except OSError as error:
            raise InvalidInput(f"--failed {name}: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing half written."""
        self._draft.drop()

    def write(self, reasons: Mapping[str, str], total: int) -> None:
        """Write the sessions, a line each, with the reason as a comment.

        Args:
            reasons: By their aliases.
            total: Of how many.
        """
        lines = [f"# {len(reasons)} of {total} failed or did not run"]
        lines += [f"{alias}  # {reasons[alias]}" for alias in natural(reasons)]
        self._draft.finish("\n".join(lines).encode() + b"\n")


class Draft:
    """A file under another name beside its own until it is whole.

    Args:
        path: Its own name.

    Raises:
        OSError: There is no place for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        self._file = os.fdopen(descriptor, "wb")
        self._name = Path(name)

    def finish(self, content: bytes) -> None:
        """Write it, and give it its name."""
        mask = os.umask(0o077)
        os.umask(mask)
        try:
            with self._file:
                self._file.write(content)
            self._name.chmod(0o666 & ~mask)
            self._name.replace(self._path)
        finally:
            self.drop()

    def drop(self) -> None:
        """Take it away, unless it has its name."""
        self._file.close()
        self._name.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    try:
        Draft(path).finish(content)
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror}") from error


def _bytes(output: str | dict[str, str]) -> bytes:
    return output.encode("utf-8", "surrogatepass") if isinstance(output, str) else base64.b64decode(output["base64"])
