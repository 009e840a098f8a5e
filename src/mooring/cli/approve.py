"""``mooring approve``: a device that called home let in from its next call on."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.errors import InvalidInput
from ..model.target import Target
from .calls import Command, call
from .start import whole
from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EXAMPLES: Final = """\b
Examples:
  mooring approve 3f8a01c2d4e5b6978a90c1d2 --alias core1 --user admin --password-from env:PW
  mooring approve 3f8a01c2d4e5b6978a90c1d2 --alias core1 --user admin --key ~/.ssh/devices --label site:ams
  mooring approve 3f8a01c2d4e5b6978a90c1d2 --fingerprint SHA256:3JsU...   # one that is configured without a key
"""


def main(words: Sequence[str]) -> int:
    """Approve a device, print its alias and return 0."""
    return call(_approve, words)


@click.command("approve", cls=Command, epilog=_EXAMPLES)
@click.argument("pending_id", metavar="ID")
@click.option("--alias", help="The name of its session.")
@click.option("--user", "username", metavar="USER", help="Whom to log in as.")
@click.option("--fingerprint", metavar="SHA256:...", help="Its key's, as read at the device: another is refused.")
@click.option(
    "--password-from", metavar="REFERENCE", help="env:NAME, file:PATH or keyring:SERVICE, looked up here and now."
)
@click.option("--key", multiple=True, metavar="FILE", help="A private key file, read by the daemon; repeatable.")
@click.option("--label", multiple=True, metavar="KEY:VALUE", help="For selectors; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="The answer, as one JSON object: its session's status.")
def _approve(
    pending_id: str,
    *,
    alias: str | None,
    username: str | None,
    fingerprint: str | None,
    password_from: str | None,
    key: tuple[str, ...],
    label: tuple[str, ...],
    as_json: bool,
) -> None:
    """Let the device ID of `mooring pending` in from its next call on, held to the key that it proved.

    The password is looked up here, goes to the daemon over its socket, and is kept there sealed. A device that the
    daemon's configuration has, without a key, is approved by its ID alone: its alias and credentials stand there.
    """
    path = f"/v1/pending/{quote(pending_id, safe='')}"
    compared = {"fingerprint": fingerprint} if fingerprint else {}
    if not (alias or username or password_from or key or label):
        trusted = Daemon().request("POST", f"{path}/trust", compared)
        _print(trusted, trusted["device_id"], as_json=as_json)
        return
    if not alias or not username or bool(password_from) is bool(key):
        raise click.UsageError("--alias and --user, and either --password-from or --key")
    body: dict[str, Any] = {"alias": alias, "username": username, "label": list(label), **compared}
    if password_from:
        # Written out here alone, for the body of one request.
        body["password"] = _looked_up(alias, username, password_from)
    else:
        body["identity"] = [whole(name) for name in key]
    status = Daemon().request("POST", f"{path}/approve", body)
    _print(status, status["alias"], as_json=as_json)


def _print(answer: dict[str, Any], name: str, *, as_json: bool) -> None:
    sys.stdout.write(f"{json.dumps(answer) if as_json else printable(name)}\n")
    sys.stdout.flush()


def _looked_up(alias: str, username: str, reference: str) -> str:
    from ..transport.credentials import KeyRing  # noqa: PLC0415 - not for a wrong call

    target = Target.parse(f"{alias}://device", username=username, password_from=reference)
    found = asyncio.run(KeyRing().password(target))
    if not found:
        raise InvalidInput(f"{reference} leads to no password")
    return found.reveal()
