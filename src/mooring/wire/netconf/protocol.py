"""A NETCONF client without I/O.

Make a ``Protocol``, send what ``data_to_send`` gives, and after that again whenever ``send_rpc`` was called. Pass what
comes to ``receive_data``, and its end to ``receive_eof``; take ``events_received`` after either. Neither raises: what
goes wrong is an event (``events``). Only ``Ended`` ends the session, and then the stream must be closed.

The states, and what leads from one to the next::

    HELLO ──hello──▶ OPEN ──close──▶ CLOSING
      │               │                │
      └───────────────┴──── end ───────┴────▶ ENDED     the stream's end, or anything that breaks it
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...model.errors import (
    FramingError,
    HelloError,
    MalformedMessage,
    NetconfEnded,
    RpcError,
    UnexpectedReply,
)
from .capabilities import BASE_11, CLIENT_CAPABILITIES, Capabilities
from .events import (
    Ended,
    Established,
    Failed,
    Ignored,
    Late,
    Notified,
    Replied,
    ReplyBegan,
    ReplyEnded,
    ReplyPart,
)
from .framing import DELIMITER, MESSAGE_END, NEED_DATA, Chunked, EndOfMessage, chunked
from .hello import BASE, client_hello, read_hello
from .incoming import GROWN, Incoming
from .quirks import DEEP_ERRORS, QUIRKS
from .reply import Notification, RpcReply
from .xml import feeder, local_name, strip_namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .events import Event
    from .framing import Framing
    from .quirks import Quirks
    from .xml import Element, Feeder

__all__ = ["MAX_MESSAGE_SIZE", "Protocol", "State"]

_LARGEST_HELLO: Final = 16 * 1024 * 1024
MAX_MESSAGE_SIZE: Final = 256 * 1024 * 1024
"""Bytes of one message that is held whole: more than devices send, and what a tree of it costs still fits."""


class State(enum.Enum):
    """How far the session is."""

    HELLO = "waits for the server's hello"
    OPEN = "open"
    CLOSING = "asked to close"
    ENDED = "over"


_NEXT: Final[Mapping[str, Mapping[State, State]]] = {
    "hello": {State.HELLO: State.OPEN},
    "close": {State.OPEN: State.CLOSING, State.CLOSING: State.CLOSING},
    "end": dict.fromkeys(State, State.ENDED),
}


@dataclass(slots=True)
class _Request:
    streams: bool
    given_up: bool = False


class Protocol:
    """The client's side of one NETCONF session.

    Args:
        capabilities: Ours, which the hello tells.
        quirks: How the server differs from the RFCs.
        max_message_size: Bytes of a message that is held whole; one that is larger breaks the stream.
        parser: Makes what large messages are fed to.
    """

    def __init__(
        self,
        capabilities: Capabilities = CLIENT_CAPABILITIES,
        quirks: Quirks = QUIRKS["default"],
        max_message_size: int = MAX_MESSAGE_SIZE,
        parser: Callable[[], Feeder] = feeder,
    ) -> None:
        self.client_capabilities = capabilities
        self.server_capabilities = Capabilities(())
        self.session_id: int | None = None
        self.state = State.HELLO
        self._quirks = quirks
        self._deep = quirks.deep_errors
        self._most = max_message_size
        self._parser = parser
        self._framing: Framing = EndOfMessage()
        self._incoming = Incoming(self._parser)
        self._stream: str | None = None
        """The request whose reply is given on in parts."""
        self._requests: dict[str, _Request] = {}
        self._streaming = 0
        self._last_id = 0
        self._events: list[Event] = []
        self._writes = [client_hello(capabilities) + DELIMITER]

    @property
    def framing(self) -> str:
        """``end-of-message`` (base:1.0) or ``chunked`` (base:1.1)."""
        return self._framing.name

    @property
    def pending(self) -> int:
        """Requests without a reply, those given up included."""
        return len(self._requests)

    @property
    def streaming(self) -> bool:
        """Whether a reply is being given on in parts, which holds back all others."""
        return self._stream is not None

    def data_to_send(self) -> bytes:
        """What is to be sent now."""
        writes, self._writes = self._writes, []
        return b"".join(writes)

    def events_received(self) -> list[Event]:
        """What has happened since the last call."""
        events, self._events = self._events, []
        return events

    def send_rpc(
        self, operation: bytes, *, attributes: bytes = b"", streams: bool = False, closes: bool = False
    ) -> str:
        """Send a request; call ``data_to_send`` next.

        Args:
            operation: The XML of the operation.
            attributes: More attributes of the ``rpc`` element, each after a space.
            streams: Whether the reply is wanted in parts.
            closes: Whether it asks the server to close the session.

        Returns:
            Its message-id, by which events name it.

        Raises:
            NetconfEnded: The session is not open, or may not be used any more.
        """
        if self.state is not State.OPEN:
            raise NetconfEnded(f"the NETCONF session is {self.state.value}")
        self._last_id += 1
        message_id = str(self._last_id)
        text = b'<rpc xmlns="%b" message-id="%b"%b>%b</rpc>' % (
            BASE.encode(),
            message_id.encode(),
            attributes,
            operation,
        )
        self._writes.append(chunked(text) if isinstance(self._framing, Chunked) else text + DELIMITER)
        self._requests[message_id] = _Request(streams)
        self._streaming += streams
        if closes:
            self._come("close")
        return message_id

    def give_up(self, message_id: str) -> None:
        """Nobody waits for this reply any more: it is dropped when it comes."""
        if request := self._requests.get(message_id):
            request.given_up = True

    def receive_data(self, data: bytes) -> None:
        """Take bytes that came."""
        if self.state is State.ENDED:
            return
        self._framing.receive_data(data)
        try:
            while (piece := self._framing.next_piece()) is not NEED_DATA:
                if piece is MESSAGE_END:
                    self._message_end()
                elif isinstance(piece, bytes):
                    self._message_piece(piece)
        except (NetconfEnded, RpcError) as error:
            self._end(error)

    def receive_eof(self) -> None:
        """Nothing more comes."""
        if self.state is State.HELLO:
            self._end(HelloError("the server ended the stream before its hello"))
        elif self._incoming.size or self._stream is not None or self._framing.outstanding:
            self._end(FramingError("the server ended the stream inside a message"))
        else:
            self._end(NetconfEnded("the server ended the NETCONF session"))

    def _come(self, what: str) -> None:
        self.state = _NEXT[what][self.state]

    def _end(self, error: NetconfEnded | RpcError) -> None:
        if self.state is not State.ENDED:
            self._come("end")
            self._requests.clear()
            self._incoming = Incoming(self._parser)
            self._events.append(Ended(error))

    def _message_piece(self, piece: bytes) -> None:
        if self._stream is not None:
            self._give(piece)
            return
        incoming = self._incoming
        incoming.add(piece)
        if self._streaming and incoming.size >= GROWN:
            self._look()
            if self._stream is not None:
                return
        most = self._most if self.state is not State.HELLO else min(self._most, _LARGEST_HELLO)
        undecided = self._streaming and incoming.size < GROWN
        if incoming.size + self._framing.outstanding > most and not undecided:
            raise FramingError(f"a message of more than {most} bytes", hint="max_message_size allows more")

    def _look(self) -> None:
        """See whether the message that has begun is a reply to be given on in parts."""
        if self._incoming.size - len(self._incoming.pieces[-1]) >= GROWN:
            return  # seen before
        tags = self._incoming.tags()
        if not tags or local_name(tags[0]) != "rpc-reply" or "rpc-error" in map(local_name, tags):
            return
        message_id = str(tags[0].get("message-id"))
        request = self._requests.get(message_id)
        if request is not None and request.streams:
            self._stream = message_id
            if not request.given_up:
                self._events.append(ReplyBegan(message_id))
            self._give(self._incoming.head())
            self._incoming = Incoming(self._parser)

    def _give(self, piece: bytes) -> None:
        message_id = self._stream or ""
        if not self._requests[message_id].given_up:
            self._events.append(ReplyPart(message_id, piece))

    def _message_end(self) -> None:
        if self._stream is not None:
            message_id, self._stream = self._stream, None
            given_up = self._done(message_id).given_up
            self._events.append(Late(message_id) if given_up else ReplyEnded(message_id))
            return
        incoming, self._incoming = self._incoming, Incoming(self._parser)
        if self.state is State.HELLO:
            self._hello(incoming)
            return
        try:
            root = incoming.close()
        except MalformedMessage as error:
            self._malformed(error, incoming)
            return
        name = local_name(root)
        if name == "rpc-reply":
            self._reply(root, incoming.pieces)
        elif name == "notification":
            self._notification(root, incoming)
        else:
            unknown = MalformedMessage(f"a message that is a {name!r}")
            self._events.append(Ignored(unknown, root, incoming.head()))

    def _hello(self, incoming: Incoming) -> None:
        raw = incoming.head()
        self.session_id, self.server_capabilities, element = read_hello(raw, self.client_capabilities)
        self._deep = self._deep or any(capability in DEEP_ERRORS for capability in self.server_capabilities)
        self._come("hello")
        if BASE_11 in self.client_capabilities and BASE_11 in self.server_capabilities:
            rest = self._framing.rest()
            self._framing = Chunked()
            self._framing.receive_data(rest)
        self._events.append(Established(element, raw))

    def _done(self, message_id: str) -> _Request:
        request = self._requests.pop(message_id)
        self._streaming -= request.streams
        return request

    def _oldest(self) -> str | None:
        """The request that a reply without a message-id answers: replies come in order (RFC 6241 section 4.5)."""
        return next(iter(self._requests), None)

    def _reply(self, root: Element, raw: list[bytes]) -> None:
        message_id = root.get("message-id", self._oldest())
        if message_id is None or message_id not in self._requests:
            error = UnexpectedReply(f"a reply to a request that was not made: message-id {message_id!r}")
            self._events.append(Ignored(error, root, b"".join(raw)))
            return
        request = self._done(message_id)
        if request.given_up:
            self._events.append(Late(message_id))
            return
        reply = RpcReply(root, raw, deep=self._deep)
        if request.streams and reply.ok:
            self._events += [ReplyBegan(message_id), ReplyPart(message_id, reply.xml), ReplyEnded(message_id)]
            return
        if self._quirks.strip_namespaces:
            strip_namespaces(root)
        self._events.append(Replied(message_id, reply))

    def _notification(self, root: Element, incoming: Incoming) -> None:
        when = next(((child.text or "").strip() for child in root if local_name(child) == "eventTime"), "")
        raw = incoming.head()
        if self._quirks.strip_namespaces:
            strip_namespaces(root)
        self._events.append(Notified(Notification(event_time=when, element=root, xml=raw)))

    def _malformed(self, error: MalformedMessage, incoming: Incoming) -> None:
        """A message that is no XML: fail what it answers, as far as that can be told."""
        raw = incoming.head()
        root = next(iter(incoming.tags()), None) if raw else None
        message_id = None
        if root is None or local_name(root) == "rpc-reply":
            message_id = self._oldest() if root is None else root.get("message-id", self._oldest())
        if not raw or message_id is None or message_id not in self._requests:
            self._events.append(Ignored(error, None, raw))
        elif self._done(message_id).given_up:
            self._events.append(Late(message_id))
        else:
            self._events.append(Failed(message_id, error))
