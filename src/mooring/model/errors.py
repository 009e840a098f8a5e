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
    │   ├── CommandError            a command did not end well
    │   │   ├── CommandTimeout      it took longer than allowed
    │   │   └── CommandFailed       it ended with another status than 0, and ``check`` was asked
    │   ├── NetconfError            NETCONF did not do what was asked
    │   │   ├── MissingCapability   the server does not offer what it takes; nothing was sent
    │   │   ├── RpcError            the server answered with errors
    │   │   ├── RpcTimeout          the server did not answer in time
    │   │   ├── LockLost            a lock went with its connection
    │   │   ├── MalformedMessage    one message is no NETCONF; the stream goes on
    │   │   ├── UnexpectedReply     a reply to no request; the stream goes on
    │   │   └── NetconfEnded        the NETCONF session is over; the next call opens another
    │   │       ├── HelloError      it never began: the hellos did not agree, or none came
    │   │       └── FramingError    the stream is broken: no message can be found in it
    │   ├── ForwardError            a forward cannot do what was asked, the session lives
    │   │   ├── PortTaken           somebody else listens there; it says who
    │   │   ├── ForwardRefused      the far side will not listen there
    │   │   ├── ForwardInUse        another forward of the session has this name
    │   │   └── UnknownForward      no forward has this name
    │   ├── TerminalError           a terminal cannot do what was asked, the session lives
    │   │   ├── TerminalEnded       its program has ended, or it was closed
    │   │   ├── TerminalInUse       another terminal of the session has this name
    │   │   ├── TerminalLimit       there are as many terminals, or viewers of one, as there may be
    │   │   └── UnknownTerminal     no terminal has this name
    │   └── PipeError               a pipe or its handler failed, the session lives
    │       ├── HandlerNotStarted   no interpreter, script or module, or it gave up before it answered
    │       ├── HandlerEnded        the handler ended before the pipe was closed
    │       ├── HandlerFailed       the handler raised over a request
    │       ├── PipeBroken          what came from the handler is no frame
    │       ├── PipeTimeout         a deadline passed
    │       └── PipeClosed          the pipe was closed by us, or never started
    ├── FileError                   a file was not copied, read or written; it names the file, and on which side
    │   ├── FileMissing             there is no such file
    │   ├── FileExists              there is one of that name, which was not to be replaced
    │   ├── FileRefused             permission denied
    │   ├── DiskFull                no space is left for it
    │   ├── FileMismatch            what arrived is not what was sent
    │   ├── UnsafePath              the peer wanted something written outside of the destination
    │   └── FilesUnsupported        the peer has no SFTP, and no SCP that would do
    ├── PoolError
    │   ├── AliasInUse              another session has this name
    │   ├── UnknownAlias            no session has this name
    │   ├── NothingSelected         the selector matches no session
    │   └── BudgetSpent             a fan-out was stopped; this host was not tried
    ├── AccessError                 a door does not let you do this
    │   ├── Unauthenticated         it does not know who you are
    │   ├── NotAllowed              it does, and this is not granted to you
    │   ├── TokenInUse              another token has this name
    │   └── UnknownToken            no token has this name
    ├── DaemonError                 the daemon
    │   ├── DaemonUnreachable       none answers there
    │   ├── DaemonMismatch          it or its answer is of another version
    │   ├── SlowReader              it ended a stream that was not read fast enough
    │   └── StreamLimit             you have as many streams of events as you may
    ├── StateError                  the state directory cannot be used: taken, full, newer
    ├── UnknownRecording            no recording has this id
    ├── WaitTimeout                 a wait reached its deadline; what was waited for goes on
    └── WrongThread                 the blocking face was called from its own loop's thread

Each class has a ``code`` (kebab-case, stable, for machines), says whether the same call may succeed later
without anybody acting (``retryable``), and each error may carry a ``hint`` that names the next action.
No message, attribute or hint ever holds a secret. All of them can be pickled and copied, attributes included.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from .result import CommandResult, PipeEnd, RpcFault

__all__ = [
    "AccessError",
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
    "DaemonError",
    "DaemonMismatch",
    "DaemonUnreachable",
    "DiskFull",
    "FileError",
    "FileExists",
    "FileMismatch",
    "FileMissing",
    "FileRefused",
    "FilesUnsupported",
    "ForwardError",
    "ForwardInUse",
    "ForwardRefused",
    "FramingError",
    "HandlerEnded",
    "HandlerFailed",
    "HandlerNotStarted",
    "HandshakeFailed",
    "HelloError",
    "HostKeyChanged",
    "HostKeyError",
    "InvalidInput",
    "InvalidSelector",
    "InvalidTarget",
    "LockLost",
    "MalformedMessage",
    "MissingCapability",
    "MooringError",
    "NetconfEnded",
    "NetconfError",
    "NotAllowed",
    "NothingSelected",
    "PipeBroken",
    "PipeClosed",
    "PipeError",
    "PipeTimeout",
    "PoolError",
    "PortTaken",
    "RpcError",
    "RpcTimeout",
    "SessionClosed",
    "SessionError",
    "SessionLost",
    "SessionNotUp",
    "SessionParked",
    "SlowReader",
    "StateError",
    "StreamLimit",
    "TerminalEnded",
    "TerminalError",
    "TerminalInUse",
    "TerminalLimit",
    "TokenInUse",
    "Unauthenticated",
    "UnexpectedReply",
    "UnknownAlias",
    "UnknownForward",
    "UnknownHostKey",
    "UnknownRecording",
    "UnknownTerminal",
    "UnknownToken",
    "UnsafePath",
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
        key: The offered key, as type and base64, where it would do if somebody said so; None where it would not.
    """

    code = "host-key-error"

    def __init__(
        self,
        message: str,
        *,
        host: str,
        fingerprint: str | None = None,
        key_type: str | None = None,
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.host = host
        self.fingerprint = fingerprint
        self.key_type = key_type
        self.key = key


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


class NetconfError(SessionError):
    """NETCONF did not do what was asked. The SSH session lives."""

    code = "netconf-error"


class MissingCapability(NetconfError):
    """The server does not offer what this takes. Nothing was sent.

    Args:
        message: Which operation, and what it takes.
        capability: What is missing, as the RFCs write it in short (``:candidate``) or as a URI.
    """

    code = "missing-capability"

    def __init__(self, message: str, *, capability: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.capability = capability


class RpcError(NetconfError):
    """The server answered with errors (RFC 6241 section 4.3).

    Args:
        message: Which session, and what the first error says.
        errors: All of them, warnings included, in the server's order.
        xml: The reply as it came.
    """

    code = "rpc-error"

    def __init__(
        self, message: str, *, errors: tuple[RpcFault, ...] = (), xml: bytes = b"", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.errors = errors
        self.xml = xml

    @property
    def severity(self) -> str:
        """``error``, or ``warning`` where there is nothing worse."""
        return "error" if any(fault.severity != "warning" for fault in self.errors) else "warning"


class RpcTimeout(NetconfError):
    """The server did not answer in time. It may still do what was asked; a late reply is dropped and counted."""

    code = "rpc-timeout"
    retryable = True


class LockLost(NetconfError):
    """A lock went with the connection that held it; what relied on it was not sent."""

    code = "lock-lost"
    retryable = True


class MalformedMessage(NetconfError):
    """A message is whole and no NETCONF. What it answered failed; the stream goes on."""

    code = "malformed-message"


class UnexpectedReply(NetconfError):
    """The server answered a request that nobody made. The stream goes on."""

    code = "unexpected-reply"


class NetconfEnded(NetconfError):
    """The NETCONF session is over, the SSH session is not. What was under way may have been done.

    The next call opens another one.
    """

    code = "netconf-ended"
    retryable = True


class HelloError(NetconfEnded):
    """The server sent no hello in time, or one without a session-id, or none that we have a version in common with."""

    code = "hello-error"
    retryable = False


class FramingError(NetconfEnded):
    """The stream is broken: what comes is no chunk, a message is too large. It is closed and never used again."""

    code = "framing-error"


class ForwardError(SessionError):
    """A forward cannot do what was asked. The session lives."""

    code = "forward-error"


class PortTaken(ForwardError):
    """A forward cannot listen there: the port or path is taken, or not ours to take; the message says by what."""

    code = "port-taken"


class ForwardRefused(ForwardError):
    """The far side will not listen there. It gives no reason."""

    code = "forward-refused"


class ForwardInUse(ForwardError):
    """Another forward of the session has this name."""

    code = "forward-in-use"


class UnknownForward(ForwardError):
    """No forward has this name."""

    code = "unknown-forward"


class TerminalError(SessionError):
    """A terminal cannot do what was asked. The session lives."""

    code = "terminal-error"


class TerminalEnded(TerminalError):
    """The program on the terminal has ended, or the terminal was closed; the message says which."""

    code = "terminal-ended"


class TerminalInUse(TerminalError):
    """Another terminal of the session has this name."""

    code = "terminal-in-use"


class TerminalLimit(TerminalError):
    """There are as many terminals, or viewers of this one, as there may be."""

    code = "terminal-limit"
    retryable = True


class UnknownTerminal(TerminalError):
    """No terminal has this name."""

    code = "unknown-terminal"


class PipeError(SessionError):
    """A pipe or the handler at its far end failed. The session lives; the pipe does not come back.

    Args:
        message: What happened, and what was in flight then.
        end: The handler's exit status and output, as far as they are known.
    """

    code = "pipe-error"

    def __init__(self, message: str, *, end: PipeEnd | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.end = end


class HandlerNotStarted(PipeError):
    """The handler did not acknowledge the pipe: no interpreter, script or module, or it gave up at its start."""

    code = "handler-not-started"


class HandlerEnded(PipeError):
    """The handler ended before the pipe was closed; the message says how many messages it had not dealt with."""

    code = "handler-ended"


class HandlerFailed(PipeError):
    """The handler raised an exception. Over a request, the pipe goes on.

    Args:
        message: The exception's name and message.
        remote_traceback: Its traceback at the far end, as text.
        end: As PipeError has it.
    """

    code = "handler-failed"

    def __init__(
        self, message: str, *, remote_traceback: str = "", end: PipeEnd | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, end=end, hint=hint)
        self.remote_traceback = remote_traceback


class PipeBroken(PipeError):
    """What came from the far end is no frame, or breaks the rules; the handler was sent TERM."""

    code = "pipe-broken"


class PipeTimeout(PipeError):
    """A deadline passed. After ``send`` nothing was sent, after ``request`` the answer is dropped when it comes."""

    code = "pipe-timeout"


class PipeClosed(PipeError):
    """The pipe was closed by us, or has not been started. Nothing was sent."""

    code = "pipe-closed"


class FileError(MooringError):
    """A file was not copied, read or written. Nothing half written stands under its name.

    Args:
        message: Why.
        path: The file's.
        where: The alias of the session whose file it is; empty for this machine.
    """

    code = "file-error"

    def __init__(self, message: str, *, path: str = "", where: str = "", hint: str | None = None) -> None:
        place = f"{where}:{self.shown(path)}" if where else self.shown(path)
        super().__init__(f"{place}: {message}" if path else f"{where}: {message}" if where else message, hint=hint)
        self.path = path
        self.where = where

    @staticmethod
    def shown(path: str) -> str:
        """A path on one line, made of what can be printed: a peer may have written it."""
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in path
        )


class FileMissing(FileError):
    """There is no such file, or no folder to put it into."""

    code = "file-missing"


class FileExists(FileError):
    """There is something of that name, and it was not to be replaced."""

    code = "file-exists"


class FileRefused(FileError):
    """Whoever logged in may not do this with the file."""

    code = "file-refused"


class DiskFull(FileError):
    """No space is left for the file, or its owner may use no more."""

    code = "disk-full"


class FileMismatch(FileError):
    """What arrived is not what was sent: the size or the checksum differs, or the source changed meanwhile."""

    code = "file-mismatch"
    retryable = True


class UnsafePath(FileError):
    """The peer names a file or a link that would lead out of the destination. It was not written."""

    code = "unsafe-path"


class FilesUnsupported(FileError):
    """The peer has no SFTP, and no SCP that would do."""

    code = "files-unsupported"


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


class AccessError(MooringError):
    """A door does not let you do this. Nothing was changed."""

    code = "access-error"


class Unauthenticated(AccessError):
    """The door does not know who you are: no token, a wrong or an expired one, another user's socket."""

    code = "unauthenticated"


class NotAllowed(AccessError):
    """The door knows who you are, and what you asked for is not granted to you."""

    code = "not-allowed"


class TokenInUse(AccessError):
    """Another token has this name."""

    code = "token-in-use"


class UnknownToken(AccessError, LookupError):
    """No token has this name."""

    code = "unknown-token"


class DaemonError(MooringError):
    """Something between us and the daemon is wrong."""

    code = "daemon-error"


class DaemonUnreachable(DaemonError):
    """No daemon answers there. What was under way when it went may have run."""

    code = "daemon-unreachable"
    retryable = True


class DaemonMismatch(DaemonError):
    """The daemon is of a version that we cannot talk to, or what answers there is no daemon of ours."""

    code = "daemon-mismatch"


class SlowReader(DaemonError):
    """The daemon ended a stream because it was not read fast enough."""

    code = "slow-reader"
    retryable = True


class StreamLimit(DaemonError):
    """You have as many streams of events as one may have who may not do everything."""

    code = "stream-limit"
    retryable = True


class StateError(MooringError):
    """The state directory cannot be used: another daemon has it, the disk is full, a newer version wrote it."""

    code = "state-error"


class UnknownRecording(MooringError, LookupError):
    """No recording has this id."""

    code = "unknown-recording"


class WaitTimeout(MooringError, TimeoutError):
    """A wait reached its deadline. What was waited for goes on."""

    code = "wait-timeout"
    retryable = True


class WrongThread(MooringError):
    """The blocking face was called from the thread of its own loop, where it would wait for itself."""

    code = "wrong-thread"
