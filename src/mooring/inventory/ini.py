"""Ansible's INI inventory: ``[group]``, ``[group:children]``, ``[group:vars]``, and hosts with ``name=value``."""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING, Final

from .tree import Tree, Value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_ini"]

_SECTION: Final = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_QUOTED: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(?:\#.*)?""")
_VAULT: Final = "$ANSIBLE_VAULT;"


def parse_ini(text: str, source: str) -> Tree:
    """Read an inventory.

    Raises:
        ConfigError: It is none; file and line are named. Values are not: they may be secrets.
    """
    parser = _Parser(source)
    for number, line in enumerate(text.splitlines(), 1):
        parser.take(line.strip(), number)
    return parser.tree


class _Parser:
    def __init__(self, source: str) -> None:
        self.tree = Tree(source)
        self._group = "ungrouped"
        self._take: Callable[[str, int], None] = self._host

    def take(self, line: str, number: int) -> None:
        """One line."""
        if not line or line[0] in "#;":
            return
        section = _SECTION.fullmatch(line)
        if section is None:
            self._take(line, number)
            return
        self._group, kind = section[1], section[2]
        kinds = {None: self._host, "children": self._child, "vars": self._variable}
        if kind not in kinds:
            hint = "there are [group], [group:children] and [group:vars]"
            raise self.tree.error(f"unknown kind of section :{kind}", number, hint)
        self.tree.group(self._group, number)
        self._take = kinds[kind]

    def _host(self, line: str, number: int) -> None:
        words = self._words(line, number)
        variables = {}
        for position, word in enumerate(words[1:], 2):
            name, equals, text = word.partition("=")
            if not equals or not name:
                raise self.tree.error(f"word {position} of the line is no name=value", number)
            variables[name] = self._value(text, number)
        self.tree.host(self._group, words[0], number, variables)

    def _words(self, line: str, number: int) -> list[str]:
        try:
            return shlex.split(line, comments=True)
        except ValueError as error:
            raise self.tree.error(str(error)[:1].lower() + str(error)[1:], number) from None

    def _child(self, line: str, number: int) -> None:
        name = line.partition("#")[0].strip()
        if not name or any(char in name for char in ": \t="):
            raise self.tree.error("a line of [group:children] names one group", number)
        self.tree.child(self._group, name, number)

    def _variable(self, line: str, number: int) -> None:
        name, equals, text = line.partition("=")
        if not equals or not name.strip():
            raise self.tree.error("a line of [group:vars] is name=value", number)
        self.tree.variable(self._group, name.strip(), self._value(_unquoted(text.strip()), number))

    def _value(self, text: str, number: int) -> Value:
        return Value(text, number, self.tree.source, text.startswith(_VAULT))


def _unquoted(text: str) -> str:
    """A Python string as it is meant; anything else as it stands."""
    match = _QUOTED.fullmatch(text)
    if match is None:
        return text
    try:
        return str(ast.literal_eval(match[1]))
    except (ValueError, SyntaxError):
        return text
