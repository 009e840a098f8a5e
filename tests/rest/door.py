"""The REST door as its users find it: the daemon's server on a real socket, over a real pool, and a plain client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
from litestar.datastructures import State

import mooring
from mooring import Pool
from mooring.daemon.server import Server
from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.device import HostKey
from mooring.model.recording import RecordingSettings
from mooring.model.secret import Secret
from mooring.pool.callhome import CallHomeServer
from mooring.rest import Access, make_app
from mooring.service import Agents, Audit, Fleet, Homecoming, Recordings
from mooring.service.agents import EnrolmentMemory
from mooring.service.forwards import ForwardMemory
from mooring.service.homecoming import DeviceMemory
from mooring.service.roster import Memory
from mooring.service.tokens import TokenMemory, Tokens
from mooring.simulate import SimulatedHosts
from mooring.store.audit.trail import Trail
from mooring.store.recordings.archive import Archive
from mooring.wire.callhome import Claim
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd

TOKEN = "a-token-for-the-tests"
BOUND = 30.0
"""Seconds within which anything must answer here."""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:  # noqa: ANN401 - whatever JSON has
        """The body as JSON."""
        return json.loads(self.body)

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """The body, which must be problem details of this status and code."""
        assert self.status == status, self
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = self.value
        assert (found["status"], found["code"]) == (status, code), found
        assert found["type"] == f"urn:mooring:error:{code}"
        assert {"title", "detail", "retryable", "hint"} <= found.keys()
        return found


@dataclass
class Client:
    """One connection, one request after the other."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def connect(cls, where: int | Path, *, token: str | None = TOKEN) -> Self:
        """Connect to a port, or to a Unix socket."""
        if isinstance(where, int):
            reader, writer = await asyncio.open_connection("127.0.0.1", where, limit=2**26)
        else:
            reader, writer = await asyncio.open_unix_connection(where, limit=2**26)
        return cls(reader, writer, {"Authorization": f"Bearer {token}"} if token else {})

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """A request and its whole answer; bytes are sent as they are, anything else as JSON."""
        async with asyncio.timeout(BOUND):
            await self.send(method, path, body, headers)
            answer = await self.head()
            if "content-length" in answer.headers:
                answer.body = await self.reader.readexactly(int(answer.headers["content-length"]))
            elif "chunked" in answer.headers.get("transfer-encoding", ""):
                answer.body = b"".join([part async for part in self.parts()])
            return answer

    async def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str | None] | None = None
    ) -> None:
        """A request."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given: dict[str, str | None] = {"Host": "localhost", **self.headers, "Content-Length": str(len(data))}
        given |= headers or {}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in given.items() if text is not None)]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        await self.writer.drain()

    async def head(self) -> Answer:
        """The head of an answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        return Answer(int(head[0].split()[1]), {name.lower(): text for name, text in pairs}, b"")

    async def parts(self) -> AsyncIterator[bytes]:
        """The chunks of an answer, up to the last."""
        while size := int(await self.reader.readline(), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)

    def abort(self) -> None:
        """Go away without a word."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass
class Running:
    """The door, and what is behind it."""

    pool: Pool
    fleet: Fleet
    port: int
    path: Path
    server: Server
    state: State
    home: CallHomeServer

    @contextlib.asynccontextmanager
    async def client(self, *, unix: bool = False, token: str | None = TOKEN) -> AsyncIterator[Client]:
        """A client for the length of a block."""
        client = await Client.connect(self.path if unix else self.port, token=token)
        try:
            yield client
        finally:
            await client.close()

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        async with self.client() as client:
            return await client.ask(method, path, body, headers)

    async def hold_sshd(self, alias: str, sshd: Sshd, port: int | None = None) -> None:
        """A session to a real sshd, or to a port before it, that is up."""
        known = {"identity": [str(sshd.client_key)], "host_key": public_line(sshd.host_keys[0]), "agent_path": None}
        await self.pool.start(f"{alias}://{sshd.user}@127.0.0.1:{port or sshd.port}", **known)
        await self.pool[alias].wait_up(timeout=BOUND)

    def waiting(self, name: str, *, rejected: bool = False) -> str:
        """A device that called home and waits; its id."""
        key = HostKey(f"ssh-ed25519 {base64.b64encode(name.encode()).decode()}")
        pending, _ = self.home.roll.waiting.add(Claim(device_id=name), key, "127.0.0.1:1", "not known", 1.0)
        if rejected:
            self.home.reject(pending.id)
        return pending.id

    async def idle(self) -> None:
        """Wait until no connection and no channel is left."""
        async with asyncio.timeout(BOUND):
            while self.server.connections or any(  # noqa: ASYNC110 - no event tells of it
                session.status().channels.open for session in self.pool.sessions
            ):
                await asyncio.sleep(0.01)

    async def hold(self, hosts: SimulatedHosts, *aliases: str, **options: Any) -> None:
        """Sessions to simulated hosts that are up: the first alias to the first host, and so on."""
        for alias, host in zip(aliases, hosts, strict=False):
            known = {"host_key": hosts.public_key, "agent_path": None, "username": "anybody", **options}
            await self.pool.start(f"{alias}://{host.address}:{host.port}", **known)
        for alias in aliases:
            await self.pool[alias].wait_up(timeout=BOUND)


READER = "a-token-that-may-only-read"
RUNNER = "a-token-that-may-run-on-web1"


def tokens() -> list[tuple[Secret, Actor]]:
    """Who the tests' tokens are of."""
    some = Grant(selector="web*", actions=frozenset({Action.READ}))
    one = Grant(selector="web1", actions=frozenset({Action.READ, Action.RUN}))
    return [
        (Secret(TOKEN), Actor(name="tests", door="tcp", grants=(ADMIN,))),
        (Secret(READER), Actor(name="reader", door="tcp", grants=(some,))),
        (Secret(RUNNER), Actor(name="runner", door="tcp", grants=(one,))),
    ]


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    access: Access | None = None,
    memory: Memory | None = None,
    *,
    devices: DeviceMemory | None = None,
    kept: ForwardMemory | None = None,
    enrolments: EnrolmentMemory | None = None,
    named: TokenMemory | None = None,
    restored: bool = True,
    audit: Audit | None = None,
    recordings: Recordings | None = None,
    **options: Any,
) -> AsyncIterator[Running]:
    """The door on a free port and on a Unix socket in a folder; keywords as ``make_app`` has them."""
    key = folder / "agent_key"
    async with Pool(config=None) as pool, CallHomeServer("127.0.0.1", 0, pool=pool, agent_key=key) as home:
        fleet = Fleet(
            pool,
            memory,
            Homecoming(home, devices),
            kept,
            agents=Agents(home, enrolments),
            tokens=Tokens(named),
            audit=audit,
            recordings=recordings,
        )
        if restored:
            await fleet.restore([])
        app = make_app(
            fleet, access or Access(tokens(), named=fleet.tokens, audit=audit), version=mooring.__version__, **options
        )
        server = Server(app)
        with (
            # asyncio sets TCP_NODELAY on what comes from a socket that says that it is TCP.
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as tcp,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
        ):
            path = folder / "s"
            unix.bind(str(path))
            unix.listen()
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            await server.start(tcp)
            await server.start(unix)
            try:
                yield Running(pool, fleet, tcp.getsockname()[1], path, server, app.inside.state, home)
            finally:
                await server.stop(0.1, 1.0)


@contextlib.asynccontextmanager
async def recording(folder: Path) -> AsyncIterator[Audit]:
    """An audit trail in a folder."""
    trail = await Trail.open(folder)
    try:
        yield Audit(trail)
    finally:
        await trail.aclose()


@contextlib.asynccontextmanager
async def taping(folder: Path, **settings: Any) -> AsyncIterator[Recordings]:
    """Recordings of terminals in a folder; keywords as ``RecordingSettings`` has them."""
    settings = {"enabled": True, "free_mib": 1, **settings}
    archive = await Archive.open(folder, RecordingSettings(**settings))
    try:
        yield Recordings(archive, RecordingSettings(**settings))
    finally:
        await archive.aclose()


def processes(marker: str) -> list[psutil.Process]:
    """Processes whose command line holds the marker as a word."""
    return [process for process in psutil.process_iter(["cmdline"]) if marker in (process.info["cmdline"] or [])]


async def until_process(marker: str, *, there: bool) -> None:
    """Wait until such a process is there, or gone."""
    async with asyncio.timeout(BOUND):
        while bool(processes(marker)) is not there:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)
