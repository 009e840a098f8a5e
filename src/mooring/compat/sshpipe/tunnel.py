"""sshpipe's tunnel: an SSHPipe that insists on being alive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .pipe import SSHPipe

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

__all__ = ["SSHTunnel"]


class SSHTunnel:
    """Messages to a receiver on a remote host.

    Args:
        remote: As SSHPipe has ``host``.
        receiver: As SSHPipe has ``command``.
        name: As SSHPipe has it.
        logger: Likewise.
    """

    def __init__(
        self,
        remote: str,
        receiver: str | Sequence[str],
        name: str | None = None,
        logger: logging.Logger | None = None,
        **options: Any,
    ) -> None:
        self._agent = SSHPipe(remote, receiver, name=name, logger=logger, **options)
        self._started = self._closed = False

    def start(self, wait: float = 1) -> Self:
        """Start the receiver.

        Raises:
            RuntimeError: It did not start.
        """
        self._agent.start(wait)
        if not self._agent.is_alive():
            raise RuntimeError("SSHAgent is not alive.") from None
        self._started = True
        return self

    def pid(self) -> int | None:
        """The receiver's process id at the far end."""
        return self._agent.pid

    def send(self, message: object, pack: bool = True) -> None:  # noqa: FBT001, FBT002 - the old signature
        """Send a message, as SSHPipe.

        Raises:
            RuntimeError: It was not started.
        """
        if not self._started:
            raise RuntimeError("Attempted send() without starting the tunnel.")
        self._agent.send(message, pack=pack)

    def is_alive(self) -> bool:
        """Whether the receiver is there."""
        return self._agent.is_alive()

    def response(self) -> tuple[int, str, str] | None:
        """How the receiver ended.

        Raises:
            RuntimeError: The tunnel was not closed.
        """
        if not self._closed:
            raise RuntimeError("Attempted response() without closing the tunnel.")
        return self._agent.response()

    def close(self, msg: object = None) -> None:
        """Tell the receiver to end, and wait until it has."""
        self._agent.close(msg)
        self._closed = True
