"""The prompt of ``mooring shell`` on a terminal: history, completion, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle

from ..client import paths
from ..client.hidden import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from .console import Commands

__all__ = ["converse"]

_INTRO: Final = "==> Press Ctrl-D to exit <=="
_PROMPT: Final = "mooring> "
_TAKE_ALIAS: Final = frozenset({"run", "status", "stop"})


def converse(
    commands: Commands, aliases: Callable[[str], Iterable[str]], hosts: Callable[[str], Iterable[str]]
) -> None:
    """Read commands from the terminal until Ctrl-D or ``exit``. Ctrl-C ends a command, or a line, never the shell.

    Args:
        commands: What does them.
        aliases: Gives the sessions whose names begin with a text, for completion.
        hosts: Gives the hosts of ssh_config likewise.
    """
    session: PromptSession[str] = PromptSession(
        _PROMPT,
        history=_history(),
        completer=_Words(sorted(commands.help), aliases, hosts),
        complete_style=CompleteStyle.READLINE_LIKE,
    )
    commands.out(_INTRO)
    while True:
        try:
            if commands.onecmd(session.prompt()):
                return
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


class _Words(Completer):
    """Completes the command, then the alias, the host or the topic of ``help``."""

    def __init__(
        self, commands: list[str], aliases: Callable[[str], Iterable[str]], hosts: Callable[[str], Iterable[str]]
    ) -> None:
        self._commands = commands
        self._aliases = aliases
        self._hosts = hosts

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        words = document.text_before_cursor.lstrip().split(" ")
        begun = words[-1]
        found: Iterable[str] = ()
        if len(words) == 1 or (len(words) == 2 and words[0] == "help"):
            found = [command for command in self._commands if command.startswith(begun)]
        elif len(words) == 2 and words[0] in _TAKE_ALIAS:
            found = self._aliases(begun)
        elif len(words) == 2 and words[0] == "start":
            found = self._hosts(begun)
        for word in found:
            yield Completion(f"{word} ", start_position=-len(begun), display=word)


class _Masked(FileHistory):
    """Lines in a file, their passwords masked."""

    def append_string(self, string: str) -> None:
        """Keep a line, on disk and in memory."""
        super().append_string(" ".join(masked(word) for word in string.split(" ")))


def _history() -> History:
    """The history in the state directory, for this user's eyes alone; in memory where it cannot be there."""
    path = Path(paths.state_dir(), "shell_history")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        readable = os.access(path, os.R_OK | os.W_OK)
    except OSError:
        readable = False
    return _Masked(path) if readable else InMemoryHistory()
