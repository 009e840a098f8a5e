"""Words for ``ssh`` that an inventory gives, as options of a target: ``-J bastion``, ``-o ProxyCommand=...``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["POLICIES", "read_arguments"]

POLICIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("yes", "true", "ask"), "verify"),
    **dict.fromkeys(("no", "false", "off"), "off"),
    "accept-new": "accept-new",
}
"""What ``StrictHostKeyChecking`` says, as ``host_key`` has it."""

_WITH_VALUE: Final = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
_LETTERS: Final[Mapping[str, str]] = {"J": "proxyjump", "i": "identityfile", "l": "user", "p": "port"}
_OPTIONS: Final[Mapping[str, str]] = {
    "proxyjump": "jump",
    "identityfile": "identity",
    "user": "username",
    "port": "port",
    "userknownhostsfile": "known_hosts",
    "connecttimeout": "connect_timeout",
    "serveraliveinterval": "keepalive",
}
_NOTHING: Final = {("serveraliveinterval", "0"), ("userknownhostsfile", "/dev/null")}
_MEANT_ANYWAY: Final = frozenset(
    {"controlmaster", "controlpersist", "controlpath", "identitiesonly", "batchmode", "loglevel", "-q", "-C", "-T"}
)
"""What a held session does by itself, or does not need."""


def read_arguments(text: str) -> tuple[dict[str, str], list[str]]:
    """What the words mean: options of a target, and those that have no meaning here.

    Raises:
        ValueError: They cannot be taken apart, or lead through something that is not understood.
    """
    found: dict[str, str] = {}
    ignored: list[str] = []
    for name, value in _settings(shlex.split(text)):
        if name == "proxycommand":
            found.setdefault("jump", _jump(value))
        elif name == "stricthostkeychecking" and value.lower() in POLICIES:
            found.setdefault("host_key", POLICIES[value.lower()])
        elif (name, value) in _NOTHING:
            continue
        elif name in _OPTIONS:
            found.setdefault(_OPTIONS[name], value)
        elif name not in _MEANT_ANYWAY:
            ignored.append(name)
    return found, ignored


def _settings(words: list[str]) -> Iterator[tuple[str, str]]:
    """The options among the words, by their names in ssh_config in small letters; others as ``-x``."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            raise ValueError("has a word that is no option")
        for position, letter in enumerate(word[1:], 2):
            if letter not in _WITH_VALUE:
                yield f"-{letter}", ""
                continue
            value = word[position:] or next(rest, "")
            if not value:
                raise ValueError(f"has nothing behind -{letter}")
            if letter == "o":
                name, _, setting = value.replace("=", " ", 1).strip().partition(" ")
                yield name.lower(), setting.strip().strip('"')
            else:
                yield _LETTERS.get(letter, f"-{letter}"), value
            break


def _jump(command: str) -> str:
    """The jump host of a ProxyCommand that is ``ssh -W %h:%p [USER@]HOST``."""
    if command.lower() == "none":
        return "none"
    words = shlex.split(command)
    if not words or words[0].rpartition("/")[2] != "ssh":
        raise ValueError("has a ProxyCommand that is not `ssh -W %h:%p HOST`; ssh_config may have any")
    options, host, rest = [], "", iter(words[1:])
    for word in rest:
        if word.startswith("-"):
            options.append(word)
            if word[1] in _WITH_VALUE and len(word) == 2:
                options.append(next(rest, ""))
        else:
            host = word
            break
    settings = dict(_settings(options + list(rest)))
    further = settings.keys() - {"-W", "user", "port", *_MEANT_ANYWAY}
    if settings.get("-W") != "%h:%p" or not host or further:
        raise ValueError("has a ProxyCommand that is more than `ssh -W %h:%p HOST`; name the host in ssh_config for it")
    user, port = settings.get("user"), settings.get("port")
    return (f"{user}@" if user and "@" not in host else "") + host + (f":{port}" if port else "")
