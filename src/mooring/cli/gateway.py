"""``mooring gateway``: what SSH clients have to know of the gateway."""

from __future__ import annotations

import json
import re
import socket
import sys
from typing import TYPE_CHECKING, Final

import click

from ..client import Daemon
from .calls import Command, call
from .terminal import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "pattern"]

_EXAMPLES: Final = """\b
Examples:
  mooring gateway known-host >> ~/.ssh/known_hosts
  mooring gateway known-host gate.example.net >> ~/.ssh/known_hosts
"""
_PORT: Final = "8822"
_LAST_PORT: Final = 65_535
_UNSOUND: Final = re.compile(r"[\s,]|^[#@|!]|^$")
"""More fields or patterns, a comment, a marker, a hash, or nothing at all."""
_EVERYWHERE: Final = ("0.0.0.0:", "[::]:")
"""No client calls it so: by this machine's own name, rather."""


def main(words: Sequence[str]) -> int:
    """Run ``mooring gateway`` and return its exit code."""
    return call(_gateway, words)


@click.command("gateway", cls=Command, epilog=_EXAMPLES)
@click.argument("what", metavar="known-host", type=click.Choice(["known-host"]))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--plain", is_flag=True, help="NAME stands as it is, without a port: for KnownHostsCommand.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: host_key, listen.")
def _gateway(what: str, names: tuple[str, ...], *, plain: bool, as_json: bool) -> None:
    """Print the line by which an SSH client trusts the gateway, for its known_hosts.

    NAME is what clients call its machine, perhaps with :PORT or as [NAME]:PORT; by default the addresses on which it
    listens.
    """
    del what
    found = Daemon().request("GET", "/v1/gateway")
    if as_json:
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    listen: list[str] = found["listen"]
    ports = [place.rpartition(":")[2] for place in listen] or [_PORT]
    named = [_sound(name, name) if plain else pattern(name, ports[0]) for name in names]
    patterns = named or [pattern(place, _PORT) for place in listen]
    if not patterns:
        tell("mooring gateway: it does not listen", "`mooringd --gateway 127.0.0.1:8822`; `mooring ssh` needs none")
        return
    sys.stdout.write(f"{','.join(patterns)} {found['host_key']}\n")


def pattern(place: str, usual: str) -> str:
    """A place as ssh looks for it in known_hosts (sshd(8)): bracketed with its port, and a bare name for port 22.

    Args:
        place: NAME, NAME:PORT, [NAME]:PORT or an IPv6 address.
        usual: The port of one without.

    Raises:
        click.UsageError: It is none, or would be read as something else in a known_hosts.
    """
    given = place
    for everywhere in _EVERYWHERE:
        if place.startswith(everywhere):
            place = f"{socket.gethostname()}:{place.removeprefix(everywhere)}"
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") > 1:
        host, port = place, ""
    else:
        host, _, port = place.partition(":")
    port = port or usual
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT) or "[" in host or "]" in host:
        raise click.UsageError(f"{given!r} is no NAME, NAME:PORT or [NAME]:PORT")
    return _sound(host, given) if port == "22" else f"[{_sound(host, given)}]:{port}"


def _sound(name: str, given: str) -> str:
    """A name that stands for itself on a line of a known_hosts.

    Raises:
        click.UsageError: It does not.
    """
    if _UNSOUND.search(name) or not name.isprintable():
        raise click.UsageError(f"{given!r} is no NAME, NAME:PORT or [NAME]:PORT")
    return name
