"""How bodies are read: bounded, and checked first; no error repeats a value of theirs, which may be a secret."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from ..model.errors import InvalidInput
from .disconnect import ClientGone

if TYPE_CHECKING:
    from ..wire.netconf.operation import Operation
    from .asked import Asked

__all__ = ["MAX_BODY", "Body", "RpcBody"]

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of a body: enough for the input of a command; more is streamed over the channel."""
_LARGE_XML: Final = 256 * 1024
"""Bytes that take so long to parse that others would wait."""

_PLACE: Final = re.compile(r"line \d+, column \d+")
_ENUM: Final = re.compile(r"Invalid enum value .*?(?= - at |$)", re.DOTALL)

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Body(Generic[_Struct]):
    """Reads bodies of one form.

    Args:
        form: What they must be.
        most: Bytes that they may have.

    Attributes:
        media_type: As what the API describes them.
    """

    media_type = "application/json"

    def __init__(self, form: type[_Struct], most: int = MAX_BODY) -> None:
        self.form = form
        self._most = most
        self._decode = msgspec.json.Decoder(form).decode

    async def read(self, request: Asked) -> _Struct:
        """The body of a request.

        Raises:
            InvalidInput: It is not what it must be; the message says where, and repeats no value.
            RequestEntityTooLarge: It has more bytes than it may.
            ClientGone: The client left before it was whole.
        """
        body = await _read(request, self._most)
        try:
            return self._decode(body)
        except UnicodeDecodeError:
            raise InvalidInput("the body is not UTF-8") from None
        except msgspec.DecodeError as error:
            raise InvalidInput(_told(str(error))) from None


class RpcBody:
    """Reads bodies that are a NETCONF request: XML with one root, an operation or a whole ``rpc``."""

    form = str
    media_type = "application/xml"

    async def read(self, request: Asked) -> Operation:
        """The body of a request.

        Raises:
            InvalidInput: It is not XML, has a document type, or is not one operation; no value is repeated.
            RequestEntityTooLarge, ClientGone: As ``Body`` has them.
        """
        from ..wire.netconf.operation import custom  # noqa: PLC0415 - lxml is loaded by who needs it

        body = await _read(request)
        try:
            return await asyncio.to_thread(custom, body) if len(body) > _LARGE_XML else custom(body)
        except InvalidInput as error:
            where = _PLACE.findall(error.message)
            words = f"it is not XML{f', {where[-1]}' if where else ''}" if "not XML" in error.message else error.message
            raise InvalidInput(f"the body: {words}", hint="it is one operation, without a document type") from None


async def _read(request: Asked, most: int = MAX_BODY) -> bytes:
    """A whole body, at once where it came so."""
    parts: list[bytes] = []
    size = 0
    while True:
        message: Any = await request.receive()
        if message["type"] != "http.request":
            raise ClientGone
        part: bytes = message["body"]
        size += len(part)
        if size > most:
            raise RequestEntityTooLarge
        if not message["more_body"]:
            return b"".join((*parts, part)) if parts else part
        if not parts and int(request.headers.get("content-length", 0)) > most:  # the server saw that it is a number
            raise RequestEntityTooLarge
        parts.append(part)


def _told(words: str) -> str:
    """msgspec's words, without the values that it shows: those of an enumeration."""
    return "the body: " + _ENUM.sub("not one of the values that may stand here", words)
