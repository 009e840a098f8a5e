"""Every way in, rightly and wrongly: who came, by which door, from where, and what became of it is on record."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from mooring.agent import Agent
from mooring.agent.account import Account
from mooring.simulate import SimulatedDevices
from tests.gateway.door import make_key

from .running import RunningDaemon

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"
BOUND = 30.0
RULE = "allow = [{select = 'all', actions = ['run']}]"


class Visitor:
    """Somebody who comes to a daemon by each of its doors; ``stack`` holds what stays."""

    def __init__(self, daemon: RunningDaemon, folder: Path, stack: AsyncExitStack) -> None:
        self._daemon = daemon
        self._folder = folder
        self._stack = stack
        self._agent_token = ""

    async def over_http(self, method: str, path: str, body: object = None, **headers: str) -> None:
        def ask() -> None:
            connection = http.client.HTTPConnection(HOST, self._daemon.port, timeout=BOUND)
            fields = {"Origin": self._daemon.url, "Content-Type": "application/json", **headers}
            connection.request(method, path, None if body is None else json.dumps(body), fields)
            connection.getresponse().read()
            connection.close()

        await asyncio.to_thread(ask)

    async def by_token(self, token: str) -> None:
        await self.over_http("GET", "/v1/version", Authorization=f"Bearer {token}")

    async def by_page(self, token: str) -> None:
        await self.over_http("POST", "/signin", {"token": token})

    async def by_cookie(self) -> None:
        await self.over_http("GET", "/v1/version", Cookie=f"mooring-{self._daemon.port}=forged")

    async def by_gateway(self, key: str) -> None:
        port = re.findall(r"SSH clients may come to 127\.0\.0\.1:(\d+)", self._daemon.log())[0]
        known = self._folder / "known_hosts"
        words = ["-F", "none", "-i", str(self._folder / key), "-p", port, "-l", "web1", "-o", "IdentitiesOnly=yes"]
        words += ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"]
        ssh = await asyncio.create_subprocess_exec("ssh", *words, HOST, "true", stdin=-3, stdout=-3, stderr=-3)
        async with asyncio.timeout(BOUND):
            await ssh.wait()

    @property
    def _calls(self) -> int:
        return int(re.findall(r"devices may call home at 127\.0\.0\.1:(\d+)", self._daemon.log())[0])

    async def calling_home(self) -> None:
        await self._stack.enter_async_context(SimulatedDevices(HOST, self._calls, reconnect=0.1))

    async def approved(self) -> None:
        ask = self._daemon.client.request
        [waiting] = (await asyncio.to_thread(ask, "GET", "/v1/pending"))["pending"]
        body = {"alias": "core1", "username": "admin", "password": "juniper123"}
        await asyncio.to_thread(ask, "POST", f"/v1/pending/{waiting['id']}/approve", body)

    async def as_agent(self, folder: str) -> None:
        """The first is expected; another that comes with its token is not."""
        ask = self._daemon.client.request
        if not self._agent_token:
            body = {"agent_id": "agent1", "alias": "agent1"}
            self._agent_token = (await asyncio.to_thread(ask, "POST", "/v1/agent-tokens", body))["token"]
        keys = self._folder / folder
        keys.mkdir()
        agent = Agent(
            *(HOST, self._calls, "agent1"),
            host_key=keys / "host_key",
            trusted_keys=keys / "trusted_keys",
            token=self._agent_token,
            account=Account(Account.own().name, str(keys), "/bin/sh"),
        )
        await self._stack.enter_async_context(agent)


STRANGER = ("", "", "login", "refused")
LOGINS: list[tuple[str, Callable[[Visitor, str], Awaitable[None]], tuple[str, str, str, str], str | None]] = [
    ("a token", lambda they, token: they.by_token(token), ("token", "tcp", "login", "done"), None),
    ("a wrong token", lambda they, _: they.by_token("x" * 43), STRANGER, "tcp"),
    ("the page", lambda they, token: they.by_page(token), ("token", "tcp", "login.page", "done"), None),
    ("the page, a wrong token", lambda they, _: they.by_page("y" * 43), STRANGER, "tcp"),
    ("a forged cookie", lambda they, _: they.by_cookie(), STRANGER, "tcp"),
    ("the gateway", lambda they, _: they.by_gateway("ann"), ("ann", "gateway", "login", "begun"), None),
    ("the gateway, a wrong key", lambda they, _: they.by_gateway("eve"), STRANGER, "gateway"),
    ("a device that nobody knows", lambda they, _: they.calling_home(), STRANGER, "call-home"),
    ("a device", lambda they, _: they.approved(), ("core1", "call-home", "login", "done"), None),
    ("an agent", lambda they, _: they.as_agent("one"), ("agent1", "call-home", "login", "done"), None),
    ("an agent with a token that was used", lambda they, _: they.as_agent("two"), STRANGER, "call-home"),
]
"""How somebody comes; who, door, what and outcome as recorded; and the door that a stranger was at."""


@pytest.fixture
async def visitor(
    start_daemon: Callable[..., RunningDaemon], tmp_path: Path, anyio_backend: str
) -> AsyncIterator[tuple[RunningDaemon, Visitor]]:
    del anyio_backend
    key = make_key(tmp_path, "ann").with_suffix(".pub")
    make_key(tmp_path, "eve")
    gateway = f"[gateway]\nlisten = '{HOST}:0'\n[[gateway.user]]\nname = 'ann'\nauthorized_keys = '{key}'\n{RULE}\n"
    daemon = start_daemon(config=gateway, arguments=["--call-home", f"{HOST}:0"])
    async with AsyncExitStack() as stack:
        yield daemon, Visitor(daemon, tmp_path, stack)


async def test_every_way_in_is_on_record(visitor: tuple[RunningDaemon, Visitor]) -> None:
    daemon, they = visitor
    after = 0
    for name, come, wanted, by in LOGINS:
        await come(they, daemon.token)
        record = await recorded(daemon, name, wanted, by, after)
        assert f'"{HOST}' in json.dumps(record["detail"]), name
        after = record["seq"]
    assert "juniper123" not in daemon.log()


async def recorded(
    daemon: RunningDaemon, name: str, wanted: tuple[str, str, str, str], by: str | None, after: int
) -> dict[str, Any]:
    """The record of a login after another, once it is there."""
    seen: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(BOUND):
            while True:
                path = "/v1/audit?what=login&order=oldest&limit=1000"
                seen = (await asyncio.to_thread(daemon.client.request, "GET", path))["records"]
                for one in seen:
                    told = (one["who"], one["door"], one["what"], one["outcome"])
                    if one["seq"] > after and told == wanted and one["detail"].get("by") == by:
                        return one
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{name} is not on record: {seen}") from None
