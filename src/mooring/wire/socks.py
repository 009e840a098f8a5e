"""SOCKS as a server speaks it, before bytes are relayed: version 5 without a login (RFC 1928), versions 4 and 4a.

``receive_data`` takes what the client sent; ``data_to_send`` is what to send it; ``wanted`` is where it wants to be
led, once that is known. Then call ``answer``, send what it returns, and relay: ``rest`` came behind the request.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from ..model.errors import InvalidInput
from ..model.forward import Place

__all__ = ["SocksServer"]

_CONNECT: Final = 1
_NO_LOGIN: Final = 0
_REFUSE_METHODS: Final = 0xFF
_ADDRESS_SIZES: Final = {1: 4, 4: 16}
_NAME: Final = 3
_LONGEST: Final = 1024
"""Bytes of a request at most: a name may have 255, and a user of version 4 little more."""

_FAILED: Final = 1
_UNSUPPORTED: Final = 7


class SocksServer:
    """One client's request.

    Attributes:
        wanted: Where to lead it; None until that is known.
        rest: What came behind the request.
    """

    def __init__(self) -> None:
        self.wanted: Place | None = None
        self.rest = b""
        self._buffer = b""
        self._version = 0
        self._greeted = False
        self._to_send = b""

    def receive_data(self, data: bytes) -> None:
        """Take bytes.

        Raises:
            InvalidInput: This is no request that we understand; send what there is to send, and close.
        """
        if self.wanted is not None:
            self.rest += data
            return
        self._buffer += data
        if not self._buffer:
            return
        self._version = self._version or self._buffer[0]
        if self._version == 5:
            self._version_5()
        elif self._version == 4:
            self._version_4()
        else:
            raise InvalidInput(f"the client speaks no SOCKS: its first byte is {self._version}")
        if len(self._buffer) > _LONGEST:
            raise InvalidInput("the client's SOCKS request has no end")

    def data_to_send(self) -> bytes:
        """What to send now."""
        data, self._to_send = self._to_send, b""
        return data

    def answer(self, *, ok: bool) -> bytes:
        """The answer to the request.

        Args:
            ok: Whether it is led where it wants to be.
        """
        if self._version == 4:
            return bytes((0, 90 if ok else 91)) + bytes(6)
        return self._reply(0 if ok else _FAILED)

    @staticmethod
    def _reply(code: int) -> bytes:
        return bytes((5, code, 0, 1)) + bytes(6)

    def _version_5(self) -> None:
        data = self._buffer
        if not self._greeted:
            if len(data) < 2 or len(data) < 2 + data[1]:
                return
            if _NO_LOGIN not in data[2 : 2 + data[1]]:
                self._to_send = bytes((5, _REFUSE_METHODS))
                raise InvalidInput("the client wants to log in, and there is no SOCKS login here")
            self._greeted = True
            self._to_send = bytes((5, _NO_LOGIN))
            self._buffer = data = data[2 + data[1] :]
        if len(data) < 5:
            return
        if data[0] != 5 or data[1] != _CONNECT or data[3] not in {*_ADDRESS_SIZES, _NAME}:
            self._to_send += self._reply(_UNSUPPORTED)
            raise InvalidInput("the client asks SOCKS for something else than a connection")
        start = 5 if data[3] == _NAME else 4
        end = start + (data[4] if data[3] == _NAME else _ADDRESS_SIZES[data[3]])
        if len(data) < end + 2:
            return
        name = data[start:end]
        host = name.decode("ascii", "replace") if data[3] == _NAME else str(ipaddress.ip_address(name))
        self._found(host, data[end : end + 2], data[end + 2 :])

    def _version_4(self) -> None:
        data = self._buffer
        user_end = data.find(b"\0", 8)
        if user_end < 0:
            return
        if data[1] != _CONNECT:
            self._to_send = bytes((0, 91)) + bytes(6)
            raise InvalidInput("the client asks SOCKS for something else than a connection")
        address, end = data[4:8], user_end + 1
        host = str(ipaddress.ip_address(address))
        if address[:3] == bytes(3) and address[3]:  # 4a: the name follows
            name_end = data.find(b"\0", end)
            if name_end < 0:
                return
            host, end = data[end:name_end].decode("ascii", "replace"), name_end + 1
        self._found(host, data[2:4], data[end:])

    def _found(self, host: str, port: bytes, rest: bytes) -> None:
        if not host or not host.isprintable() or not host.isascii():
            raise InvalidInput("the client wants SOCKS to lead it to a name that is none")
        self.wanted = Place(host, int.from_bytes(port, "big"))
        self.rest, self._buffer = rest, b""
