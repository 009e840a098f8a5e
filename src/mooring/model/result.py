"""What a command came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from .errors import MooringError

__all__ = ["CommandResult", "Output", "PipeEnd", "RpcFault", "RunOutcome", "TerminalEnd"]


Output = TypeVar("Output", str, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult(Generic[Output]):
    """What one command on one session came to.

    Attributes:
        alias: The session it ran on.
        command: The command line as sent.
        stdout: What it printed on standard output: text, or bytes where ``encoding=None`` was asked.
        stderr: The same for standard error.
        exit_status: 0 to 255; -1 when a signal ended it (RFC 4254 section 6.10); None where the peer told of no
            end: inside a ``CommandTimeout``, and from the devices that never tell.
        exit_signal: The signal's name without ``SIG`` when one ended it, else None.
        duration: Seconds from the call to the end, waiting for a channel slot included.
        dropped: Bytes of output beyond ``max_output`` that were read and not kept.
    """

    alias: str
    command: str
    stdout: Output
    stderr: Output
    exit_status: int | None
    exit_signal: str | None = None
    duration: float = 0.0
    dropped: int = 0

    @property
    def exit_code(self) -> int | None:
        """``exit_status`` under the name that shells and sshpool's REST API give it."""
        return self.exit_status

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.exit_status == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcFault:
    """One ``rpc-error`` of a NETCONF server (RFC 6241 section 4.3); what it left out is empty.

    Attributes:
        type: ``transport``, ``rpc``, ``protocol`` or ``application``.
        tag: What went wrong, as the RFC's appendix A names it: ``lock-denied``, ``data-missing``.
        severity: ``error`` or ``warning``.
        app_tag: The server's or the data model's own name for it.
        path: The XPath of the node at fault.
        message: The server's words.
        info: More, as XML text: the ``error-info`` element.
    """

    type: str = ""
    tag: str = ""
    severity: str = "error"
    app_tag: str = ""
    path: str = ""
    message: str = ""
    info: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """One session's part of a fan-out: a result or an error, never both and never neither.

    Attributes:
        alias: The session.
        result: What the command came to, whatever its exit status; None where it could not be run.
        error: Why it could not; None where it ran.
    """

    alias: str
    result: CommandResult[Any] | None = None
    error: MooringError | None = None

    @property
    def ok(self) -> bool:
        """Whether the command ran and ended with status 0."""
        return self.result is not None and self.result.ok


class PipeEnd(NamedTuple):
    """How the handler at the far end of a pipe ended: ``code, stdout, stderr = await pipe.close()``.

    Attributes:
        exit_status: 0 to 255; -1 when a signal ended it; None where the peer told of no end.
        stdout: What it printed, as text; of very much, the last MiB.
        stderr: The same for standard error.
    """

    exit_status: int | None
    stdout: str
    stderr: str


class TerminalEnd(NamedTuple):
    """How the program on a terminal ended.

    Attributes:
        exit_status: 0 to 255; -1 when a signal ended it; None where the peer told of no end.
        exit_signal: The signal's name without ``SIG`` when one ended it, else None.
    """

    exit_status: int | None
    exit_signal: str | None
