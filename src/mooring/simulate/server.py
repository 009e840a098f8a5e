"""The SSH server side of a simulated host: who is let in, and one command per channel.

A bare :class:`asyncssh.SSHServerSession` on a raw channel, since this is the peer in benchmarks: what it costs
beyond AsyncSSH itself is a table look-up and a write.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import asyncssh

from .commands import Answer, Copy, Pour, Sleep, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .commands import Action
    from .hosts import SimulatedHost, SimulatedHosts

__all__ = ["serve"]

_CHUNK: Final = bytes(range(256)) * 128  # what `bytes N` prints, over and over


def serve(hosts: SimulatedHosts) -> asyncssh.SSHServer:
    """The server side of one connection that is being made to one of the hosts."""
    return _Server(hosts)


class _Server(asyncssh.SSHServer):
    """One connection to a simulated host."""

    def __init__(self, hosts: SimulatedHosts) -> None:
        self._hosts = hosts
        self._authenticated = False
        self._judged: set[bytes] = set()
        self._open = 0
        self._opened = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._hosts.live.add(conn)
        self._host = self._listener = self._hosts.reached(conn.get_extra_info("sockname")[1])
        self._listener.handshakes += 1
        self._listener.peak_handshakes = max(self._listener.peak_handshakes, self._listener.handshakes)
        self._arrive(self._host, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._hosts.live.discard(self._conn)
        self._host.live -= 1
        if not self._authenticated:
            self._listener.handshakes -= 1

    def begin_auth(self, username: str) -> bool:
        host = self._hosts.meant(self._listener, username)
        if host is not self._host:
            self._arrive(self._host, -1)
            self._arrive(host, 1)
            self._host = host
        hosts = self._hosts
        needed = hosts.password is not None or bool(hosts.answers) or bool(hosts.trusted)
        return needed or not self._welcome(username)

    def auth_completed(self) -> None:
        self._authenticated = True
        self._listener.handshakes -= 1

    def password_auth_supported(self) -> bool:
        return self._hosts.password is not None

    def validate_password(self, username: str, password: str) -> bool:
        self._host.auth_attempts += 1
        return self._welcome(username) and password == self._hosts.password

    def kbdint_auth_supported(self) -> bool:
        return bool(self._hosts.answers)

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        del username, lang, submethods
        return "", "", "", [(prompt, False) for prompt in self._hosts.answers]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        self._host.auth_attempts += 1
        return self._welcome(username) and list(responses) == list(self._hosts.answers.values())

    def public_key_auth_supported(self) -> bool:
        return bool(self._hosts.trusted)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        data = key.public_data
        if data not in self._judged:  # it is asked about first, then used to sign
            self._judged.add(data)
            self._host.auth_attempts += 1
        return self._welcome(username) and data in self._hosts.trusted

    def session_requested(self) -> asyncssh.SSHServerSession[bytes] | bool:
        hosts = self._hosts
        full = hosts.max_sessions is not None and self._open >= hosts.max_sessions
        spent = hosts.refuse_channels_after is not None and self._opened >= hosts.refuse_channels_after
        if full or spent:
            return False
        self._open += 1
        self._opened += 1
        self._host.channels += 1
        self._host.peak_channels = max(self._host.peak_channels, self._host.channels)
        return _Session(hosts, self._host, self)

    def session_ended(self) -> None:
        """A channel is closed on both sides."""
        self._open -= 1
        self._host.channels -= 1

    def _welcome(self, username: str) -> bool:
        return self._hosts.user in (None, username)

    def _arrive(self, host: SimulatedHost, count: int) -> None:
        host.connections += count
        host.live += count


class _Session(asyncssh.SSHServerSession[bytes]):
    """One command."""

    _chan: asyncssh.SSHServerChannel[bytes]
    _action: Action

    def __init__(self, hosts: SimulatedHosts, host: SimulatedHost, server: _Server) -> None:
        self._hosts = hosts
        self._host = host
        self._server = server
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0
        self._full = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._cancel()
        self._server.session_ended()

    def exec_requested(self, command: str) -> bool:
        self._host.commands += 1
        self._action = decide(command, self._host.name)
        return True

    def session_started(self) -> None:
        if self._hosts.latency:
            self._after(self._hosts.latency, self._act)
        else:
            self._act()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        del datatype
        if isinstance(self._action, Copy):
            self._chan.write(data)

    def eof_received(self) -> bool:
        if isinstance(self._action, Copy):
            self._exit(0)
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        self._full = True
        if isinstance(self._action, Copy):
            self._chan.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        if isinstance(self._action, Copy):
            self._chan.resume_reading()
        elif self._left:
            self._pour()

    def signal_received(self, signal: str) -> None:
        if not self._hosts.ignore_signals:
            self._cancel()
            self._left = 0
            self._chan.exit_with_signal(signal)

    def _act(self) -> None:
        match self._action:
            case Answer(stdout, stderr, status):
                if stdout:
                    self._chan.write(stdout)
                if stderr:
                    self._chan.write_stderr(stderr)
                self._exit(status)
            case Sleep(seconds):
                self._after(seconds, self._exit, 0)
            case Pour(size):
                self._left = size
                self._pour()
            case Copy():
                pass  # as data come

    def _pour(self) -> None:
        while self._left and not self._full:
            size = min(self._left, len(_CHUNK))
            self._left -= size
            self._chan.write(_CHUNK[:size])
        if not self._left:
            self._exit(0)

    def _exit(self, status: int) -> None:
        if self._hosts.exit_without_status:
            self._chan.close()
        else:
            self._chan.exit(status)

    def _after(self, seconds: float, call: Callable[..., None], *arguments: int) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, call, *arguments)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
