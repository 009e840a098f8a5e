"""Ansible's YAML inventory, and its files of variables. Nodes are looked at, and no objects are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..model.errors import ConfigError
from .tree import Tree, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parse_variables", "parse_yaml"]

_DEEPEST: Final = 50
_MOST: Final = 1_000_000
"""Entries of mappings that are looked at: merge keys may repeat a few lines without end."""
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
_Node = Any  # PyYAML is an extra


def parse_yaml(text: str, source: str) -> Tree:
    """Read an inventory: groups with ``hosts``, ``vars`` and ``children``.

    Raises:
        ConfigError: It is none; file and line are named. Values are not: they may be secrets.
    """
    tree = Tree(source)
    reader = _Reader(tree)
    for name, node, line in reader.pairs(_compose(text, source), "the inventory"):
        reader.group(name, node, line, 0)
    return tree


def parse_variables(text: str, source: str) -> dict[str, Value]:
    """Read a file of ``group_vars`` or ``host_vars``.

    Raises:
        ConfigError: It is none.
    """
    reader = _Reader(Tree(source))
    return dict(reader.variables(_compose(text, source), "the file"))


def _compose(text: str, source: str) -> _Node:
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigError("PyYAML is needed to read it", source=source, hint="pip install 'mooring[yaml]'") from None
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(f"no YAML: {error.problem}", source=source, line=line) from None
    except (yaml.YAMLError, RecursionError):
        raise ConfigError("no YAML, or nested too deeply", source=source) from None


class _Reader:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._seen: set[tuple[str, int]] = set()
        self._entries = 0

    def group(self, name: str, node: _Node, line: int, depth: int) -> None:
        """A group and what is in it."""
        self._tree.group(name, line)
        if depth > _DEEPEST:
            raise self._tree.error("groups are nested too deeply", line)
        if (name, id(node)) in self._seen:  # an anchor may stand for it a million times
            return
        self._seen.add((name, id(node)))
        for key, value, place in self.pairs(node, f"the group {name}"):
            if key == "hosts":
                for host, own, where in self.pairs(value, "hosts"):
                    self._tree.host(name, host, where, dict(self.variables(own, "a host")))
            elif key == "vars":
                for variable, its in self.variables(value, "vars"):
                    self._tree.variable(name, variable, its)
            elif key == "children":
                for child, inner, where in self.pairs(value, "children"):
                    self._tree.child(name, child, where)
                    self.group(child, inner, where, depth + 1)
            else:
                raise self._tree.error("a group has hosts, vars and children, and nothing else", place)

    def variables(self, node: _Node, what: str) -> Iterator[tuple[str, Value]]:
        """The variables of a mapping; those that are null are none."""
        for key, value, line in self.pairs(node, what):
            scalar = _is_scalar(value)
            if not scalar or value.tag != _NULL:
                vault = value.tag == "!vault"
                yield key, Value(value.value if scalar else None, line, self._tree.source, vault)

    def pairs(self, node: _Node, what: str, depth: int = 0) -> Iterator[tuple[str, _Node, int]]:
        """What a mapping holds, and on which lines; a name alone stands for one that has nothing."""
        if node is None or (_is_scalar(node) and node.tag == _NULL):
            return
        line = node.start_mark.line + 1
        if _is_scalar(node) and what in {"hosts", "children"}:
            yield node.value, None, line
            return
        if not isinstance(node.value, list) or node.id != "mapping" or depth > _DEEPEST:
            raise self._tree.error(f"{what} must be a mapping", line)
        for key, value in node.value:
            place = key.start_mark.line + 1
            self._entries += 1
            if self._entries > _MOST:
                raise self._tree.error(f"more than {_MOST} entries, what is merged counted each time", place)
            if key.tag == _MERGE:
                for each in value.value if value.id == "sequence" else [value]:
                    yield from self.pairs(each, what, depth + 1)
            elif not _is_scalar(key):
                raise self._tree.error(f"a name in {what} must be a text", place)
            else:
                yield key.value, value, place


def _is_scalar(node: _Node) -> bool:
    return node is not None and node.id == "scalar"
