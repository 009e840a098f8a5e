"""Which sessions a request means, and what of one: asked for in the same words by every resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..model.errors import InvalidSelector, NothingSelected, UnknownAlias
from .openapi import Asked

if TYPE_CHECKING:
    from litestar import Request
    from litestar.connection import ASGIConnection

__all__ = ["SELECTED", "SELECTOR", "named", "selector_of"]

SELECTOR: Final = {
    "selector": Asked("which sessions: an alias, `a,b`, `edge*`, `site:ams`, `all`, `!excluded`", default="all")
}
"""The query, for the description."""
SELECTED: Final = (InvalidSelector, UnknownAlias, NothingSelected)
"""What may be wrong with it."""


def selector_of(request: ASGIConnection[Any, Any, Any, Any], default: str = "all") -> str:
    """The selector that is asked for."""
    return str(request.query_params.get("selector", default))


def named(request: Request[Any, Any, Any]) -> tuple[str, str]:
    """The session's alias and the name of what is on it, from a path that ends in both."""
    return request.path_params["alias"], request.path_params["name"]
