"""AsyncSSH's private names once more: what a channel holds back for a slow reader stays within its window.

AsyncSSH gives the peer its whole window anew as soon as the first of what it held back is taken. Whoever takes a part
and pauses again, over and over, has it hold more each time, without end. Imported, this mends it for every channel.
"""

from __future__ import annotations

from typing import Any, Final

from asyncssh.channel import SSHChannel
from asyncssh.constants import MSG_CHANNEL_WINDOW_ADJUST
from asyncssh.packet import UInt32

__all__ = ["deliver"]

_deliver: Final = SSHChannel._deliver_data  # noqa: SLF001


def deliver(channel: Any, data: bytes, datatype: int | None) -> None:
    """``SSHChannel._deliver_data``, which renews the window (RFC 4254 section 5.2) only when nothing is held back."""
    if not channel._recv_buf:  # noqa: SLF001
        _deliver(channel, data, datatype)
        return
    missing = channel._init_recv_window - channel._recv_window  # noqa: SLF001
    channel._recv_window += missing  # noqa: SLF001 - as if there were nothing to renew
    try:
        _deliver(channel, data, datatype)
    finally:
        channel._recv_window -= missing  # noqa: SLF001
    if not channel._recv_buf:  # noqa: SLF001 - whoever was given it had the rest delivered meanwhile
        _renew(channel)


def _renew(channel: Any) -> None:
    adjust = channel._init_recv_window - channel._recv_window  # noqa: SLF001
    if adjust > channel._init_recv_window / 2 and channel._recv_state == "open":  # noqa: SLF001
        channel.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(adjust))
        channel._recv_window += adjust  # noqa: SLF001


SSHChannel._deliver_data = deliver  # type: ignore[assignment, method-assign] # noqa: SLF001
