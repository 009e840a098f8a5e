"""What the tests of the agent share: a server that expects agents, and agents whose shell reads nobody's files."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mooring import CallHomeServer, Pool, Session
from mooring.agent import Agent
from mooring.agent.account import Account
from tests.pool.fleet import quick

HOST = "127.0.0.1"
BOUND = 30.0


@dataclass
class Home:
    """A server, and the folder of what it and its agents have."""

    server: CallHomeServer
    folder: Path

    @property
    def pool(self) -> Pool:
        """Its sessions."""
        return self.server.pool

    @property
    def account(self) -> Account:
        """Who agents run as: this user, with a shell that reads no profile and a home of its own."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return Account(Account.own().name, str(home), "/bin/sh")

    def agent(self, name: str = "web1", **keywords: Any) -> Agent:
        """An agent of a name, with keys of its own; by default with a token of this server's."""
        usual: dict[str, Any] = {
            "host_key": self.folder / f"{name}_host_key",
            "trusted_keys": self.folder / f"{name}_trusted_keys",
            "account": self.account,
            "dice": quick,
        }
        if "token" not in keywords and not usual["trusted_keys"].exists():
            usual["token"] = self.server.agent_token(name)
        port = keywords.pop("port", self.server.port)
        return Agent(HOST, port, name, **{**usual, **keywords})

    @contextlib.asynccontextmanager
    async def managed(self, name: str = "web1", **keywords: Any) -> AsyncIterator[Session]:
        """The session of an agent that is up."""
        async with self.agent(name, **keywords) as agent:
            await agent.wait_up(BOUND)
            session = self.pool[name]
            await session.wait_up(timeout=BOUND)
            yield session


@contextlib.asynccontextmanager
async def home(folder: Path, **keywords: Any) -> AsyncIterator[Home]:
    """A server on a port of its own."""
    usual = {"agent_key": folder / "agent_key", "facts": False}
    async with (
        Pool(config=None) as pool,
        CallHomeServer(HOST, 0, pool=pool, **{**usual, **keywords}) as server,
    ):
        yield Home(server, folder)
