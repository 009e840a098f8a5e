"""Where the daemon listens, and with which token its TCP door opens."""

from __future__ import annotations

import os
import sys

from . import paths

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from typing import Final, NoReturn

__all__ = ["Address", "find"]

_START: Final = "start it with `mooringd`"
_WHERE: Final = "say where it is in MOORING_SOCKET or MOORING_URL"


class Address:
    """One place where a daemon may be.

    Attributes:
        path: The Unix socket's; empty for TCP.
        host: The TCP host; empty for a Unix socket.
        port: The TCP port.
        tls: Whether TLS is spoken there.
        token: What opens the TCP door; empty where none is known or needed.
        hint: What to do when nobody answers there.
    """

    __slots__ = ("hint", "host", "path", "port", "tls", "token")

    def __init__(
        self, *, path: str = "", host: str = "", port: int = 0, tls: bool = False, token: str = "", hint: str = ""
    ) -> None:
        self.path = path
        self.host = host
        self.port = port
        self.tls = tls
        self.token = token
        self.hint = hint or f"{_START}, or {_WHERE}"

    @property
    def authority(self) -> str:
        """The ``Host`` of a request (RFC 9110, section 7.2)."""
        if self.path:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """As a person would write it, without the token."""
        if self.path:
            return f"unix:{self.path}"
        return f"{'https' if self.tls else 'http'}://{self.authority}"

    __repr__ = __str__


def find(where: str | None = None, token: str | None = None) -> list[Address]:
    """The places to try, in this order, until somebody answers.

    Args:
        where: A URL, or a Unix socket's path, perhaps with ``unix:`` before it. The default is ``MOORING_URL``, then
            ``MOORING_SOCKET``, then the socket's usual place and the usual TCP port on this machine.
        token: For the TCP door. The default is ``MOORING_TOKEN``, then, on this machine, the daemon's own token file.

    Raises:
        InvalidInput: They cannot be meant.
    """
    token = _token(os.environ.get("MOORING_TOKEN", "") if token is None else token)
    said = where or os.environ.get("MOORING_URL")
    if said:
        return [_parse(said, token, "the address" if where else "MOORING_URL")]
    if sys.platform == "win32":
        return [Address(host=paths.HOST, port=paths.PORT, token=token or _from_file(paths.PORT))]
    usual = Address(path=paths.socket_path())
    if os.environ.get("MOORING_SOCKET") or os.path.exists(usual.path):  # noqa: PTH110 - as paths.py
        return [usual]
    token = token or _from_file(paths.PORT)
    return [usual, Address(host=paths.HOST, port=paths.PORT, token=token)] if token else [usual]


def _parse(text: str, token: str, what: str) -> Address:
    hint = f"{_START} there, or correct {what}"
    if "://" not in text:
        return Address(path=text.removeprefix("unix:"), hint=hint)
    from urllib.parse import urlsplit  # noqa: PLC0415 - for who says a URL only

    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        _refuse(f"{what} is no URL: {error}")
    if url.scheme == "unix" and url.path and not url.netloc:
        return Address(path=url.path, hint=hint)
    if url.scheme not in {"http", "https"} or not host:
        _refuse(f"{what} must be http://HOST:PORT, https://HOST:PORT or unix:/PATH")
    if url.path not in {"", "/"} or url.query or url.fragment or url.username is not None:
        _refuse(f"{what} must end after the port")
    tls = url.scheme == "https"
    near = host in {"localhost", "::1"} or (host.startswith("127.") and host.replace(".", "").isdecimal())
    port = port or (443 if tls else paths.PORT)
    token = token or (_from_file(port) if near else "")
    if token and not tls and not near:
        _refuse(f"{what} leads off this machine without TLS, and the token would be sent in clear", "write https://")
    return Address(host=host, port=port, tls=tls, token=token, hint=hint)


def _token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        _refuse("MOORING_TOKEN holds what no token has")
    return text


def _from_file(port: int) -> str:
    """The daemon's own token, where we may read it and nobody else has taken its port.

    Where we may not, the daemon says what to do.
    """
    from . import listener  # noqa: PLC0415 - for TCP only

    try:
        with open(paths.token_file(), encoding="ascii") as file:  # noqa: PTH123 - as paths.py
            ours = listener.is_of(port, os.fstat(file.fileno()).st_uid)
            return _token(file.read().strip()) if ours else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    from ..model.errors import InvalidInput  # noqa: PLC0415 - on errors only

    raise InvalidInput(message, hint=hint)
