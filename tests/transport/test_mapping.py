"""The border: what AsyncSSH and the system raise becomes one of ours, and says what it means."""

from __future__ import annotations

import asyncio
import errno
import socket

import asyncssh
import pytest

from mooring.model.errors import (
    AuthenticationFailed,
    ChannelRefused,
    ConnectFailed,
    CredentialError,
    HandshakeFailed,
    MooringError,
    SessionError,
    SessionLost,
)
from mooring.transport.mapping import connect_error, mapped, session_error, words

WHERE = "user@edge1:22"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (asyncssh.PermissionDenied("no"), AuthenticationFailed, "user@edge1:22 refused the login: no"),
        (
            asyncssh.KeyExchangeFailed("no match"),
            HandshakeFailed,
            "no algorithms in common with user@edge1:22: no match",
        ),
        (asyncssh.ProtocolNotSupported("SSH-1"), HandshakeFailed, "user@edge1:22 ended the connection: SSH-1"),
        (asyncssh.MACError("bad"), HandshakeFailed, "user@edge1:22 ended the connection: bad"),
        (asyncssh.ProtocolError("odd"), HandshakeFailed, "user@edge1:22 ended the connection: odd"),
        (asyncssh.ConnectionLost("gone"), ConnectFailed, "closed the connection before the login was done: gone"),
        (asyncssh.DisconnectError(2, "Too many authentication failures"), AuthenticationFailed, "refused the login"),
        (asyncssh.DisconnectError(14, "no more methods"), AuthenticationFailed, "refused the login"),
        (asyncssh.DisconnectError(12, "too many connections"), ConnectFailed, "ended the connection: too many"),
        (asyncssh.ChannelOpenError(2, "Connection refused"), ConnectFailed, "the jump host could not reach user@edge1"),
        (asyncssh.KeyImportError("bad key"), CredentialError, "a key for user@edge1:22 cannot be used: bad key"),
        (asyncssh.KeyEncryptionError("passphrase"), CredentialError, "cannot be used: passphrase"),
        (socket.gaierror(-2, "Name or service not known"), ConnectFailed, "is not resolved: Name or service not known"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), ConnectFailed, "cannot reach user@edge1:22"),
        (OSError("Multiple exceptions"), ConnectFailed, "cannot reach user@edge1:22: Multiple exceptions"),
        (TimeoutError(), ConnectFailed, "user@edge1:22 did not answer in time: TimeoutError"),
        (RuntimeError("odd"), HandshakeFailed, "the SSH handshake with user@edge1:22 failed: odd"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else "",
)
def test_what_a_failed_dial_means(error: Exception, kind: type[MooringError], message: str) -> None:
    found = connect_error(error, WHERE)
    assert type(found) is kind
    assert message in found.message


def test_old_algorithms_are_hinted_at_only_where_they_may_help() -> None:
    assert "legacy=yes" in str(connect_error(asyncssh.KeyExchangeFailed("x"), WHERE))
    assert connect_error(asyncssh.ProtocolError("x"), WHERE).hint is None


@pytest.mark.parametrize(
    ("error", "lost", "kind"),
    [
        (asyncssh.ChannelOpenError(2, "no"), False, ChannelRefused),
        (asyncssh.ChannelOpenError(2, "SSH connection closed"), True, SessionLost),
        (asyncssh.ConnectionLost("gone"), False, SessionLost),
        (BrokenPipeError(), False, SessionError),  # of a file or pipe of ours
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), True, SessionLost),
        (RuntimeError("odd"), True, SessionLost),
        (RuntimeError("odd"), False, SessionError),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "name"), False, SessionError),
    ],
    ids=str,
)
def test_what_a_failure_on_an_open_connection_means(error: Exception, kind: type[MooringError], *, lost: bool) -> None:
    assert type(session_error(error, "edge1", lost=lost)) is kind


def test_ours_pass_as_they_are() -> None:
    error = ConnectFailed("ours")
    assert connect_error(error, WHERE) is error
    assert session_error(error, "edge1", lost=True) is error


def test_words_of_a_peer_are_made_of_what_can_be_printed() -> None:
    assert words(asyncssh.DisconnectError(2, "one\ntwo\x1b[31m\u202e \t three")) == "one two?[31m? three"
    assert len(words(asyncssh.DisconnectError(2, "x" * 5_000))) == 500
    assert words(asyncssh.DisconnectError(2, "")) == "DisconnectError"
    assert words(FileNotFoundError(errno.ENOENT, "No such file", "/the/name")) == "/the/name: No such file"


def test_mapped() -> None:
    with pytest.raises(ChannelRefused, match="edge1 refused the channel: no") as caught, mapped("edge1"):
        raise asyncssh.ChannelOpenError(2, "no")
    assert isinstance(caught.value.__cause__, asyncssh.ChannelOpenError)
    with pytest.raises(SessionError, match="edge1: disk full"), mapped("edge1"):
        raise OSError(errno.ENOSPC, "disk full")
    with pytest.raises(asyncio.CancelledError), mapped("edge1"):
        raise asyncio.CancelledError
    with pytest.raises(ZeroDivisionError), mapped("edge1"):
        raise ZeroDivisionError
    with mapped("edge1"):
        pass
