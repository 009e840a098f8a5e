"""What is asked of us, as far as a command needs it: Litestar's request has this, and so has one of a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import Receive, Scope

    from ..model.access import Actor

__all__ = ["Asked"]


class Asked(Protocol):
    """A request."""

    @property
    def scope(self) -> Scope:
        """As ASGI has it."""

    @property
    def receive(self) -> Receive:
        """Likewise."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, by their names in small letters."""

    @property
    def path_params(self) -> dict[str, Any]:
        """What its path names."""

    @property
    def user(self) -> Actor:
        """Who asks."""
