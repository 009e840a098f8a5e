"""What starts a handler: a command of the far end's, or a local file that is shipped there."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ...model.errors import InvalidInput
from ...wire.shipping import shipped
from ..arguments import check_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

__all__ = ["command_line"]


def command_line(
    command: str | Sequence[str], deploy: str | PathLike[str] | None, args: Sequence[str]
) -> tuple[str, bytes]:
    """The command line that starts a handler, and what to write to it first.

    Args:
        command: As ``Session.pipe`` has it.
        deploy: Likewise.
        args: Likewise.

    Raises:
        InvalidInput: An argument cannot be meant, or the local handler cannot be read.
    """
    if isinstance(args, str) or not all(isinstance(word, str) for word in args):
        raise InvalidInput("args must be a sequence of texts")
    line = command if isinstance(command, str) else shlex.join(command)
    check_command(line)
    if deploy is not None:
        path = Path(deploy)
        try:
            source = path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"the handler {path} cannot be read: {error.strerror or error}") from None
        return shipped(line, path.name, source, args)
    if line == "python3":
        raise InvalidInput("a pipe needs the command of its handler, or deploy= with a local file")
    return f"{line} {shlex.join(args)}" if args else line, b""
