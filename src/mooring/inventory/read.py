"""An inventory's file, of whatever kind: read, and made into targets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..model.errors import ConfigError
from ..model.selector import Selector
from ..model.target import Target
from ..sshconfig import SSHConfigFile
from .ini import parse_ini
from .variables import Reading
from .yaml_file import parse_variables, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .tree import Tree, Value

__all__ = ["Inventory", "read_inventory"]

_LARGEST: Final = 16 * 1024 * 1024
_YAML: Final = (".yml", ".yaml", ".json")
_SSH_CONFIG: Final = re.compile(r"^[ \t]*(?:host|match)[ \t=]+\S", re.IGNORECASE | re.MULTILINE)
_SECTION: Final = re.compile(r"^[ \t]*\[", re.MULTILINE)
_VAULT: Final = "$ANSIBLE_VAULT;"
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an inventory says.

    Attributes:
        source: The file.
        targets: A target for each host, in the order in which they are named; groups are labels, ``group:NAME``.
        ignored: What it says and is passed over, a line each.
        warnings: What it says and somebody should know of, likewise: host keys that are not checked.
    """

    source: Path
    targets: tuple[Target, ...]
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_inventory(path: str | Path, selector: str | Selector = "all") -> Inventory:
    """Read a list of hosts: Ansible's INI or YAML (``.yml``, ``.yaml``, ``.json``), or an ssh_config.

    ``group_vars`` and ``host_vars`` beside one of Ansible's are read too. Nothing is run, and templates are not filled
    in. An ssh_config gives the names on its ``Host`` lines; what it says of them is looked up when a session is
    started, so it must be among the files that the pool or daemon reads. YAML takes PyYAML (``mooring[yaml]``). This
    blocks while files are read.

    Args:
        path: The file.
        selector: Which of its hosts.

    Raises:
        ConfigError: It cannot be read, is none of these, or says something that cannot be honoured and without which
            a session would lead elsewhere: file and line are named.
        InvalidSelector: The selector is malformed.
    """
    chosen = Selector.parse(selector)
    file = Path(path).expanduser().absolute()
    text = _text(file)
    if not file.name.endswith(_YAML) and _SSH_CONFIG.search(text) and not _SECTION.search(text):
        names = SSHConfigFile(text, source=str(file)).hosts()
        targets, ignored = [Target.parse(name) for name in names], []
    else:
        tree = parse_yaml(text, str(file)) if file.name.endswith(_YAML) else parse_ini(text, str(file))
        skipped = _variables(tree, file.parent)
        reading = Reading(file.parent)
        hosts = [reading.target(host) for host in tree.resolve()]
        targets = [target for target in hosts if target is not None]
        ignored = [*skipped, *(f"{what} is passed over: {_some(who)}" for what, who in reading.ignored.items())]
    _check(targets, file)
    meant = tuple(target for target in targets if chosen.matches(target.alias, target.label))
    unchecked = [target.alias for target in meant if target.host_key == "off"]
    warnings = (f"host keys are not checked, since it says so: {_some(unchecked)}",) if unchecked else ()
    return Inventory(file, meant, tuple(ignored), warnings)


def _text(file: Path) -> str:
    try:
        if file.is_dir():
            raise ConfigError("is a folder; name the files in it", source=str(file))
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), source=str(file)) from None
    if len(content) > _LARGEST:
        raise ConfigError(f"more than {_LARGEST // 1024**2} MiB", source=str(file))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", source=str(file), line=content[: error.start].count(b"\n") + 1) from None
    if text.startswith("#!"):
        raise ConfigError("is a program, and none is run", source=str(file), hint="`ansible-inventory --list --yaml`")
    if text.startswith(_VAULT):
        raise ConfigError(
            "is encrypted by Ansible Vault", source=str(file), hint="`ansible-vault view` shows what is in it"
        )
    return text


def _variables(tree: Tree, folder: Path) -> list[str]:
    """Add those of the files beside the inventory; returns which files were passed over."""
    skipped: list[str] = []
    for name in tree.groups:
        for key, value in _beside(folder / "group_vars", name, skipped):
            tree.variable(name, key, value)
    for name in tree.hosts:
        for key, value in _beside(folder / "host_vars", name, skipped):
            tree.host_variable(name, key, value)
    return skipped


def _beside(folder: Path, name: str, skipped: list[str]) -> Iterator[tuple[str, Value]]:
    if "/" in name or name.startswith(".") or not folder.is_dir():
        return
    for file in _files(folder / name):
        try:
            text = _text(file)
        except ConfigError as error:
            if "Vault" not in error.message:
                raise
            skipped.append(f"{file} is passed over: it is encrypted by Ansible Vault")
            continue
        yield from parse_variables(text, str(file)).items()


def _files(path: Path) -> Iterable[Path]:
    """The files of variables for a name, or in a folder of that name."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file() and file.suffix in {"", *_YAML})
    return [file for ending in ("", *_YAML) if (file := path.with_name(path.name + ending)).is_file()]


def _check(targets: Iterable[Target], file: Path) -> None:
    """Each name but once."""
    seen: set[str] = set()
    for target in targets:
        if target.alias in seen:
            raise ConfigError(f"two hosts have the alias {target.alias}", source=str(file))
        seen.add(target.alias)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
