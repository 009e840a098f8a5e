"""The description of the API is true: every problem that an operation names is provoked, and none other is seen."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest

from mooring.model import errors
from mooring.model.access import ADMIN, Action, Actor
from mooring.model.device import Device, Pending
from mooring.model.enrolment import Enrolment
from mooring.model.errors import MooringError, StateError
from mooring.model.forward import KeptForward
from mooring.model.status import SessionState
from mooring.model.target import Target
from mooring.model.token import KeptToken
from mooring.rest.app import make_app
from mooring.rest.openapi import Described, document
from mooring.rest.problems import PLAIN
from mooring.rest.reading import MAX_BODY, RpcBody
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.session.netconf.scripted import Act, Channel, ScriptedServer, hello, obey, reply

from .door import BOUND, Answer, Running, recording, running, taping
from .door import TOKEN as BEARER

pytestmark = pytest.mark.anyio

Provoke = Callable[["Troubled"], Awaitable[Answer]]
RUN = ("post", "/v1/sessions/{alias}/run")
FORWARD = ("post", "/v1/forwards")
TOKEN = ("post", "/v1/tokens")
CREATED = {"name": "two", "actions": ["read"], "selector": "all", "expires_in": 60}
FORWARDED = {"alias": "up", "kind": "local", "listen": 0, "destination": "127.0.0.1:1"}
APPROVE = ("post", "/v1/pending/{id}/approve")
APPROVED = {"alias": "core1", "username": "admin", "password": "x"}
AGENT = ("post", "/v1/agent-tokens")
AGENTS = {"agent_id": "web1"}
COPY = ("post", "/v1/copy")
COPIED = {"sources": [{"session": "up", "path": "a"}], "target": {"session": "up", "path": "b"}}
TRUST = "POST /v1/sessions/{alias}/trust"
START = {"target": "new://127.0.0.1:1"}


class FullDisk:
    """A memory that keeps nothing once it is full."""

    full = False

    async def remember(self, target: Target) -> None:
        self._check(target.alias)

    async def forget(self, alias: str, name: str | None = None) -> None:
        self._check(alias)

    async def expect(self, enrolment: Enrolment) -> None:
        self._check(enrolment.alias)

    async def keep(self, what: KeptForward | KeptToken) -> None:
        self._check(what.token.name if isinstance(what, KeptToken) else what.alias)

    async def kept(self) -> list[Any]:
        return []

    async def approve(self, device: Device, pending_id: str) -> None:
        self._check(f"{device.target.alias}, {pending_id}")

    async def reject(self, pending: Pending) -> None:
        self._check(pending.id)

    async def trust(self, device_id: str, pending: Pending) -> None:
        self._check(f"{device_id}, {pending.id}")

    async def drop(self, pending_id: str) -> None:
        self._check(pending_id)

    def _check(self, alias: str) -> None:
        if self.full:
            raise StateError(f"{alias} cannot be kept: the disk is full")


class Troubled:
    """A door over up, down and parked sessions, one with NETCONF, and the means to make trouble."""

    def __init__(self, door: Running, hosts: SimulatedHosts, memory: FullDisk, scripted: ScriptedServer) -> None:
        self.door = door
        self.hosts = hosts
        self.memory = memory
        self.scripted = scripted
        self.waiting = door.waiting("device1")
        door.home.agent_token("expected")
        door.home.add("core9://admin@device9")
        self.configured = door.waiting("device9")

    async def ask(self, operation: tuple[str, str], body: object = None, query: str = "", **headers: str) -> Answer:
        """Call an operation, on the session ``up`` where none is named, or ``nc`` for NETCONF."""
        method, path = operation
        if "/recordings/{id}" in path:
            path = path.replace("{id}", self.recording(over=True))
        path = (
            path.replace("{alias}", "nc" if "/netconf" in path else "up")
            .replace("{id}", self.configured if "/trust" in path else self.waiting)
            .replace("{name}", "one")
            .replace("{agent_id}", "expected")
        )
        return await self.door.ask(method.upper(), path + query, body, headers)

    async def scripted_ask(
        self, operation: tuple[str, str], act: Act, query: str = "", *, subsystem: bool = True
    ) -> Answer:
        """Call an operation on ``nc`` while its server does something."""
        self.scripted.act, self.scripted.subsystem = act, subsystem
        return await self.ask(operation, b"<get/>" if operation[0] == "post" else None, query)

    async def full(self, operation: tuple[str, str], body: object = None, query: str = "") -> Answer:
        """Call it while the disk is full."""
        self.memory.full = True
        try:
            return await self.ask(operation, body, query)
        finally:
            self.memory.full = False

    async def untrusted(self, known_hosts: str = "/dev/null/none") -> Answer:
        """Trust the key of a host; by default that cannot be written down."""
        options = {"known_hosts": known_hosts, "agent_path": None, "username": "x"}
        session = await self.door.pool.start(f"new1://{self.hosts[0].address}:{self.hosts[0].port}", **options)
        async with asyncio.timeout(BOUND):
            while session.state is not SessionState.PARKED:
                await session.wait_change()
        body = {"fingerprint": session.status().offered_key}
        return await self.door.ask("POST", "/v1/sessions/new1/trust", body)

    async def without_trail(self, operation: tuple[str, str]) -> Answer:
        """Call it of a daemon that records nothing."""
        audit = self.door.fleet.audit
        trail, audit._trail = audit._trail, None  # noqa: SLF001 - it is given at the begin
        try:
            return await self.ask(operation)
        finally:
            audit._trail = trail  # noqa: SLF001 - likewise

    def recording(self, *, over: bool) -> str:
        """One that goes on, or has ended."""
        return next(one.id for one in self.door.fleet.recordings.list(ROOT) if (one.seconds is None) is not over)

    async def without_archive(self, operation: tuple[str, str]) -> Answer:
        """Call it of a daemon that records no terminals."""
        recordings = self.door.fleet.recordings
        path = operation[1].replace("{id}", self.recording(over=True))
        archive, recordings._archive = recordings._archive, None  # noqa: SLF001 - it is given at the begin
        try:
            return await self.ask((operation[0], path))
        finally:
            recordings._archive = archive  # noqa: SLF001 - likewise

    async def without_key(self, operation: tuple[str, str]) -> Answer:
        """Call it while the key to log in to agents with cannot be used."""
        agents = self.door.home.agents
        agents.identity, kept = Path("/dev/null/key"), agents.identity
        agents._key = None  # noqa: SLF001 - it is read once
        try:
            return await self.ask(operation)
        finally:
            agents.identity = kept

    async def early(self) -> Answer:
        """Ask a daemon that has just been started."""
        with tempfile.TemporaryDirectory() as folder:
            async with running(Path(folder), restored=False) as door:
                return await door.ask("GET", "/readyz")

    async def lost(self) -> Answer:
        """Run a command whose link is cut."""
        async with FaultyLink("127.0.0.1", self.hosts[0].port) as link, self.door.client() as client:
            known = {"host_key": self.hosts.public_key, "agent_path": None, "username": "x"}
            session = await self.door.pool.start(f"lost://127.0.0.1:{link.port}", **known)
            await session.wait_up(timeout=BOUND)
            asking = asyncio.create_task(client.ask("POST", "/v1/sessions/lost/run", {"command": "sleep 60"}))
            while not session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
            await session.run("true")  # behind it: it has begun by then
            link.cut()
            return await asking


def op(text: str) -> tuple[str, str]:
    method, path = text.split()
    return method.lower(), path


def on_open(do: Callable[[Channel], None]) -> Act:
    """A server that does something when a channel opens."""
    return lambda channel, message: None if message else do(channel)


def on_get(do: Callable[[Channel], None]) -> Act:
    """A good server, but when it is asked something."""
    return lambda channel, message: do(channel) if "<get" in message else obey(channel, message)


def without_notifications(channel: Channel, message: str) -> None:
    """A server that offers nothing."""
    if message:
        obey(channel, message)
    else:
        channel.write(hello())


def refusing(channel: Channel, message: str) -> None:
    """A server that offers notifications and refuses everything."""
    found = re.search(r'message-id="(\w+)"', message)
    if found:
        channel.write(reply(found[1], "<rpc-error><error-tag>operation-failed</error-tag></rpc-error>"))
    elif not message:
        channel.write(hello(1, "urn:ietf:params:netconf:capability:notification:1.0"))


def opening(name: str) -> dict[str, Provoke]:
    """What opening a NETCONF channel may come to."""
    method, path = op(name)
    body = b"<get/>" if method == "post" else None
    return {
        "unknown-alias": lambda x: x.ask((method, path.replace("{alias}", "nobody")), body),
        "session-parked": lambda x: x.ask((method, path.replace("{alias}", "parked")), body),
        "session-not-up": lambda x: x.ask((method, path.replace("{alias}", "down")), body),
        "channel-refused": lambda x: x.scripted_ask((method, path), obey, subsystem=False),
        "hello-error": lambda x: x.scripted_ask((method, path), on_open(lambda channel: channel.close())),
    }


def files(method: str) -> dict[str, Provoke]:
    """What asking for a file may come to on hosts that have none."""
    path = "/v1/sessions/{alias}/files"

    def on(alias: str) -> Provoke:
        return lambda x: x.ask((method, path.replace("{alias}", alias)), query="?path=a")

    return {
        "invalid-input": lambda x: x.ask((method, path)),
        "unknown-alias": on("nobody"),
        "session-parked": on("parked"),
        "session-not-up": on("down"),
        "files-unsupported": on("up"),
    }


NETCONF = "GET /v1/sessions/{alias}/netconf"
RPC = "POST /v1/sessions/{alias}/netconf/rpc"
HOLD = "GET /v1/sessions/{alias}/netconf/channel"
RECORDING = "GET /v1/recordings/{id}"
NOTIFICATIONS = "GET /v1/sessions/{alias}/netconf/notifications"


async def too_many_forwards(troubled: Troubled) -> Answer:
    """One more than a session may have."""
    answers = [await troubled.ask(FORWARD, FORWARDED) for _ in range(100)]
    return answers[-1]


PROVOKED: dict[str, dict[str, Provoke]] = {
    "GET /v1/sessions": {
        "invalid-selector": lambda x: x.ask(op("GET /v1/sessions"), query="?selector=,"),
        "unknown-alias": lambda x: x.ask(op("GET /v1/sessions"), query="?selector=nobody"),
        "nothing-selected": lambda x: x.ask(op("GET /v1/sessions"), query="?selector=x*"),
    },
    "POST /v1/sessions": {
        "invalid-input": lambda x: x.ask(op("POST /v1/sessions"), {}),
        "invalid-target": lambda x: x.ask(op("POST /v1/sessions"), {"target": "://"}),
        "alias-in-use": lambda x: x.ask(op("POST /v1/sessions"), {"target": "up://h"}),
        "state-error": lambda x: x.full(op("POST /v1/sessions"), START),
    },
    "DELETE /v1/sessions": {
        "invalid-selector": lambda x: x.ask(op("DELETE /v1/sessions")),
        "unknown-alias": lambda x: x.ask(op("DELETE /v1/sessions"), query="?selector=nobody"),
        "nothing-selected": lambda x: x.ask(op("DELETE /v1/sessions"), query="?selector=x*"),
        "state-error": lambda x: x.full(op("DELETE /v1/sessions"), query="?selector=down"),
    },
    "GET /v1/sessions/{alias}": {"unknown-alias": lambda x: x.ask(op("GET /v1/sessions/nobody"))},
    "GET /v1/sessions/{alias}/history": {"unknown-alias": lambda x: x.ask(op("GET /v1/sessions/nobody/history"))},
    "DELETE /v1/sessions/{alias}": {
        "unknown-alias": lambda x: x.ask(op("DELETE /v1/sessions/nobody")),
        "state-error": lambda x: x.full(op("DELETE /v1/sessions/down")),
    },
    "POST /v1/sessions/{alias}/retry": {"unknown-alias": lambda x: x.ask(op("POST /v1/sessions/nobody/retry"))},
    "POST /v1/sessions/{alias}/trust": {
        "invalid-input": lambda x: x.ask(op("POST /v1/sessions/up/trust"), {"fingerprint": "SHA256:x"}),
        "unknown-alias": lambda x: x.ask(op("POST /v1/sessions/nobody/trust"), {"fingerprint": "SHA256:x"}),
        "state-error": lambda x: x.untrusted(),
    },
    "POST /v1/sessions/{alias}/run": {
        "invalid-input": lambda x: x.ask(RUN, {}),
        "unknown-alias": lambda x: x.ask(op("POST /v1/sessions/nobody/run"), {"command": "true"}),
        "session-parked": lambda x: x.ask(op("POST /v1/sessions/parked/run"), {"command": "true"}),
        "session-not-up": lambda x: x.ask(op("POST /v1/sessions/down/run"), {"command": "true"}),
        "session-lost": lambda x: x.lost(),
        "channel-limit": lambda x: x.ask(op("POST /v1/sessions/narrow/run"), {"command": "true", "timeout": 0.1}),
        "command-timeout": lambda x: x.ask(RUN, {"command": "sleep 60", "timeout": 0.1}),
    },
    "POST /v1/run": {
        "invalid-input": lambda x: x.ask(op("POST /v1/run"), {"selector": "all"}),
        "invalid-selector": lambda x: x.ask(op("POST /v1/run"), {"selector": ",", "command": "true"}),
        "unknown-alias": lambda x: x.ask(op("POST /v1/run"), {"selector": "nobody", "command": "true"}),
        "nothing-selected": lambda x: x.ask(op("POST /v1/run"), {"selector": "x*", "command": "true"}),
    },
    "POST /v1/copy": {
        "invalid-input": lambda x: x.ask(COPY, {**COPIED, "limit": 0}),
        "invalid-selector": lambda x: x.ask(COPY, {**COPIED, "target": {"session": ",", "path": "b"}}),
        "unknown-alias": lambda x: x.ask(COPY, {**COPIED, "target": {"session": "nobody", "path": "b"}}),
        "nothing-selected": lambda x: x.ask(COPY, {**COPIED, "target": {"session": "x*", "path": "b"}}),
    },
    "GET /v1/sessions/{alias}/files": files("GET"),
    "PUT /v1/sessions/{alias}/files": files("PUT"),
    "GET /v1/pending": {},
    "POST /v1/pending/{id}/approve": {
        "invalid-input": lambda x: x.ask(APPROVE, {}),
        "invalid-target": lambda x: x.ask(APPROVE, APPROVED | {"alias": "all"}),
        "unknown-alias": lambda x: x.ask(op("POST /v1/pending/nobody/approve"), APPROVED),
        "alias-in-use": lambda x: x.ask(APPROVE, APPROVED | {"alias": "up"}),
        "state-error": lambda x: x.full(APPROVE, APPROVED),
    },
    "POST /v1/pending/{id}/reject": {
        "unknown-alias": lambda x: x.ask(op("POST /v1/pending/nobody/reject")),
        "state-error": lambda x: x.full(op("POST /v1/pending/{id}/reject")),
    },
    "POST /v1/pending/{id}/trust": {
        "invalid-input": lambda x: x.ask(op("POST /v1/pending/{id}/trust"), {"fingerprint": "SHA256:other"}),
        "unknown-alias": lambda x: x.ask(op("POST /v1/pending/nobody/trust"), {}),
        "state-error": lambda x: x.full(op("POST /v1/pending/{id}/trust"), {}),
    },
    "DELETE /v1/pending/{id}": {
        "unknown-alias": lambda x: x.ask(op("DELETE /v1/pending/nobody")),
        "state-error": lambda x: x.full(op("DELETE /v1/pending/{id}")),
    },
    "POST /v1/agent-tokens": {
        "invalid-input": lambda x: x.ask(AGENT, {"agent_id": "web*"}),
        "invalid-target": lambda x: x.ask(AGENT, {"agent_id": "web1", "alias": "all"}),
        "alias-in-use": lambda x: x.ask(AGENT, {"agent_id": "up"}),
        "state-error": lambda x: x.full(AGENT, AGENTS),
    },
    "GET /v1/agent-tokens": {"state-error": lambda x: x.without_key(op("GET /v1/agent-tokens"))},
    "DELETE /v1/agent-tokens/{agent_id}": {
        "unknown-alias": lambda x: x.ask(op("DELETE /v1/agent-tokens/nobody")),
        "state-error": lambda x: x.full(op("DELETE /v1/agent-tokens/expected")),
    },
    "GET /v1/forwards": {
        "invalid-selector": lambda x: x.ask(op("GET /v1/forwards"), query="?selector=,"),
        "unknown-alias": lambda x: x.ask(op("GET /v1/forwards"), query="?selector=nobody"),
        "nothing-selected": lambda x: x.ask(op("GET /v1/forwards"), query="?selector=x*"),
    },
    "POST /v1/forwards": {
        "invalid-input": lambda x: x.ask(FORWARD, FORWARDED | {"listen": "nowhere"}),
        "unknown-alias": lambda x: x.ask(FORWARD, FORWARDED | {"alias": "nobody"}),
        "forward-in-use": lambda x: x.ask(FORWARD, FORWARDED | {"name": "one"}),
        "port-taken": lambda x: x.ask(FORWARD, FORWARDED | {"listen": x.door.port}),
        "forward-refused": lambda x: x.ask(FORWARD, FORWARDED | {"kind": "remote"}),
        "session-not-up": lambda x: x.ask(FORWARD, FORWARDED | {"kind": "remote", "alias": "down"}),
        "state-error": lambda x: x.full(FORWARD, FORWARDED),
        "forward-error": too_many_forwards,
    },
    "GET /v1/forwards/{alias}/{name}": {
        "unknown-alias": lambda x: x.ask(op("GET /v1/forwards/nobody/one")),
        "unknown-forward": lambda x: x.ask(op("GET /v1/forwards/up/none")),
    },
    "DELETE /v1/forwards/{alias}/{name}": {
        "unknown-alias": lambda x: x.ask(op("DELETE /v1/forwards/nobody/one")),
        "unknown-forward": lambda x: x.ask(op("DELETE /v1/forwards/up/none")),
        "state-error": lambda x: x.full(op("DELETE /v1/forwards/{alias}/{name}")),
    },
    "GET /v1/tokens": {},
    "POST /v1/tokens": {
        "invalid-input": lambda x: x.ask(TOKEN, CREATED | {"actions": []}),
        "invalid-selector": lambda x: x.ask(TOKEN, CREATED | {"selector": ","}),
        "token-in-use": lambda x: x.ask(TOKEN, CREATED | {"name": "one"}),
        "state-error": lambda x: x.full(TOKEN, CREATED),
    },
    "DELETE /v1/tokens/{name}": {
        "unknown-token": lambda x: x.ask(op("DELETE /v1/tokens/none")),
        "state-error": lambda x: x.full(op("DELETE /v1/tokens/{name}")),
    },
    "GET /v1/audit": {
        "invalid-input": lambda x: x.ask(op("GET /v1/audit"), query="?limit=0"),
        "state-error": lambda x: x.without_trail(op("GET /v1/audit")),
    },
    "GET /v1/audit/verify": {
        "invalid-input": lambda x: x.ask(op("GET /v1/audit/verify"), query="?head=1"),
        "state-error": lambda x: x.without_trail(op("GET /v1/audit/verify")),
    },
    "GET /v1/recordings": {"state-error": lambda x: x.without_archive(op("GET /v1/recordings"))},
    RECORDING: {
        "unknown-recording": lambda x: x.ask(op("GET /v1/recordings/none")),
        "state-error": lambda x: x.without_archive(op(RECORDING)),
    },
    "DELETE /v1/recordings/{id}": {
        "invalid-input": lambda x: x.ask(op(f"DELETE /v1/recordings/{x.recording(over=False)}")),
        "unknown-recording": lambda x: x.ask(op("DELETE /v1/recordings/none")),
        "state-error": lambda x: x.without_archive(op("DELETE /v1/recordings/{id}")),
    },
    "GET /v1/terminals": {
        "invalid-selector": lambda x: x.ask(op("GET /v1/terminals"), query="?selector=,"),
        "unknown-alias": lambda x: x.ask(op("GET /v1/terminals"), query="?selector=nobody"),
        "nothing-selected": lambda x: x.ask(op("GET /v1/terminals"), query="?selector=x*"),
    },
    "GET /v1/terminals/{alias}/{name}": {
        "unknown-alias": lambda x: x.ask(op("GET /v1/terminals/nobody/one")),
        "unknown-terminal": lambda x: x.ask(op("GET /v1/terminals/up/none")),
    },
    "DELETE /v1/terminals/{alias}/{name}": {
        "unknown-alias": lambda x: x.ask(op("DELETE /v1/terminals/nobody/one")),
        "unknown-terminal": lambda x: x.ask(op("DELETE /v1/terminals/up/none")),
        "terminal-ended": lambda x: x.ask(op("DELETE /v1/terminals/up/past")),
    },
    "GET /v1/events": {
        "invalid-selector": lambda x: x.ask(op("GET /v1/events"), query="?selector=,"),
        "unknown-alias": lambda x: x.ask(op("GET /v1/events"), query="?selector=nobody"),
        "invalid-input": lambda x: x.ask(op("GET /v1/events"), query="?measures=0"),
    },
    "GET /v1/gateway": {},
    "GET /v1/sessions/{alias}/ssh": {
        "unknown-alias": lambda x: x.ask(op("GET /v1/sessions/nobody/ssh")),
        "upgrade-required": lambda x: x.ask(op("GET /v1/sessions/{alias}/ssh")),
    },
    "GET /v1/sessions/{alias}/channel": {
        "unknown-alias": lambda x: x.ask(op("GET /v1/sessions/nobody/channel")),
        "upgrade-required": lambda x: x.ask(op("GET /v1/sessions/{alias}/channel")),
    },
    NETCONF: opening(NETCONF),
    RPC: {
        **opening(RPC),
        "invalid-input": lambda x: x.ask(op(RPC), b"no XML"),
        "rpc-error": lambda x: x.scripted_ask(op(RPC), refusing),
        "rpc-timeout": lambda x: x.scripted_ask(op(RPC), on_get(lambda _: None), "?timeout=0.1"),
        "netconf-ended": lambda x: x.scripted_ask(op(RPC), on_get(lambda channel: channel.close())),
        "session-lost": lambda x: x.scripted_ask(op(RPC), on_get(lambda _: x.scripted.connections[0].abort())),
        "lock-lost": lambda x: x.ask(op(RPC), b"<get/>", "?channel=none"),
    },
    HOLD: {
        **opening(HOLD),
        "session-lost": lambda x: x.scripted_ask(op(HOLD), on_open(lambda _: x.scripted.connections[0].abort())),
    },
    NOTIFICATIONS: {
        **opening(NOTIFICATIONS),
        "invalid-input": lambda x: x.ask(op(NOTIFICATIONS), query="?ns=x"),
        "missing-capability": lambda x: x.scripted_ask(op(NOTIFICATIONS), without_notifications),
        "rpc-error": lambda x: x.scripted_ask(op(NOTIFICATIONS), refusing),
        "session-lost": lambda x: x.scripted_ask(
            op(NOTIFICATIONS), on_open(lambda _: x.scripted.connections[0].abort())
        ),
    },
    "GET /signin": {},
    "POST /signin": {
        "invalid-input": lambda x: x.ask(op("POST /signin"), {}),
        "unauthenticated": lambda x: x.ask(op("POST /signin"), {"token": "x"}),
    },
    "POST /signout": {},
    "GET /readyz": {"session-not-up": lambda x: x.early()},
    "GET /healthz": {},
    "GET /metrics": {},
    "GET /v1/version": {},
    "GET /v1/daemon": {},
    "GET /schema/openapi.json": {},
}
"""By operation and code; 401, 403, 413 and 500 are the same for all, and provoked for all below."""

ROOT = Actor(name="tests", door="tcp", grants=(ADMIN,))
CHANNEL_FAILS = ("session-closed", "session-lost", "channel-limit", "channel-refused")
UNSEEN = {
    ("GET /v1/events", "stream-limit"): "tests/rest/test_streams.py has another limit",
    ("POST /signin", "state-error"): "tests/service/test_audit.py has a trail that takes nothing",
    ("POST /v1/sessions", "config-error"): "ssh_config is that of whoever runs the daemon",
    ("POST /v1/sessions/{alias}/run", "session-closed"): "a session that is closed is forgotten in the same moment",
    ("POST /v1/sessions/{alias}/run", "channel-refused"): "a server that refuses a command; tests/session has one",
    (NOTIFICATIONS, "rpc-timeout"): "it takes a minute",
    **{
        (f"{method} /v1/sessions/{{alias}}/files", code): "tests/rest/test_files.py has a server with files"
        for method in ("GET", "PUT")
        for code in (*CHANNEL_FAILS, "file-missing", "file-refused", "file-error")
    },
    ("GET /v1/sessions/{alias}/files", "range-not-satisfiable"): "likewise",
    ("PUT /v1/sessions/{alias}/files", "file-exists"): "likewise",
    ("PUT /v1/sessions/{alias}/files", "disk-full"): "tests/session/files has a small disk",
    **{
        (name, code): why
        for name in (NETCONF, RPC, HOLD, NOTIFICATIONS)
        for code, why in (("session-closed", "as above"), ("channel-limit", "it takes a minute"))
    },
}
"""Provoked where they arise, not through HTTP; with the reason."""

APP = make_app(None, None, version="0").inside  # type: ignore[arg-type]  # nothing is asked of them
SCHEMA = document(APP, "0")
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in SCHEMA["paths"].items()
    for method, operation in item.items()
}


def described(name: str) -> Described:
    """What stands beside the handler of an operation."""
    method, path = name.split()
    found = next(
        handler
        for route in APP.routes
        if route.path_format == path
        for handler in getattr(route, "route_handlers", [])
        if method in handler.http_methods
    )
    what: Described = found.opt["described"]
    return what


def codes(name: str) -> dict[int, set[str]]:
    """The codes that the description names for an operation, by status."""
    return {
        int(status): set(answer["content"]["application/problem+json"]["schema"]["properties"]["code"]["examples"])
        for status, answer in OPERATIONS[name]["responses"].items()
        if int(status) >= 400
    }


@pytest.fixture
async def troubled(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Troubled]:
    """Sessions in every kind of trouble."""
    del anyio_backend
    memory = FullDisk()
    async with (
        recording(tmp_path) as audit,
        taping(tmp_path) as recordings,
        running(
            tmp_path,
            audit=audit,
            recordings=recordings,
            **dict.fromkeys(("memory", "devices", "kept", "enrolments", "named"), memory),  # type: ignore[arg-type]  # nothing else is asked of it
        ) as door,
        SimulatedHosts() as hosts,
        SimulatedHosts(password="x") as locked,
        SimulatedHosts(refuse_channels_after=0) as narrow,
        ScriptedServer(obey) as scripted,
    ):
        await door.pool.start(f"nc://127.0.0.1:{scripted.port}", **scripted.login)
        await door.pool["nc"].wait_up(timeout=BOUND)
        await door.hold(hosts, "up")
        await door.pool["up"].forward_local(0, "127.0.0.1:1", name="one")
        await door.fleet.tokens.create(ROOT, "one", [Action.READ], "all", expires_in=None)
        for name in ("one", "past"):
            await door.fleet.terminals.open(ROOT, "up", term="vt100", size=(80, 24), name=name, command="sleep 60")
        await door.fleet.terminals.end(ROOT, "up", "past")
        await door.hold(narrow, "narrow")
        await door.pool.start("down://127.0.0.1:1")
        known = {"host_key": locked.public_key, "agent_path": None, "username": "x", "password": "y"}
        parked = await door.pool.start(f"parked://127.0.0.1:{locked[0].port}", **known)
        async with asyncio.timeout(BOUND):
            while parked.state is not SessionState.PARKED:
                await parked.wait_change()
        yield Troubled(door, hosts, memory, scripted)


@pytest.fixture(scope="module")
async def untroubled(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Troubled]:
    """Nothing to go wrong: who only looks at what stands before an operation needs no more."""
    del anyio_backend
    folder = tmp_path_factory.mktemp("d")
    async with (
        recording(folder) as audit,
        taping(folder) as recordings,
        running(folder, audit=audit, recordings=recordings) as door,
        SimulatedHosts() as hosts,
        ScriptedServer(obey) as scripted,
    ):
        await door.hold(hosts, "up")
        await door.fleet.terminals.open(ROOT, "up", term="vt100", size=(80, 24), name="past", command="sleep 60")
        await door.fleet.terminals.end(ROOT, "up", "past")  # which leaves a recording
        yield Troubled(door, hosts, FullDisk(), scripted)


def test_every_operation_is_looked_at() -> None:
    assert set(PROVOKED) == set(OPERATIONS)


@pytest.mark.parametrize("name", PROVOKED)
async def test_every_problem_is_as_described(troubled: Troubled, name: str) -> None:
    named = codes(name)
    for code, provoke in PROVOKED[name].items():
        troubled.scripted.act, troubled.scripted.subsystem = obey, True
        async with asyncio.timeout(BOUND):
            if "/netconf" in name:
                await troubled.door.pool["nc"].wait_up()
            answer = await provoke(troubled)
        answer.problem(answer.status, code)
        assert code in named[answer.status], answer
    seen = set(PROVOKED[name]) | {code for operation, code in UNSEEN if operation == name}
    common = {"unauthenticated", "not-allowed", "body-too-large", "internal-error"}
    assert set().union(*named.values()) - common == seen - common


@pytest.mark.parametrize("name", PROVOKED)
async def test_problems_that_all_have(untroubled: Troubled, name: str) -> None:
    named, operation = codes(name), op(name)
    if name == "POST /signin":
        pass  # a token is what it takes
    elif 401 in named:
        (await untroubled.ask(operation, {}, Authorization="Bearer x")).problem(401, "unauthenticated")
    else:
        assert name in {"GET /healthz", "GET /readyz"}
    assert "not-allowed" in named[403]
    (await untroubled.ask(operation, {}, Host="evil.example")).problem(403, "not-allowed")
    if described(name).body is not None:
        large = {"Content-Length": str(MAX_BODY + 1)}
        (await untroubled.ask(operation, b"{", **large)).problem(413, "body-too-large")
    else:
        assert 413 not in named
    assert "internal-error" in named[500]


class Broken:
    """A fleet with a bug."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError("a bug, and a password: hunter2")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in PROVOKED
        if name.startswith(
            ("GET /v1/s", "GET /v1/pending", "GET /v1/forwards", "GET /v1/a", "GET /v1/t", "POST /v1", "DELETE")
        )
    ],
)
async def test_a_bug_is_told_as_one_and_logged(
    untroubled: Troubled, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untroubled.door.state, "fleet", Broken())
    body: dict[str, object] = {"target": "a://b", "command": "c", "selector": "all", "alias": "a", "username": "b"}
    body |= FORWARDED | AGENTS | CREATED | {"fingerprint": "SHA256:x"}
    body = {key: text for key, text in body.items() if key in _members(name)}
    sent = COPIED if op(name) == COPY else body
    answer = await untroubled.ask(op(name), b"<get/>" if name == RPC else sent)
    answer.problem(500, "internal-error")
    assert b"hunter2" not in answer.body
    assert "a bug:" in caplog.text


def _members(name: str) -> set[str]:
    body = described(name).body
    return set(body.form.__struct_fields__) if body and not isinstance(body, RpcBody) else set()


@pytest.mark.parametrize(
    "name", [name for name in PROVOKED if name not in {"GET /v1/events", HOLD, NOTIFICATIONS} and "/files" not in name]
)
async def test_every_answer_is_as_described(troubled: Troubled, name: str, tmp_path: Path) -> None:
    what = described(name)
    body: dict[str, object] = {"target": "new://127.0.0.1:1", "command": "true", "selector": "up"}
    body = FORWARDED if name == "POST /v1/forwards" else body
    body = CREATED if op(name) == TOKEN else body
    body |= APPROVED if name == "POST /v1/pending/{id}/approve" else {}
    body |= AGENTS if op(name) == AGENT else {}
    body |= {"fingerprint": None} if name == "POST /v1/pending/{id}/trust" else {}
    body |= {"token": BEARER} if name == "POST /signin" else {}
    query = "?selector=down" if name == "DELETE /v1/sessions" else ""
    sent = COPIED if op(name) == COPY else {k: v for k, v in body.items() if k in _members(name)} or None
    if name == TRUST:
        answer = await troubled.untrusted(str(tmp_path / "known_hosts"))
    else:
        answer = await troubled.ask(op(name), b"<get/>" if name == RPC else sent, query)
    if what.answer is None:
        return
    assert answer.status == what.status
    assert answer.headers["content-type"].startswith(what.media_type)
    if what.media_type == "application/json":
        msgspec.json.decode(answer.body, type=what.answer)
        form = what.answer
        if hasattr(form, "__struct_fields__"):
            assert set(answer.value) == set(form.__struct_fields__)
    elif what.media_type == "application/x-ndjson":
        for line in answer.body.splitlines():
            msgspec.json.decode(line, type=what.answer)


def test_the_document_holds_together() -> None:
    assert SCHEMA["openapi"].startswith("3.1.")
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    for name, operation in OPERATIONS.items():
        assert operation["summary"].endswith("."), name
        in_path = {part["name"] for part in operation.get("parameters", []) if part["in"] == "path"}
        assert in_path == {word.strip("{}") for word in name.split("/") if word.startswith("{")}
    for reference in _references(SCHEMA):
        assert reference.removeprefix("#/components/schemas/") in SCHEMA["components"]["schemas"]


def test_what_the_server_itself_answers_is_described() -> None:
    about = SCHEMA["info"]["description"]
    for told in ("400", "408", "431", "503 (`daemon-unreachable`)"):
        assert told in about


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return found + [one for member in value.values() for one in _references(member)]
    return [one for member in value for one in _references(member)] if isinstance(value, list) else []


def test_every_code_is_one_of_ours() -> None:
    ours = {cls.code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, MooringError)}
    plain = {code for code, _ in PLAIN.values()}
    for name in OPERATIONS:
        assert set().union(*codes(name).values()) <= ours | plain


def test_the_document_for_people_names_every_operation_and_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rest.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z]+ /[^`?]*)(?:\?[^`]*)?` \|", text, re.MULTILINE)) == set(OPERATIONS)
    table = {
        int(row): set(re.findall(r"`([a-z-]+)`", told))
        for row, told in re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE)
    }
    for name in OPERATIONS:
        for status, named in codes(name).items():
            assert named <= table[status], (name, status)
