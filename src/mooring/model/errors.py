"""Every error that Mooring raises, in one tree.

::

    MooringError
    ├── InvalidInput                what you passed cannot be meant; nothing was changed
    │   ├── InvalidTarget           a DSN, host, keyword or option
    │   ├── InvalidSelector         a fleet selector
    │   └── ConfigError             a line of a configuration file
    ├── ConnectError                a connection was not made
    │   ├── ConnectFailed           the network: refused, unreachable, unresolved, silent
    │   ├── HandshakeFailed         the peer speaks no SSH that we may speak
    │   ├── AuthenticationFailed    the peer refused our credentials
    │   ├── CredentialError         our own credentials cannot be read
    │   └── HostKeyError            the peer is not shown to be who we want
    │       ├── UnknownHostKey      nothing is known of this host
    │       └── HostKeyChanged      another key, or none at all, is trusted for this host
    ├── SessionError                a session cannot do what was asked
    │   ├── SessionLost             the link broke under the call; the command may have run
    │   ├── SessionNotUp            nothing was sent: the session is not up now
    │   │   ├── SessionParked       ... and a person must act first
    │   │   └── SessionClosed       ... and never will be again
    │   ├── ChannelError            one channel failed, the session lives
    │   │   ├── ChannelLimit        no channel slot became free in time
    │   │   └── ChannelRefused      the peer will not open or start it
    │   └── CommandError            a command did not end well
    │       ├── CommandTimeout      it took longer than allowed
    │       └── CommandFailed       it ended with another status than 0, and ``check`` was asked
    ├── PoolError
    │   ├── AliasInUse              another session has this name
    │   ├── UnknownAlias            no session has this name
    │   ├── NothingSelected         the selector matches no session
    │   └── BudgetSpent             a fan-out was stopped; this host was not tried
    ├── WaitTimeout                 a wait reached its deadline; what was waited for goes on
    └── WrongThread                 the blocking face was called from its own loop's thread

Each class has a ``code`` (kebab-case, stable, for machines), says whether the same call may succeed later
without anybody acting (``retryable``), and each error may carry a ``hint`` that names the next action.
No message, attribute or hint ever holds a secret. All of them can be pickled and copied, attributes included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .result import CommandResult

__all__ = [
    "AliasInUse",
    "AuthenticationFailed",
    "BudgetSpent",
    "ChannelError",
    "ChannelLimit",
    "ChannelRefused",
    "CommandError",
    "CommandFailed",
    "CommandTimeout",
    "ConfigError",
    "ConnectError",
    "ConnectFailed",
    "CredentialError",
    "HandshakeFailed",
    "HostKeyChanged",
    "HostKeyError",
    "InvalidInput",
    "InvalidSelector",
    "InvalidTarget",
    "MooringError",
    "NothingSelected",
    "PoolError",
    "SessionClosed",
    "SessionError",
    "SessionLost",
    "SessionNotUp",
    "SessionParked",
    "UnknownAlias",
    "UnknownHostKey",
    "WaitTimeout",
    "WrongThread",
]


class MooringError(Exception):
    """The root of the tree: ``except mooring.MooringError`` catches all that the native API raises.

    Args:
        message: What happened, and where, in one sentence without a full stop.
        hint: The next action, as one would tell it to a colleague; None where there is none.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """The message, and the hint in parentheses."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as it is: the default would call the class with the message alone, which some do not take."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[MooringError], args: tuple[object, ...], state: dict[str, object]) -> MooringError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInput(MooringError, ValueError):
    """What was passed cannot be meant. Nothing was changed."""

    code = "invalid-input"


class InvalidTarget(InvalidInput):
    """A DSN, host, keyword or option is malformed; the message says which part, and what would do."""

    code = "invalid-target"


class InvalidSelector(InvalidInput):
    """A selector is malformed."""

    code = "invalid-selector"


class ConfigError(InvalidInput):
    """A configuration file cannot be honoured.

    Args:
        message: What is wrong with the line.
        source: The file's name; None for text that came from no file.
        line: The line's number, from 1; None where the file itself is at fault.
    """

    code = "config-error"

    def __init__(
        self, message: str, *, source: str | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        where = ":".join(str(part) for part in (source, line) if part is not None)
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.source = source
        self.line = line


class ConnectError(MooringError):
    """A connection was not made."""

    code = "connect-error"


class ConnectFailed(ConnectError):
    """The network is at fault: refused, unreachable, not resolved, silent, or closed before we were in."""

    code = "connect-failed"
    retryable = True


class HandshakeFailed(ConnectError):
    """The peer answers, but the two of us have no SSH in common that is allowed for this target."""

    code = "handshake-failed"
    retryable = True


class AuthenticationFailed(ConnectError):
    """The peer refused our credentials. Never retried by itself: servers lock out addresses that retry."""

    code = "authentication-failed"


class CredentialError(ConnectError):
    """A credential of ours cannot be used: no such file, wrong passphrase, unset variable, no agent."""

    code = "credential-error"


class HostKeyError(ConnectError):
    """The peer is not shown to be the host we want. No credential was sent.

    Args:
        message: What does not fit.
        host: The host as known_hosts names it.
        fingerprint: The offered key's ``SHA256:...``; None where no key was offered.
        key_type: The offered key's algorithm name; None where no key was offered.
    """

    code = "host-key-error"

    def __init__(
        self,
        message: str,
        *,
        host: str,
        fingerprint: str | None = None,
        key_type: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.host = host
        self.fingerprint = fingerprint
        self.key_type = key_type


class UnknownHostKey(HostKeyError):
    """No key is known for this host; the hint names the command that trusts the one it offered."""

    code = "unknown-host-key"


class HostKeyChanged(HostKeyError):
    """Other keys are known for this host, or the offered one is revoked: an attack, or a new device."""

    code = "host-key-changed"


class SessionError(MooringError):
    """A session cannot do what was asked."""

    code = "session-error"


class SessionLost(SessionError):
    """The link broke under the call. The command may have run; it is never run again by itself.

    Args:
        message: Which session, and how it was lost.
        stdout: What had arrived on standard output by then, text or bytes as was asked for.
        stderr: The same for standard error.
    """

    code = "session-lost"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        stdout: str | bytes = b"",
        stderr: str | bytes = b"",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.stdout = stdout
        self.stderr = stderr


class SessionNotUp(SessionError):
    """The session is not up now. Nothing was sent."""

    code = "session-not-up"
    retryable = True


class SessionParked(SessionNotUp):
    """The session waits for a person: the message says why. Nothing was sent."""

    code = "session-parked"
    retryable = False


class SessionClosed(SessionNotUp):
    """The session was closed by us and does not come back. Nothing was sent."""

    code = "session-closed"
    retryable = False


class ChannelError(SessionError):
    """One channel failed; the session and its other channels live."""

    code = "channel-error"


class ChannelLimit(ChannelError):
    """No channel slot became free before the deadline. Nothing was sent; the message names the holders."""

    code = "channel-limit"
    retryable = True


class ChannelRefused(ChannelError):
    """The peer will not open this channel, or not start this command or subsystem on it."""

    code = "channel-refused"


class CommandError(SessionError):
    """A command did not end well.

    Args:
        message: Which command on which session, and how it ended.
        result: All that is known of it.
    """

    code = "command-error"

    def __init__(self, message: str, *, result: CommandResult[Any], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result


class CommandTimeout(CommandError):
    """A command took longer than allowed. ``result`` holds what it had printed.

    Args:
        message: Which command, and after how many seconds.
        result: What it had printed; ``exit_status`` is None where its end was not seen.
        remote_may_still_run: True where the peer did not confirm the end (OpenSSH before 9.4 running as root
            ignores signals, and closing a channel leaves the process). The channel slot stays taken until it does.
    """

    code = "command-timeout"

    def __init__(
        self, message: str, *, result: CommandResult[Any], remote_may_still_run: bool, hint: str | None = None
    ) -> None:
        super().__init__(message, result=result, hint=hint)
        self.remote_may_still_run = remote_may_still_run


class CommandFailed(CommandError):
    """A command ended with another status than 0, or by a signal, and ``check=True`` was asked."""

    code = "command-failed"


class PoolError(MooringError):
    """The pool cannot do what was asked."""

    code = "pool-error"


class AliasInUse(PoolError):
    """Another session of the pool has this alias."""

    code = "alias-in-use"


class UnknownAlias(PoolError, LookupError):
    """No session of the pool has this alias."""

    code = "unknown-alias"


class NothingSelected(PoolError, LookupError):
    """The selector is well formed and matches no session."""

    code = "nothing-selected"


class BudgetSpent(PoolError):
    """So many hosts failed that the rest were not tried; nothing was sent to this one."""

    code = "budget-spent"
    retryable = True


class WaitTimeout(MooringError, TimeoutError):
    """A wait reached its deadline. What was waited for goes on."""

    code = "wait-timeout"
    retryable = True


class WrongThread(MooringError):
    """The blocking face was called from the thread of its own loop, where it would wait for itself."""

    code = "wrong-thread"
