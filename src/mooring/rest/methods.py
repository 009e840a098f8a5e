"""OPTIONS: what may be asked of a path. Litestar's own answer tells the methods of one of its handlers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import route
from litestar.handlers import HTTPRouteHandler

from .answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.types import ControllerRouterHandler

__all__ = ["with_methods"]


class _NoContent(Answer):
    """204, which has no length either (RFC 9110, 8.6)."""

    def __init__(self, allowed: str) -> None:
        super().__init__(b"", status=204)
        self._headers = [(b"allow", allowed.encode())]


def with_methods(handlers: Iterable[ControllerRouterHandler]) -> list[ControllerRouterHandler]:
    """Handlers, and before them, since Litestar would make its own otherwise, one of OPTIONS for each path."""
    handlers = list(handlers)
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler):
            for path in handler.paths:
                methods.setdefault(path, {"OPTIONS"}).update(handler.http_methods)
    return [*(_telling(path, ", ".join(sorted(allowed))) for path, allowed in methods.items()), *handlers]


def _telling(path: str, allowed: str) -> HTTPRouteHandler:
    @route(path, http_method="OPTIONS", status_code=200)
    async def tell_methods() -> Answer:
        """Tell what may be asked here (RFC 9110, 9.3.7)."""
        return _NoContent(allowed)

    return tell_methods
