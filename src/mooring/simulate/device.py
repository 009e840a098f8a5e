"""Simulated devices that call home: they dial, say the preamble, and are SSH servers on what they dialed.

Like Junos they log a user in by password, answer ``show`` commands and NETCONF, and call again when the connection
is gone. Each has a host key and a serial number of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import asyncssh

from .candidate import Candidate
from .profile import Profile
from .terminal import Program, Terminal, program

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from .datastores import Datastores

__all__ = ["SimulatedDevice", "SimulatedDevices"]

_END: Final = b"]]>]]>"
_MOST: Final = 16 * 1024 * 1024


@dataclass(eq=False)
class SimulatedDevice:
    """One device, and what happened to it.

    Attributes:
        device_id: What it calls itself; also its host name.
        serial: Its serial number.
        host_key: The key that it shows.
        calls: How often it dialed and was accepted.
        greeted: NETCONF sessions that it began; they are numbered from 1.
        logins: User names and passwords that it was sent.
        says: Its preamble, where that is not made of what it is; None for an honest one.
        up: Set while somebody is logged in.
        connections: All that it has.
        files: What was copied to it by SCP, by path.
    """

    device_id: str
    serial: str
    host_key: asyncssh.SSHKey = field(repr=False)
    calls: int = 0
    greeted: int = 0
    says: bytes | None = field(default=None, repr=False)
    logins: list[tuple[str, str]] = field(default_factory=list, repr=False)
    up: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    candidate: Candidate | Datastores = field(default_factory=Candidate, repr=False)
    connection: asyncssh.SSHServerConnection | None = field(default=None, repr=False)
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set, repr=False)
    files: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def public_key(self) -> str:
        """Its host key's public half, as type and base64."""
        return " ".join(self.host_key.export_public_key().decode().split()[:2])

    @property
    def values(self) -> dict[str, str]:
        """What stands for the names in a profile."""
        number = int(hashlib.sha256(self.serial.encode()).hexdigest()[:6], 16)
        mac = ":".join(f"{number >> shift & 0xFF:02x}" for shift in (16, 8, 0))
        return {
            "hostname": self.device_id,
            "device_id": self.device_id,
            "serial": self.serial,
            "mac": f"f0:4b:3a:{mac}",
            "address": f"192.168.{number >> 8 & 0xFF}.{number & 0xFF}",
        }

    def preamble(self, secret: str | None = None) -> bytes:
        """What it says before SSH."""
        if self.says is not None:
            return self.says
        lines = ["MSG-ID: DEVICE-CONN-INFO", "MSG-VER: V1", f"DEVICE-ID: {self.device_id}"]
        if secret is not None:
            digest = hmac.new(secret.encode(), self.public_key.encode(), hashlib.sha1).hexdigest()
            lines += [f"HOST-KEY: {self.public_key}\0", f"HMAC: {digest}"]
        return "".join(f"{line}\r\n" for line in lines).encode()


@dataclass(eq=False)
class SimulatedDevices:
    """A number of devices that call, from entering to leaving; ``devices[0]`` is the first of them.

    Args:
        host: Whom they call.
        port: Likewise.
        count: How many.
        name: Their ids are this and a number.
        preamble: Whether they say one; devices that follow RFC 8071 do not.
        secret: The secret of ``outbound-ssh``; None for a preamble without HOST-KEY and HMAC.
        user: Who may log in.
        password: By which password.
        key_type: Of their host keys; RSA keys, as Junos has them, take a tenth of a second to make.
        profile: What they answer; see ``Profile``.
        reconnect: Seconds until one calls again; Junos waits 15.
        source: The address they call from; None for any.
    """

    host: str
    port: int
    count: int = 1
    name: str = "device"
    preamble: bool = True
    secret: str | None = field(default=None, repr=False)
    user: str = "admin"
    password: str = field(default="juniper123", repr=False)
    key_type: str = "ssh-ed25519"
    profile: Profile = field(default_factory=Profile, repr=False)
    reconnect: float = 15.0
    source: str | None = None

    def __post_init__(self) -> None:
        self.devices = [
            SimulatedDevice(
                f"{self.name}{number}",
                f"JX{number:010}",
                asyncssh.generate_private_key(self.key_type),
                candidate=self.profile.configuration(),
            )
            for number in range(1, self.count + 1)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        return len(self.devices)

    def __getitem__(self, index: int) -> SimulatedDevice:
        return self.devices[index]

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run(device), name=device.device_id) for device in self.devices]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Cut every connection; they call again."""
        for device in self.devices:
            if device.connection is not None:
                device.connection.abort()

    async def _run(self, device: SimulatedDevice) -> None:
        """Call, serve, and call again, until cancelled."""
        while True:
            with contextlib.suppress(OSError, asyncssh.Error):
                await self._call(device)
            await asyncio.sleep(self.reconnect)

    async def _call(self, device: SimulatedDevice) -> None:
        sock = await self._dial()
        try:
            if self.preamble:
                await asyncio.get_running_loop().sock_sendall(sock, device.preamble(self.secret))
            device.calls += 1
            connection = await asyncssh.run_server(sock, **self._options(device))
        except BaseException:
            sock.close()
            raise
        device.connection = connection
        device.up.set()
        try:
            await connection.wait_closed()
        finally:
            device.connection = None
            device.up.clear()
            connection.abort()

    @contextlib.asynccontextmanager
    async def listening(self, number: int = 0) -> AsyncGenerator[int]:
        """Have one of them wait to be dialed, in place of calling, and give its port on ``host``."""
        device = self.devices[number]
        acceptor = await asyncssh.listen(self.host, 0, **self._options(device))
        try:
            yield acceptor.get_port()
        finally:
            acceptor.close()
            while device.connections:
                connection = device.connections.pop()
                connection.abort()
                await connection.wait_closed()
            await acceptor.wait_closed()

    def _options(self, device: SimulatedDevice) -> dict[str, Any]:
        return {
            "config": None,
            "server_factory": lambda: _Server(self, device),
            "server_host_keys": [device.host_key],
            "gss_host": None,
            "encoding": None,
            "line_editor": False,
            "login_timeout": 60,
        }

    async def _dial(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)  # noqa: FBT003 - socket's own
            if self.source is not None:
                sock.bind((self.source, 0))
            await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
        except BaseException:
            sock.close()
            raise
        return sock


class _Server(asyncssh.SSHServer):
    """One connection of a device."""

    def __init__(self, devices: SimulatedDevices, device: SimulatedDevice) -> None:
        self._devices = devices
        self._device = device

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._device.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._device.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        self._device.logins.append((username, ""))
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._device.logins.append((username, password))
        return (username, password) == (self._devices.user, self._devices.password)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Session(self._devices.profile, self._device, self._devices.user)


class _Session(asyncssh.SSHServerSession[bytes]):
    """One command or terminal, or NETCONF with base:1.0 framing (RFC 6242 section 4.3)."""

    _chan: asyncssh.SSHServerChannel[bytes]

    def __init__(self, profile: Profile, device: SimulatedDevice, user: str) -> None:
        self._profile = profile
        self._user = user
        self._device = device
        self._command: str | None = None
        self._program: Program | None = None
        self._buffer = b""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command
        self._program = program(command, self._device.files)
        return True

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:  # noqa: ANN401 - AsyncSSH's
        del term_type, term_size, term_modes
        return True

    def shell_requested(self) -> bool:
        name = f"{self._user}@{self._device.device_id}"
        self._program = Terminal(name, lambda line: self._profile.show(line, self._device.values), self._device.files)
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "netconf"

    def session_started(self) -> None:
        if self._program is not None:
            self._chan.write(self._program.begin())
            return
        if self._command is None:
            self._device.greeted += 1
            self._chan.write(f"{self._profile.hello(self._device.greeted)}\n]]>]]>\n".encode())
            return
        text = self._profile.show(self._command, self._device.values)
        if text is None:
            self._chan.write_stderr(b"error: unknown command\n")
        else:
            self._chan.write(text.encode())
        self._chan.exit(0 if text is not None else 1)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        del datatype
        if self._program is not None:
            self._chan.write(self._program.feed(data))
            if self._program.status is not None:
                self._chan.exit(self._program.status)
            return
        if self._command is not None:
            return
        self._buffer += data
        while _END in self._buffer:
            message, _, self._buffer = self._buffer.partition(_END)
            self._take(message.decode(errors="replace"))
        if len(self._buffer) > _MOST:
            self._chan.close()

    def eof_received(self) -> bool:
        if self._program is not None:
            self._chan.exit(self._program.status or 0)
        return False

    def _take(self, message: str) -> None:
        reply = self._profile.reply(message, self._device.values, self._device.candidate)
        if reply is not None:
            self._chan.write(f"{reply}\n]]>]]>\n".encode())
            if "close-session" in message:
                self._chan.exit(0)
        elif "hello" not in message:
            self._chan.close()
