"""The border: AsyncSSH's exceptions become ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

import asyncssh

from ..model.errors import (
    AuthenticationFailed,
    ChannelRefused,
    ConnectError,
    ConnectFailed,
    CredentialError,
    ForwardRefused,
    HandshakeFailed,
    MooringError,
    SessionError,
    SessionLost,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LEGACY_HINT", "connect_error", "mapped", "session_error", "words"]

_AUTH_CODES: Final = frozenset(
    {
        asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
        asyncssh.DISC_ILLEGAL_USER_NAME,
        asyncssh.DISC_AUTH_CANCELLED_BY_USER,
    }
)
_HANDSHAKE_CODES: Final = frozenset(
    {
        asyncssh.DISC_KEY_EXCHANGE_FAILED,
        asyncssh.DISC_PROTOCOL_VERSION_NOT_SUPPORTED,
        asyncssh.DISC_MAC_ERROR,
        asyncssh.DISC_COMPRESSION_ERROR,
        asyncssh.DISC_PROTOCOL_ERROR,
    }
)
LEGACY_HINT: Final = "if the device knows only old algorithms, allow them for it alone with legacy=yes"

_REFUSED_HINT: Final = "if it is right, try again: it was not, since servers lock out who repeats a wrong one"

_MEANING: Final[tuple[tuple[type[Exception], type[ConnectError], str, str | None], ...]] = (
    (asyncssh.PermissionDenied, AuthenticationFailed, "{where} refused the login", None),
    (asyncssh.KeyExchangeFailed, HandshakeFailed, "no algorithms in common with {where}", LEGACY_HINT),
    (asyncssh.ConnectionLost, ConnectFailed, "{where} closed the connection before the login was done", None),
    (asyncssh.DisconnectError, ConnectFailed, "{where} ended the connection", None),
    (asyncssh.ChannelOpenError, ConnectFailed, "the jump host could not reach {where}", None),
    (asyncssh.KeyImportError, CredentialError, "a key for {where} cannot be used", None),
    (asyncssh.KeyEncryptionError, CredentialError, "a key for {where} cannot be used", None),
    (socket.gaierror, ConnectFailed, "the name in {where} is not resolved", None),
    (TimeoutError, ConnectFailed, "{where} did not answer in time", None),
    (OSError, ConnectFailed, "cannot reach {where}", None),
    (Exception, HandshakeFailed, "the SSH handshake with {where} failed", None),
)
"""What a failed dial means: the first row that fits. What a peer says with a disconnect code is looked at before."""


def connect_error(error: Exception, where: str, *, offered: bool = False) -> MooringError:
    """What a failed dial means to the caller.

    Args:
        error: What AsyncSSH, the loop or the system raised; one of ours is returned as it is.
        where: ``user@host:port``, for the message.
        offered: Whether a password or an answer had been given: a server that hangs up on it refuses it. Silence,
            which a host under load keeps as well, is no refusal.
    """
    if isinstance(error, MooringError):
        return error
    kind, sentence, hint = next(row[1:] for row in _MEANING if isinstance(error, row[0]))
    if isinstance(error, asyncssh.DisconnectError):
        if error.code in _AUTH_CODES or "uthentication fail" in error.reason:
            kind, sentence = AuthenticationFailed, "{where} refused the login"
        elif error.code in _HANDSHAKE_CODES:
            kind = HandshakeFailed
    if offered and kind.retryable and not isinstance(error, TimeoutError):
        kind, sentence, hint = AuthenticationFailed, "{where} hung up on the password or answer", _REFUSED_HINT
    return kind(f"{sentence.format(where=where)}: {words(error)}", hint=hint)


def session_error(error: Exception, alias: str, *, lost: bool) -> SessionError | MooringError:
    """What a failure on an open connection means to the caller.

    Args:
        error: What AsyncSSH raised.
        alias: The session's name, for the message.
        lost: Whether the connection is gone; AsyncSSH then reports many things, all of which mean that.
    """
    if isinstance(error, MooringError):
        return error
    if lost or isinstance(error, asyncssh.DisconnectError):
        return SessionLost(f"{alias} was lost: {words(error)}")
    if isinstance(error, asyncssh.ChannelOpenError):
        return ChannelRefused(f"{alias} refused the channel: {words(error)}")
    if isinstance(error, asyncssh.ChannelListenError):
        return ForwardRefused(f"{alias} will not listen there: it is taken, or not allowed")
    return SessionError(f"{alias}: {words(error)}")


@contextlib.contextmanager
def mapped(alias: str, connection: asyncssh.SSHClientConnection | None = None) -> Iterator[None]:
    """Around calls into AsyncSSH on an open connection: its errors and the system's leave as ours.

    Cancellation passes through.
    """
    try:
        yield
    except asyncio.CancelledError:
        raise
    except (asyncssh.Error, OSError) as error:
        lost = connection is not None and connection.is_closed()
        raise session_error(error, alias, lost=lost) from error


def words(error: Exception) -> str:
    """Its words on one line, made of what can be printed: a peer may have written them."""
    reason = error.reason if isinstance(error, (asyncssh.DisconnectError, asyncssh.ChannelOpenError)) else str(error)
    if isinstance(error, OSError) and error.strerror:
        # asyncio puts words of its own in place of the system's.
        own = error.errno is not None and error.strerror.startswith("Connect call failed")
        reason = os.strerror(error.errno or 0) if own else error.strerror
        reason = f"{error.filename}: {reason}" if error.filename else reason
    line = " ".join(reason.split()) or type(error).__name__
    return "".join(char if char.isprintable() else "?" for char in line)[:500]
