"""What answers as a ``paramiko.SSHClient`` that is connected already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .channels import Channel, Transport
    from .files import ChannelFile

__all__ = ["Client"]


class Client:
    """What answers as a ``paramiko.SSHClient`` that is connected already.

    Args:
        transport: Over which.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._channels: list[Channel] = []

    def get_transport(self) -> Transport:
        """Its connection."""
        return self._transport

    def invoke_shell(self, term: str = "vt100", width: int = 80, height: int = 24, *_: object, **__: object) -> Channel:
        """A shell on a terminal."""
        channel = self._channel()
        channel.get_pty(term, width, height)
        channel.invoke_shell()
        return channel

    def exec_command(
        self,
        command: str,
        bufsize: int = -1,
        timeout: float | None = None,
        get_pty: bool = False,  # noqa: FBT001, FBT002 - paramiko's
        environment: Mapping[str, str] | None = None,
    ) -> tuple[ChannelFile, ChannelFile, ChannelFile]:
        """A command's standard input, output and error, as files."""
        channel = self._channel()
        if get_pty:
            channel.get_pty()
        channel.settimeout(timeout)
        channel.update_environment(environment or {})
        channel.exec_command(command)
        return (
            channel.makefile_stdin("wb", bufsize),
            channel.makefile("r", bufsize),
            channel.makefile_stderr("r", bufsize),
        )

    def open_sftp(self) -> Any:  # noqa: ANN401 - paramiko's
        """paramiko's SFTPClient."""
        return self._transport.open_sftp_client()

    def _channel(self) -> Channel:
        channel = self._transport.open_session()
        self._channels.append(channel)
        return channel

    def close(self) -> None:
        """Close its channels; the connection stays."""
        channels, self._channels = self._channels, []
        for channel in channels:
            channel.close()
