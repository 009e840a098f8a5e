"""What a NETCONF peer can do, as its hello says (RFC 6241 section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BASE_10", "BASE_11", "CLIENT_CAPABILITIES", "Capabilities"]

BASE_10: Final = "urn:ietf:params:netconf:base:1.0"
BASE_11: Final = "urn:ietf:params:netconf:base:1.1"

_STANDARD: Final = "urn:ietf:params:netconf:capability"


class Capabilities:
    """The capabilities of one side, in the order in which it names them.

    ``in`` takes a whole URI, without the parameters after its ``?``, or the short form of a standard one, with or
    without its version: ``":candidate"``, ``":validate:1.1"``.

    Args:
        uris: As the hello has them.
    """

    __slots__ = ("_names", "uris")

    def __init__(self, uris: Iterable[str]) -> None:
        self.uris = tuple(uris)
        """Each URI, with its parameters."""
        self._names: dict[str, str] = {}
        for uri in self.uris:
            name, _, parameters = uri.partition("?")
            for known in (name, *_short(name)):
                self._names.setdefault(known, parameters)

    def __contains__(self, capability: object) -> bool:
        """Whether this side can do that."""
        return capability in self._names

    def __iter__(self) -> Iterator[str]:
        """The URIs."""
        return iter(self.uris)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.uris)

    def __repr__(self) -> str:
        """How many there are."""
        return f"<Capabilities: {len(self)}>"

    def parameters(self, capability: str) -> dict[str, list[str]]:
        """What stands after the ``?`` of a capability; nothing where it is not there."""
        return parse_qs(self._names.get(capability, ""))

    def default_modes(self) -> frozenset[str]:
        """The modes of with-defaults that it knows (RFC 6243 section 4.3)."""
        parameters = self.parameters(":with-defaults")
        listed = [*parameters.get("basic-mode", ()), *parameters.get("also-supported", ())]
        return frozenset(mode for modes in listed for mode in modes.split(","))


def _short(name: str) -> tuple[str, ...]:
    """``:candidate:1.0`` and ``:candidate`` of the whole name."""
    if not name.startswith(f"{_STANDARD}:"):
        return ()
    short = name.removeprefix(_STANDARD)
    return short, short.rpartition(":")[0]


CLIENT_CAPABILITIES: Final = Capabilities((BASE_10, BASE_11))
"""What a client has to say: how it frames. All else is asked of the server (RFC 6241 section 8.1)."""
