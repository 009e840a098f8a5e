"""``Host`` and ``Match``: which lines are meant for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .lexer import Line, ascii_lower, next_word
from .patterns import matches, matches_host, matches_list
from .tokens import CONNECTION, Peer, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Criterion", "HostLine", "MatchLine", "Seen", "parse_host", "parse_match"]

_ALONE = frozenset({"all", "canonical", "final"})
_WITH_ARGUMENT = frozenset({"host", "originalhost", "user", "localuser", "exec", "tagged"})
_NEWER = {
    "localnetwork": "it needs this host's network interfaces",
    "command": "it needs the command before the session",
    "sessiontype": "one session here serves all types",
    "version": "there is no ssh version to compare",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the connection when a line is reached.

    Attributes:
        peer: ``host`` is the name so far, with HostName applied.
        final: Whether this is the second pass.
        tag: The value of ``Tag`` so far.
        run_exec: Runs a command line; True for exit status 0. None where no command may be run.
    """

    peer: Peer
    final: bool
    tag: str
    run_exec: Callable[[str], bool] | None


@dataclass(frozen=True, slots=True)
class HostLine:
    """``Host PATTERN...``."""

    line: Line
    patterns: tuple[str, ...]

    def applies(self, host: str) -> bool:
        """Whether a pattern fits and no negated one does."""
        found = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if matches(host, pattern[1:]):
                    return False
            elif not found:
                found = matches(host, pattern)
        return found


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition of a ``Match`` line."""

    name: str
    argument: str
    negated: bool


@dataclass(frozen=True, slots=True)
class MatchLine:
    """``Match [!]CRITERION [ARGUMENT]...``."""

    line: Line
    criteria: tuple[Criterion, ...]

    @property
    def wants_final(self) -> bool:
        """Whether the file asks to be read a second time."""
        return any(criterion.name == "final" for criterion in self.criteria)

    def applies(self, seen: Seen) -> bool:
        """Whether every criterion holds; a command runs only if all before it do.

        Raises:
            ConfigError: A criterion that cannot be looked at here decides.
        """
        return all(self._holds(criterion, seen) is not criterion.negated for criterion in self.criteria)

    def _holds(self, criterion: Criterion, seen: Seen) -> bool:
        name, argument = criterion.name, criterion.argument
        if name in _NEWER:
            raise self.line.error(
                f"Match {name} cannot be decided here: {_NEWER[name]}",
                hint="select these hosts with Match host or Match exec instead",
            )
        return self._run(argument, seen) if name == "exec" else _PURE[name](seen, argument)

    def _run(self, argument: str, seen: Seen) -> bool:
        command = _command(self.line, argument, seen.peer)
        if seen.run_exec is None:
            raise self.line.error(
                f'Match exec would run "{command}", and no command may be run here',
                hint="replace it by Match host, or look the host up where commands may be run",
            )
        return seen.run_exec(command)


_PURE: Mapping[str, Callable[[Seen, str], bool]] = {
    "all": lambda _seen, _: True,
    "canonical": lambda seen, _: seen.final,
    "final": lambda seen, _: seen.final,
    "host": lambda seen, patterns: matches_host(seen.peer.host, patterns),
    "originalhost": lambda seen, patterns: matches_host(seen.peer.original, patterns),
    "user": lambda seen, patterns: matches_list(seen.peer.user, patterns),
    "localuser": lambda seen, patterns: matches_list(seen.peer.local.user, patterns),
    "tagged": lambda seen, patterns: matches_list(seen.tag, patterns),
}


def _command(line: Line, argument: str, peer: Peer) -> str:
    if peer.key_alias is None:
        peer = replace(peer, key_alias=peer.host)
    try:
        return expand(argument, peer, CONNECTION)
    except ValueError as error:
        raise line.error(f"Match exec: {error}") from None


def parse_host(line: Line) -> HostLine:
    """Read a ``Host`` line.

    Raises:
        ConfigError: A pattern is empty.
    """
    if "" in line.arguments:
        raise line.error("Host: a pattern is empty")
    return HostLine(line, line.arguments)


def parse_match(line: Line, peer: Peer) -> MatchLine:
    """Read a ``Match`` line.

    Args:
        line: The line.
        peer: Any peer, to see whether the tokens of a command are allowed.

    Raises:
        ConfigError: It does not say what to match, or not so that ssh would read it.
    """
    criteria: list[Criterion] = []
    rest: str | None = line.rest
    while rest is not None:
        word, rest = next_word(rest)
        if not word or word.startswith("#"):
            rest = None if word else rest
            break
        name = ascii_lower(word.removeprefix("!"))
        argument: str | None = ""
        if name not in _ALONE:
            argument, rest = next_word(rest) if rest is not None else (None, None)
            _check(line, word, name, argument, peer)
        criteria.append(Criterion(name, argument or "", word.startswith("!")))
        if name == "all":
            following, rest = next_word(rest) if rest is not None else (None, None)
            if len(criteria) > 2 or (following and not following.startswith("#")):
                raise line.error(f'Match: "{word}" cannot be combined with other criteria')
            rest = None if following else rest
            break
    if not criteria:
        raise line.error("Match: no criterion")
    if rest:
        raise line.error("Match: extra arguments at the end of the line")
    return MatchLine(line, tuple(criteria))


def _check(line: Line, word: str, name: str, argument: str | None, peer: Peer) -> None:
    if not argument or argument.startswith("#"):
        raise line.error(f'Match: "{word}" needs an argument')
    if name not in _WITH_ARGUMENT and name not in _NEWER:
        raise line.error(f'Match: unknown criterion "{word}"')
    if name == "exec":
        _command(line, argument, peer)
