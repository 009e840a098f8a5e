"""What a ``Protocol`` tells of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from ...model.errors import MalformedMessage, NetconfEnded, RpcError, UnexpectedReply
    from .reply import Notification, RpcReply
    from .xml import Element

__all__ = [
    "Ended",
    "Established",
    "Event",
    "Failed",
    "Ignored",
    "Late",
    "Notified",
    "Replied",
    "ReplyBegan",
    "ReplyEnded",
    "ReplyPart",
]


@dataclass(frozen=True, slots=True)
class Established:
    """The hellos agree: requests may be sent."""

    element: Element
    raw: bytes


@dataclass(frozen=True, slots=True)
class Replied:
    """The whole reply to a request."""

    message_id: str
    reply: RpcReply


@dataclass(frozen=True, slots=True)
class ReplyBegan:
    """The reply to a request that streams has begun, and not with an error. Its parts follow, then its end."""

    message_id: str


@dataclass(frozen=True, slots=True)
class ReplyPart:
    """The next bytes of it."""

    message_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """It was whole."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A request was answered with what is no reply."""

    message_id: str
    error: MalformedMessage


@dataclass(frozen=True, slots=True)
class Late:
    """The reply to a request that was given up, or the end of it; it is dropped."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Notified:
    """A notification."""

    notification: Notification


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that answers nothing of ours; the session goes on."""

    error: MalformedMessage | UnexpectedReply
    element: Element | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes: close the stream, and never use it again."""

    error: NetconfEnded | RpcError


Event: TypeAlias = (
    Established | Replied | ReplyBegan | ReplyPart | ReplyEnded | Failed | Late | Notified | Ignored | Ended
)
