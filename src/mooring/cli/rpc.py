"""``mooring rpc``: any NETCONF request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from .calls import Command, call
from .request import Request, given, options

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EXAMPLES: Final = """\b
Examples:
  mooring rpc edge1 get-system-information
  mooring rpc edge1 '<get-route-information><active-path/></get-route-information>'
  mooring rpc site:ams @request.xml -o replies
  mooring rpc 'edge*' get --json | jq -r .alias

\b
RPC is XML (one operation, or a whole rpc), @FILE, - for standard input, or the
name of an operation without arguments. Locks end with the request that takes
them: `mooring edit-config` holds one.

\b
Exit codes: 0 all well, 1 an rpc-error, or some failed, 2 usage, 124 timeout,
130 Ctrl-C, 255 no session.
"""


def main(words: Sequence[str]) -> int:
    """Make a request and return the exit code."""
    return call(_rpc, words)


@click.command("rpc", cls=Command, epilog=_EXAMPLES)
@click.argument("selector")
@click.argument("request", metavar="RPC")
@options
def _rpc(selector: str, request: str, **keywords: Any) -> int:
    """Make a NETCONF request, of one session or of all that SELECTOR means.

    The reply comes as the device sends it; on a terminal it is indented and coloured. With several sessions a comment
    before each tells whose it is.
    """
    return Request("rpc", given(request), **keywords).run(selector)
