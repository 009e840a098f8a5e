"""AsyncSSH's private names where clients log in to a server: what they prefer, what they show, how often they try."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from asyncssh import ProtocolError
from asyncssh.constants import MSG_UNIMPLEMENTED, MSG_USERAUTH_REQUEST
from asyncssh.packet import SSHPacket
from asyncssh.public_key import KeyImportError, decode_ssh_certificate

from .private import name_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import asyncssh
    from asyncssh.connection import SSHConnection

__all__ = [
    "bear_few_riddles",
    "judge_shown_keys",
    "judge_user_certificate",
    "prefer",
    "spare_reload",
    "when_login_is_tried",
]

_RIDDLES: Final = 8
"""Messages of unknown types that are answered before the login: a client of ours or OpenSSH's sends none."""
_PATIENCE: Final = 0.5
"""Seconds in which a client should begin the key exchange: nearly all do so at once."""


def when_login_is_tried(connection: asyncssh.SSHServerConnection, call: Callable[[], None]) -> None:
    """Be told of each authentication request before it is looked at, but of the first that only asks what there is.

    AsyncSSH tells nobody of a key that will do and is never proven, and takes any number of answers to one question:
    they count as well. What is raised ends the connection.
    """
    respond = connection.validate_kbdint_response

    async def validate_response(username: str, responses: Sequence[str]) -> Any:
        call()
        return await respond(username, responses)

    connection.validate_kbdint_response = validate_response  # type: ignore[method-assign]
    handlers: Any = connection._packet_handlers  # noqa: SLF001
    process = handlers[MSG_USERAUTH_REQUEST]

    asked = False

    def process_request(connection: SSHConnection, kind: int, number: int, packet: SSHPacket) -> Any:
        fields = SSHPacket(packet.get_remaining_payload())
        _, _, method = (fields.get_string() for _ in range(3))  # RFC 4252 section 5
        nonlocal asked
        if method != b"none" or asked:
            call()
        asked = asked or method == b"none"
        return process(connection, kind, number, packet)

    connection._packet_handlers = {**handlers, MSG_USERAUTH_REQUEST: process_request}  # noqa: SLF001


def bear_few_riddles(connection: SSHConnection) -> None:
    """Hang up on a stranger who goes on with messages that mean nothing: each is answered (RFC 4253 section 11.4).

    Args:
        connection: One on which nothing was sent.
    """
    send = connection.send_packet
    riddles = 0

    def send_packet(pkttype: int, *args: bytes, handler: Any = None) -> None:
        nonlocal riddles
        if pkttype == MSG_UNIMPLEMENTED and not connection._auth_complete:  # noqa: SLF001
            riddles += 1
            if riddles > _RIDDLES:
                raise ProtocolError("Too many unknown messages")
        send(pkttype, *args, handler=handler)

    connection.send_packet = send_packet  # type: ignore[method-assign]


def spare_reload(connection: asyncssh.SSHServerConnection) -> None:
    """Do not build a server's options anew at the login: AsyncSSH does, on a thread, for a configuration file."""

    async def reload_config() -> None:
        """There is none."""

    connection.reload_config = reload_config  # type: ignore[method-assign]


def prefer(connection: asyncssh.SSHServerConnection, ciphers: tuple[bytes, ...]) -> None:
    """Have some ciphers agreed on wherever the client knows one of them, although the choice is its own.

    What it wants is awaited before we say what we offer (RFC 4253 section 7.1 lets either begin); a client that waits
    for us to begin gets the whole list after a moment.

    Args:
        connection: A server's, from whose peer nothing has come.
        ciphers: Which.
    """
    _Preference(connection, ciphers)


class _Preference:
    """Holds back the first KEXINIT of a server."""

    __slots__ = ("_choose", "_ciphers", "_connection", "_say", "_timer")

    def __init__(self, connection: asyncssh.SSHServerConnection, ciphers: tuple[bytes, ...]) -> None:
        self._connection: Any = connection
        self._ciphers = ciphers
        self._say = connection._send_kexinit  # noqa: SLF001
        self._choose = connection._choose_alg  # noqa: SLF001
        self._timer: asyncio.TimerHandle | None = None
        connection._send_kexinit = self.wait  # type: ignore[method-assign] # noqa: SLF001
        connection._choose_alg = self.choose  # type: ignore[assignment, method-assign] # noqa: SLF001

    def wait(self) -> None:
        """Its version line has come."""
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self.say)

    def say(self) -> None:
        """Tell what we offer."""
        connection = self._connection
        if self._timer is not None:
            self._timer.cancel()
        connection._send_kexinit, connection._choose_alg = self._say, self._choose  # noqa: SLF001
        if connection._transport is not None:  # noqa: SLF001
            self._say()

    def choose(self, kind: str, ours: Sequence[bytes], theirs: Sequence[bytes]) -> bytes:
        """Its KEXINIT has come, and is looked at."""
        connection = self._connection
        offered = name_lists(connection._client_kexinit)[2:4]  # noqa: SLF001
        known = [name for name in self._ciphers if all(name.decode() in names for names in offered)]
        if known:
            connection._enc_algs = known  # noqa: SLF001
        self.say()
        return self._choose(kind, ours, theirs)


def judge_shown_keys(connection: asyncssh.SSHServerConnection, judge: Callable[[bytes], bool]) -> None:
    """Have each key looked at that is shown to log in, before anything else is: in a certificate, and its authority's.

    Args:
        connection: One whose login has not begun.
        judge: Told a public key as SSH writes it; whether it will do.
    """
    validate = connection.validate_public_key

    async def validating(username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        keys = [key_data]
        with contextlib.suppress(KeyImportError):
            certificate: Any = decode_ssh_certificate(key_data)
            keys = [half.public_data for half in (certificate.key, getattr(certificate, "signing_key", None)) if half]
        return all(map(judge, keys)) and await validate(username, key_data, msg, signature)

    connection.validate_public_key = validating  # type: ignore[method-assign]


def judge_user_certificate(connection: asyncssh.SSHServerConnection, judge: Callable[[Any], bool]) -> None:
    """Have certificates of users judged by us: AsyncSSH holds their principals against the user name of the login.

    Args:
        connection: One whose login has not begun.
        judge: Told a certificate whose own signature is right; looks at all else, its time and options too.
    """

    async def validate(_username: str, certificate: Any) -> asyncssh.SSHKey | None:
        return certificate.key if judge(certificate) else None

    connection._validate_openssh_certificate = validate  # type: ignore[assignment, method-assign] # noqa: SLF001
