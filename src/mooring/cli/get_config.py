"""``mooring get-config``: configurations, whole or in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from ..model.errors import InvalidInput
from .calls import Command, call
from .request import Request, options, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "prefixes"]

_EXAMPLES: Final = """\b
Examples:
  mooring get-config edge1 > edge1.xml
  mooring get-config all -o backup
  mooring get-config site:ams --filter '<system><services/></system>'
  mooring get-config edge1 --xpath /s:system --ns s=urn:ietf:params:xml:ns:yang:ietf-system

\b
Exit codes: as `mooring rpc -h` has them.
"""


def main(words: Sequence[str]) -> int:
    """Get configurations and return the exit code."""
    return call(_get_config, words)


@click.command("get-config", cls=Command, epilog=_EXAMPLES)
@click.argument("selector")
@click.option("--source", default="running", show_default=True, help="running, candidate, startup or a URL.")
@click.option("--filter", "subtree", metavar="XML", help="A subtree; @FILE and - as `rpc` has them.")
@click.option("--xpath", help="An XPath expression, in its place.")
@click.option("--ns", multiple=True, metavar="PREFIX=URI", help="A prefix in it; may be repeated.")
@click.option(
    "--with-defaults",
    type=click.Choice(["report-all", "report-all-tagged", "trim", "explicit"]),
    help="How to treat defaults (RFC 6243); else as the device does.",
)
@options
def _get_config(
    selector: str,
    *,
    source: str,
    subtree: str | None,
    xpath: str | None,
    ns: tuple[str, ...],
    with_defaults: Any,  # noqa: ANN401 - one of the four, as click made sure
    **keywords: Any,
) -> int:
    """Get the configuration of one session, or of all that SELECTOR means.

    What is printed is the reply, as the device sends it; `mooring edit-config` takes it as it is.
    """
    from ..wire.netconf import operations  # noqa: PLC0415 - lxml is loaded by who needs it

    filtered = operations.Selection(None if subtree is None else text_of(subtree), xpath, prefixes(ns))
    operation = operations.get_config(source, filtered, with_defaults)
    return Request("get-config", operation.xml, **keywords).run(selector)


def prefixes(given: Sequence[str]) -> dict[str, str] | None:
    """The prefixes of an XPath expression.

    Raises:
        InvalidInput: One is no ``prefix=uri``.
    """
    pairs = [text.partition("=") for text in given]
    for prefix, _, uri in pairs:
        if not prefix.replace("-", "_").replace(".", "_").isidentifier() or not uri:
            raise InvalidInput("--ns is PREFIX=URI")
    return {prefix: uri for prefix, _, uri in pairs} or None
