"""Groups of hosts with variables, and what holds for each host in the end, as Ansible decides it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..model.errors import ConfigError
from .ranges import MOST, expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Host", "Tree", "Value"]

_BRACKETS: Final = re.compile(r"\[([^\[\]]+)\](?::([0-9]+))?")
_PORT: Final = re.compile(r"([^:]+):([0-9]+)")
_EVERYBODY: Final = "all"
_NO_GROUP: Final = "ungrouped"
_DEEPEST: Final = 100
"""Groups inside one another."""
_MEMBERSHIPS: Final = 500_000
"""Hosts in groups, each counted in each, and groups in groups: 100,000 hosts may be in five each."""
_VARIABLES: Final = 5_000_000
"""Variables of all hosts, those of their groups counted for each."""


@dataclass(frozen=True, slots=True)
class Value:
    """A variable's value.

    Attributes:
        text: As written; None where it is no text but a list or mapping.
        line: Where.
        source: In which file.
        vault: Whether Ansible Vault has encrypted it.
    """

    text: str | None
    line: int
    source: str
    vault: bool = False


@dataclass(slots=True)
class _Group:
    hosts: dict[str, None] = field(default_factory=dict)
    variables: dict[str, Value] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Host:
    """A host.

    Attributes:
        name: As the inventory has it.
        source: In which file it is named first.
        line: On which line.
        groups: In which it is, however deep, ``all`` and ``ungrouped`` left out.
        variables: What holds for it.
    """

    name: str
    source: str
    line: int
    groups: tuple[str, ...]
    variables: Mapping[str, Value]


class Tree:
    """An inventory while it is read.

    Args:
        source: The file's name, for errors.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._groups: dict[str, _Group] = {_EVERYBODY: _Group(), _NO_GROUP: _Group()}
        self._hosts: dict[str, dict[str, Value]] = {}
        self._lines: dict[str, int] = {}
        self._named = 0
        self._said = 0

    def error(self, message: str, line: int | None = None, hint: str | None = None) -> ConfigError:
        """What is wrong, and where."""
        return ConfigError(message, source=self.source, line=line, hint=hint)

    def group(self, name: str, line: int) -> None:
        """There is this group."""
        group = self._groups.setdefault(name, _Group())
        group.line = group.line or line

    @property
    def groups(self) -> list[str]:
        """Their names."""
        return list(self._groups)

    @property
    def hosts(self) -> list[str]:
        """Their names."""
        return list(self._hosts)

    def child(self, name: str, child: str, line: int) -> None:
        """One group is part of another."""
        self.group(child, line)
        self._groups[name].children[child] = None

    def variable(self, name: str, variable: str, value: Value) -> None:
        """A variable of all hosts of a group."""
        self._groups[name].variables[variable] = value

    def host_variable(self, host: str, variable: str, value: Value) -> None:
        """A variable of a host."""
        self._hosts[host][variable] = value

    def host(self, group: str, pattern: str, line: int, variables: Mapping[str, Value]) -> None:
        """Hosts of a group: one, or a range, with a port behind it or without.

        Raises:
            ConfigError: It is no host.
        """
        try:
            names = expand(pattern)
        except ValueError as error:
            raise self.error(f"the host {error}", line) from None
        self._named += len(names)
        if self._named > _MEMBERSHIPS:
            raise self.error(f"more than {_MEMBERSHIPS} hosts in groups", line)
        self._say(len(names) * len(variables))
        for written in names:
            match = _BRACKETS.fullmatch(written) or _PORT.fullmatch(written)
            name, port = (match[1], match[2]) if match else (written, None)
            if name not in self._hosts and len(self._hosts) >= MOST:
                raise self.error(f"there are more than {MOST} hosts", line)
            self._groups[group].hosts[name] = None
            self._lines.setdefault(name, line)
            own = self._hosts.setdefault(name, {})
            if port is not None:
                own["ansible_port"] = Value(port, line, self.source)
            own.update(variables)

    def resolve(self) -> Iterator[Host]:
        """Every host, in the order in which they are named.

        A variable of the host counts before one of its group, that of a group before that of the group around it,
        and among groups equally deep that of the last in the alphabet.

        Raises:
            ConfigError: A group is part of itself, or there is more than is taken.
        """
        depths = self._depths()
        around = self._around(depths)
        within = self._within(around)
        for host, own in self._hosts.items():
            groups = sorted(within[host] | {_EVERYBODY}, key=lambda name: (depths[name], name))
            variables: dict[str, Value] = {}
            for name in groups:
                self._say(len(self._groups[name].variables))
                variables |= self._groups[name].variables
            told = tuple(name for name in groups if name not in {_EVERYBODY, _NO_GROUP})
            yield Host(host, self.source, self._lines[host], told, variables | own)

    def _around(self, depths: Mapping[str, int]) -> dict[str, set[str]]:
        """The groups that each group is in, however deep."""
        around: dict[str, set[str]] = {name: set() for name in self._groups}
        count = 0
        for name in sorted(self._groups, key=lambda name: depths[name]):
            for child in self._groups[name].children:
                count += len(around[name]) + 1
                if count > _MEMBERSHIPS:
                    raise self.error(f"groups in groups are more than {_MEMBERSHIPS}")
                around[child] |= around[name] | {name}
        return around

    def _within(self, around: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """The groups that each host is in, however deep."""
        within: dict[str, set[str]] = {name: set() for name in self._hosts}
        count = 0
        for name, group in self._groups.items():
            count += len(group.hosts) * (len(around[name]) + 1)
            if count > _MEMBERSHIPS:
                raise self.error(f"hosts in groups, those around their own counted, are more than {_MEMBERSHIPS}")
            for host in group.hosts:
                within[host] |= around[name] | {name}
        return within

    def _say(self, count: int) -> None:
        self._said += count
        if self._said > _VARIABLES:
            raise self.error(f"variables of all hosts are more than {_VARIABLES}")

    def _depths(self) -> dict[str, int]:
        """How deep each group is, by its longest way from above."""
        depths = dict.fromkeys(self._groups, 1)
        depths[_EVERYBODY] = 0
        above = dict.fromkeys(self._groups, 0)
        for group in self._groups.values():
            for child in group.children:
                above[child] += 1
        free = [name for name, count in above.items() if not count]
        for name in free:
            for child in self._groups[name].children:
                depths[child] = max(depths[child], depths[name] + 1)
                above[child] -= 1
                if not above[child]:
                    free.append(child)  # it is a queue
        if len(free) < len(self._groups):
            name = next(name for name, count in above.items() if count)
            raise self.error(f"the group {name} is part of itself", self._groups[name].line or None)
        name = max(depths, key=lambda name: depths[name])
        if depths[name] > _DEEPEST:
            raise self.error(f"groups are nested more than {_DEEPEST} deep", self._groups[name].line or None)
        return depths
