"""The commands of sshpoolctl, against what sshpool 0.1.2 itself printed for the same words."""

from __future__ import annotations

import io
import time

import pytest

from mooring.cli.console import Channel, Commands
from mooring.model.errors import MooringError, UnknownAlias
from mooring.model.login import Login

LIST = """
Documented commands (type help <topic>):
~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
exit  help  quit  run  start  status  stop

"""


class Board:
    """Channels that answer at once."""

    def __init__(self) -> None:
        self.held: dict[str, Channel] = {}
        self.asked: list[tuple[str, str]] = []

    def status(self, alias: str) -> list[Channel]:
        if not alias:
            return list(self.held.values())
        if alias not in self.held:
            raise UnknownAlias(f"no session is called {alias}")
        return [self.held[alias]]

    def start(self, dsn: str) -> str:
        alias = dsn.partition("://")[0]
        self.held[alias] = Channel(alias, Login("root", None, "localhost", 22), alive=True, since=time.time() - 53.9)
        return "OK"

    def run(self, alias: str, command: str) -> str:
        self.asked.append((alias, command))
        if alias not in self.held:
            raise MooringError("404")
        return "hello world\n"

    def stop(self, alias: str) -> str:
        del self.held[alias]
        return "OK"


def said(*lines: str) -> str:
    """What a shell that knows `local` and `localhost` prints for each line."""
    board = Board()
    board.start("localhost://localhost")
    board.start("local://localhost")
    output = io.StringIO()
    commands = Commands(board, "sshpoolctl", output)
    for line in lines:
        commands.onecmd(line)
    return output.getvalue()


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("", ""),
        ("help", LIST),
        ("?", LIST),
        ("help run", "run <alias> <cmd>\tRun arbitrary commands over a channel\n"),
        ("help start", "start <dsn>\tAdd a new channel\n"),
        ("help status", "status\t\tView status of started channels\n"),
        ("help stop", "stop <alias>\tStop an existing channel\n"),
        ("help exit", "exit\t\tExit sshpoolctl shell\n"),
        ("help quit", "quit\t\tExit sshpoolctl shell\n"),
        ("help help", "help\t\tPrint a list of available actions\nhelp <action>\tPrint help for <action>\n"),
        ("help nix", "*** No help on nix\n"),
        ("nix", "*** Unknown syntax: nix\n"),
        ("!ls", "*** Unknown syntax: !ls\n"),
        ("run localhost echo hello world", "hello world\n\n"),
        ("run nope echo", "404\n"),
        ("start drei://localhost", "OK\n"),
        ("stop localhost", "OK\n"),
        ("status local", "local\t\troot:None@localhost:22\trunning\t53\n"),
        ("status", "".join(f"{a}\t\troot:None@localhost:22\trunning\t53\n" for a in ("local", "localhost"))),
    ],
)
def test_output_is_sshpools(line: str, printed: str) -> None:
    assert said(line) == printed


@pytest.mark.parametrize(
    ("line", "help_line"),
    [("run", "help run"), ("run localhost", "help run"), ("start", "help start"), ("stop", "help stop")],
)
def test_a_missing_word_shows_the_help(line: str, help_line: str) -> None:
    assert said(line) == said(help_line)


def test_the_alias_ends_at_any_blank_and_the_command_is_left_alone() -> None:
    board = Board()
    Commands(board, "mooring", io.StringIO()).onecmd("run  web1 \t echo  'a  b'")
    assert board.asked == [("web1", "echo  'a  b'")]


def test_what_is_down_says_why() -> None:
    board = Board()
    board.held["a"] = Channel(
        "a", Login("me", "********", "h", 2), alive=False, since=time.time(), reason="parked:\x1b[2J"
    )
    output = io.StringIO()
    Commands(board, "mooring", output).onecmd("status")
    assert output.getvalue() == "a\t\tme:********@h:2\tdead\t0\tparked:\\x1b[2J\n"


@pytest.mark.parametrize("line", ["exit", "quit", "EOF"])
def test_these_lines_leave(line: str) -> None:
    commands = Commands(Board(), "mooring", io.StringIO())
    assert commands.onecmd(line) is True
    assert not commands.failed


@pytest.mark.parametrize("line", ["run nope x", "status nope", "nix"])
def test_a_failure_stays_in_the_shell_and_is_remembered(line: str) -> None:
    commands = Commands(Board(), "mooring", io.StringIO())
    assert commands.onecmd(line) is not True
    assert commands.failed
