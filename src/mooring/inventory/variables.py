"""What Ansible's variables mean for a target: each to an option, or why not."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..model.errors import ConfigError, InvalidTarget
from ..model.options import OPTIONS
from ..model.selector import LABEL
from ..model.target import Target
from .arguments import POLICIES, read_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tree import Host, Value

__all__ = ["Reading"]

# Of two that mean the same, the later one counts.
_MEANING: Final[Mapping[str, str]] = {
    "ansible_host": "host",
    "ansible_ssh_host": "host",
    "ansible_user": "username",
    "ansible_ssh_user": "username",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_private_key_file": "identity",
    "ansible_ssh_private_key_file": "identity",
    "ansible_password": "password",
    "ansible_ssh_pass": "password",
    "ansible_ssh_password": "password",
    "ansible_timeout": "connect_timeout",
    "ansible_ssh_timeout": "connect_timeout",
}
_ARGUMENTS: Final = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_CHECKING: Final = ("ansible_host_key_checking", "ansible_ssh_host_key_checking")
_TAKEN: Final = (*_ARGUMENTS, *_CHECKING, *_MEANING)
_OURS: Final = "mooring_"
_OVER_SSH: Final = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh", "libssh", "network_cli", "netconf"})
_MODULES_ONLY: Final = re.compile(
    r"ansible_(connection|network_os|shell_\w+|python_interpreter|group_priority|pipelining|ssh_pipelining|facts\w*"
    r"|network_cli_\w+|command_timeout|connect_timeout|persistent_\w+|remote_tmp|ssh_(retries|executable|transfer_method"
    r"|control_path\w*))"
)
"""Those that say how Ansible's modules work, and nothing of the session."""
_ENVIRONMENT: Final = re.compile(
    r"""\{\{\s*lookup\(\s*['"](?:ansible\.builtin\.)?env['"]\s*,\s*['"](\w+)['"]\s*\)\s*\}\}"""
)
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]")


class Reading:
    """Hosts of an inventory as targets, and what was passed over.

    Args:
        folder: Where the inventory is; relative key files are looked for there.

    Attributes:
        ignored: Whom each thing was passed over for, by what it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ignored: dict[str, list[str]] = {}

    def target(self, host: Host) -> Target | None:
        """The target that a host is; None where it is none for SSH.

        Raises:
            ConfigError: It cannot be honoured, and a session without it would lead elsewhere.
        """
        connection = host.variables.get("ansible_connection")
        kind = (connection.text or "").rpartition(".")[2] if connection else "ssh"
        if kind not in _OVER_SSH:
            self._pass_over(f"the host, since ansible_connection is {kind or 'no text'},", host)
            return None
        alias = _UNFIT.sub("-", host.name).lstrip("._-")
        target = self._with(Target(alias="host", host=alias or "host"), host, "alias", alias, None)
        if "ansible_host" not in host.variables and "ansible_ssh_host" not in host.variables:
            target = self._with(target, host, "host", host.name, None)
        labels = [f"group:{name}" for name in host.groups]
        if unfit := [label for label in labels if not LABEL.fullmatch(label)]:
            self._pass_over(f"{unfit[0]} as a label", host)
        target = self._with(target, host, "label", [label for label in labels if label not in unfit], None)
        for name, value in self._options(host):
            target = self._with(target, host, *name, value)
        return target

    def _options(self, host: Host) -> list[tuple[tuple[str, str], Value]]:
        """What is to be set, as option and text, with the variable that says so; the weakest first."""
        told: list[tuple[tuple[str, str], Value]] = []
        said = {name: host.variables[name] for name in _TAKEN if name in host.variables}
        for name, value in said.items():
            if name in _ARGUMENTS:
                told += [(pair, value) for pair in self._arguments(name, value, host)]
            elif name in _CHECKING:
                told.append((("host_key", POLICIES.get(self._text(name, value, host).lower(), "verify")), value))
            else:
                told.append(((_MEANING[name], self._text(name, value, host)), value))
        for name, value in host.variables.items():
            if name.startswith(_OURS):
                told.append(((name.removeprefix(_OURS), self._text(name, value, host)), value))
            elif name.startswith("ansible_") and name not in _TAKEN and not _MODULES_ONLY.fullmatch(name):
                self._pass_over(name, host)
        return told

    def _arguments(self, name: str, value: Value, host: Host) -> list[tuple[str, str]]:
        try:
            found, ignored = read_arguments(self._text(name, value, host))
        except ValueError as error:
            raise ConfigError(f"{name} {error}", source=value.source, line=value.line) from None
        for option in ignored:
            self._pass_over(f"{option} of {name}", host)
        return list(found.items())

    def _text(self, name: str, value: Value, host: Host) -> str:
        """A variable's text, whole."""

        def wrong(words: str, hint: str | None = None) -> ConfigError:
            return ConfigError(f"{name} {words}", source=value.source, line=value.line, hint=hint)

        if value.vault:
            raise wrong("is encrypted by Ansible Vault", "say where the secret is: mooring_password_from=env:NAME")
        if value.text is None:
            raise wrong("must be a text")
        text = re.sub(r"\{\{\s*inventory_hostname\s*\}\}", lambda _: host.name, value.text)
        text = re.sub(r"\{\{\s*inventory_dir\s*\}\}", lambda _: str(self._folder), text)
        if ("{{" in text or "{%" in text) and not _ENVIRONMENT.fullmatch(text):
            raise wrong("is a template, and none is filled in", "write what it comes to")
        return text

    def _with(self, target: Target, host: Host, option: str, text: str | list[str], value: Value | None) -> Target:
        if option == "password" and isinstance(text, str) and (match := _ENVIRONMENT.fullmatch(text)):
            option, text = "password_from", f"env:{match[1]}"
        if option == "password" and value is not None:
            _keep_secret(Path(value.source))
        if option == "identity" and isinstance(text, str) and not text.startswith("~"):
            text = str(self._folder / text)
        if option == "label":
            text = [*target.label, *(text.split(",") if isinstance(text, str) else text)]
        if value is not None and option not in {*OPTIONS, *_MEANING.values()}:
            hint = f"there are {', '.join(OPTIONS)}"
            raise ConfigError(f"unknown option {_OURS}{option}", source=value.source, line=value.line, hint=hint)
        try:
            return target.with_options(**{option: text})
        except InvalidTarget as error:
            words = error.message.removeprefix("keyword ")
            source, line = (value.source, value.line) if value is not None else (host.source, host.line)
            raise ConfigError(f"{host.name}: {words}", source=source, line=line, hint=error.hint) from None

    def _pass_over(self, what: str, host: Host) -> None:
        self.ignored.setdefault(what, []).append(host.name)


def _keep_secret(file: Path) -> None:
    """See that nobody else can read a file with a password in it."""
    if os.name == "posix" and file.stat().st_mode & 0o077:
        hint = f"chmod 600 {file}, or say where it is: mooring_password_from=env:NAME"
        raise ConfigError("others may read the password in this file", source=str(file), hint=hint)
