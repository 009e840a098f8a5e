"""The commands of ``sshpoolctl`` and ``mooring shell``: what they take, what they print, and their help."""

from __future__ import annotations

import cmd
import time
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from ..model.errors import MooringError
from .failures import advice
from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.login import Login

__all__ = ["Channel", "Channels", "Commands"]


class Channel(NamedTuple):
    """A session as the commands show it.

    Attributes:
        alias: Its name.
        login: Whom it logs in as, and where.
        alive: Whether it is up.
        since: When it came to this state, seconds since the epoch.
        reason: Why it is not up; empty where it is, or nobody knows.
    """

    alias: str
    login: Login
    alive: bool
    since: float
    reason: str = ""


class Channels(Protocol):
    """What the commands do, wherever the sessions are. Each may raise MooringError, whose text is then shown."""

    def status(self, alias: str) -> Iterable[Channel]:
        """The session of this alias, or all of them for an empty one."""
        ...

    def start(self, dsn: str) -> str:
        """Hold a session; returns what is said when it is done."""
        ...

    def run(self, alias: str, command: str) -> str:
        """Run a command, and return what it printed: on standard output if it went well, else on standard error."""
        ...

    def stop(self, alias: str) -> str:
        """End a session; returns what is said when it is done."""
        ...


class Commands(cmd.Cmd):
    """The commands of sshpoolctl, word for word.

    Args:
        channels: What they work on.
        program: What is left by ``exit``.
        stdout: Where they write.
    """

    ruler = "~"

    def __init__(self, channels: Channels, program: str, stdout: IO[str] | None = None) -> None:
        super().__init__(stdout=stdout)
        self.channels = channels
        self.failed = False
        self.help = {
            "exit": f"exit\t\tExit {program} shell",
            "help": "help\t\tPrint a list of available actions\nhelp <action>\tPrint help for <action>",
            "quit": f"quit\t\tExit {program} shell",
            "run": "run <alias> <cmd>\tRun arbitrary commands over a channel",
            "start": "start <dsn>\tAdd a new channel",
            "status": "status\t\tView status of started channels",
            "stop": "stop <alias>\tStop an existing channel",
        }

    def out(self, line: str) -> None:
        """Write a line."""
        self.stdout.write(f"{line}\n")
        self.stdout.flush()

    def onecmd(self, line: str) -> bool:
        """Do what a line says, and return whether it was the last one. What goes wrong is shown and remembered."""
        try:
            return bool(super().onecmd(line))
        except MooringError as error:
            self.failed = True
            todo = advice(error)
            self.out(f"{error.message} ({todo})" if todo else error.message)
            return False

    def do_status(self, alias: str) -> None:
        """``status [alias]``: a line for each channel."""
        now = time.time()
        for channel in sorted(self.channels.status(alias)):
            user, password, host, port = channel.login
            state = "running" if channel.alive else "dead"
            line = f"{channel.alias}\t\t{user}:{password}@{host}:{port}\t{state}\t{int(now - channel.since)}"
            self.out(f"{line}\t{printable(channel.reason)}" if channel.reason else line)

    def do_start(self, dsn: str) -> None:
        """``start <dsn>``."""
        self.out(self.channels.start(dsn) if dsn else self.help["start"])

    def do_run(self, words: str) -> None:
        """``run <alias> <cmd>``: what the command printed."""
        parts = words.split(None, 1)
        self.out(self.channels.run(*parts) if len(parts) > 1 else self.help["run"])

    def do_stop(self, alias: str) -> None:
        """``stop <alias>``."""
        self.out(self.channels.stop(alias) if alias else self.help["stop"])

    def do_exit(self, _words: str) -> bool:
        """``exit``."""
        return True

    do_quit = do_exit

    def do_help(self, topic: str) -> None:
        """``help [action]``."""
        if topic:
            self.out(self.help.get(topic, self.nohelp % topic))
            return
        self.out(self.doc_leader)
        self.print_topics(self.doc_header, sorted(self.help), 15, 80)

    def default(self, line: str) -> bool | None:  # type: ignore[override]  # cmd.Cmd passes on what it returns
        """What is no command; the end of the input leaves."""
        if line == "EOF":
            return True
        self.failed = True
        super().default(line)
        return None

    def emptyline(self) -> bool:
        """Do nothing; cmd.Cmd would repeat the last line."""
        return False
