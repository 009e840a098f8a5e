"""``mooring agent-token``: an agent expected, and the token with which it comes."""

from __future__ import annotations

import json
import shlex
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from .calls import Command, call
from .number import Number
from .terminal import Column, ago, coloured, columns, hint, paint, tell, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_LONGEST: Final = 720.0
_EXAMPLES: Final = """\b
Examples:
  mooring agent-token web1 --label site:ams > token
  mooring agent-token --list
  mooring agent-token web1 --revoke
"""


def main(words: Sequence[str]) -> int:
    """Print a token and return 0."""
    return call(_agent_token, words)


@click.command("agent-token", cls=Command, epilog=_EXAMPLES)
@click.argument("agent_id", metavar="ID", required=False)
@click.option("--alias", help="The name of its session (default: the ID).")
@click.option("--label", multiple=True, metavar="KEY:VALUE", help="For selectors; repeatable.")
@click.option(
    "--hours",
    type=Number(0, _LONGEST, min_open=True),
    default=1.0,
    show_default=True,
    help="For how long it is good.",
)
@click.option("--list", "listed", is_flag=True, help="The agents that are expected, and those that came.")
@click.option("--server-key", is_flag=True, help="The server's public key, for the trusted keys of an agent.")
@click.option("--revoke", is_flag=True, help="Have the token of ID open nothing more.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --list, one a line.")
def _agent_token(
    agent_id: str | None,
    *,
    alias: str | None,
    label: tuple[str, ...],
    hours: float,
    listed: bool,
    server_key: bool,
    revoke: bool,
    as_json: bool,
) -> None:
    """Expect the agent ID, and print the token with which `mooring agent --id ID` may come, once.

    Whoever has the token can be that agent until it was used or has expired: give it to nobody else. From then on both
    sides know each other by their keys. A token takes the place of any before for its ID.
    """
    if listed or server_key:
        if agent_id is not None:
            raise click.UsageError("--list and --server-key take no ID")
        known = Daemon().request("GET", "/v1/agent-tokens")
        if server_key:
            sys.stdout.write(f"{known['server_key']}\n")
        else:
            _list(known["agents"], as_json=as_json)
        return
    if agent_id is None:
        raise click.UsageError("Missing argument 'ID'.")
    if revoke:
        gone = Daemon().request("DELETE", f"/v1/agent-tokens/{quote(agent_id, safe='')}")
        sys.stdout.write(f"{json.dumps(gone) if as_json else gone['agent_id']}\n")
        return
    body = {"agent_id": agent_id, "alias": alias, "labels": list(label), "lifetime": hours * 3600}
    made = Daemon().request("POST", "/v1/agent-tokens", body)
    sys.stdout.write(f"{json.dumps(made) if as_json else made['token']}\n")
    sys.stdout.flush()
    _tell_next(made)


def _tell_next(made: dict[str, Any]) -> None:
    """What to do with it."""
    name = shlex.quote(made["expected"]["agent_id"])
    if not made["addresses"]:
        tell(
            "mooring agent-token: this daemon listens for no agents yet",
            "`mooringd --call-home 0.0.0.0:4334`, or listen in [call_home]",
        )
        return
    port = made["addresses"][0].rpartition(":")[2]
    sys.stderr.write(f"{hint(f'on the host: mooring agent --to THIS-MACHINE:{port} --id {name} --token-file FILE')}\n")


def _list(agents: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(f"{json.dumps(agent)}\n" for agent in agents)
        return
    if not agents:
        tell("no agent is expected", "`mooring agent-token ID` expects one")
        return
    sys.stdout.writelines(f"{line}\n" for line in _lines(agents, width(sys.stdout), colour=coloured(sys.stdout)))
    sys.stdout.flush()


def _lines(agents: Sequence[dict[str, Any]], room: int | None, *, colour: bool) -> Iterator[str]:
    now = time.time()
    heading, *rows = columns(
        [
            Column("AGENT", [agent["agent_id"] for agent in agents]),
            Column("ALIAS", [agent["alias"] for agent in agents]),
            Column("ISSUED", [ago(now - agent["issued"]) for agent in agents], right=True),
            Column("TOKEN", [_standing(agent, now) for agent in agents]),
            Column("LABELS", [",".join(agent["labels"]) for agent in agents]),
        ],
        room,
    )
    yield paint(heading, "bold") if colour else heading
    yield from rows


def _standing(agent: dict[str, Any], now: float) -> str:
    if agent["used"]:
        return "used"
    left = agent["expires"] - now
    return f"good for {ago(left)}" if left > 0 else "expired"
