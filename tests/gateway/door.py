"""A gateway in the test's own process, and real clients at it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh

from mooring import DoorLimits, Pool
from mooring.daemon import token
from mooring.gateway import Gateway
from mooring.model.access import Action, Actor, Grant
from mooring.model.gateway import GATEWAY_ACTIONS, GatewaySettings, GatewayUser
from mooring.model.secret import Secret
from mooring.service import Audit, Fleet, Recordings
from mooring.transport.serve import load_host_key
from tests.peers.keys import public_line

PATIENCE = 30.0


@dataclass
class Done:
    """What a client did."""

    status: int
    out: bytes
    err: bytes


class Door:
    """A running gateway.

    Args:
        gateway: It.
        folder: For the files of clients.
        key: The private key of ``ann``, who may do everything.
    """

    def __init__(self, gateway: Gateway, folder: Path, key: Path) -> None:
        self.gateway = gateway
        self.folder = folder
        self.key = key
        self.settings = GatewaySettings()
        self.known_hosts = folder / "known_hosts"
        public = gateway.host_key.export_public_key().decode()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}")

    @property
    def port(self) -> int:
        return self.gateway.addresses[0][1]

    def allow(self, *users: GatewayUser, wait: float = 0.0) -> None:
        """Have other users and rules from now on."""
        self.settings = replace(self.settings, users=users, wait=wait)
        self.gateway.prepare(self.settings)()

    def options(self, key: Path | None = None) -> list[str]:
        """What an OpenSSH client is told of it."""
        return [
            "-F", "none", "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes",
            "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(key or self.key), "-o", "LogLevel=ERROR",
        ]  # fmt: skip

    def ssh_command(self, alias: str, *words: str, key: Path | None = None) -> list[str]:
        """The command line of ssh: options, then after ``--`` what it runs."""
        at = words.index("--") if "--" in words else len(words)
        return [
            "ssh",
            *self.options(key),
            "-p",
            str(self.port),
            "-l",
            alias,
            *words[:at],
            "127.0.0.1",
            *words[at + 1 :],
        ]

    async def ssh(self, alias: str, *words: str, stdin: bytes = b"", key: Path | None = None) -> Done:
        """Run ssh to its end."""
        return await run(*self.ssh_command(alias, *words, key=key), stdin=stdin)


async def run(*command: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Done:
    """Run a client to its end."""
    client = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env} if env is not None else None,
    )
    try:
        out, err = await asyncio.wait_for(client.communicate(stdin), PATIENCE)
    except BaseException:
        if client.returncode is None:
            client.kill()
            await client.wait()
        raise
    return Done(client.returncode or 0, out, err)


def user(
    name: str, key: Path | None = None, actions: Sequence[Action] = GATEWAY_ACTIONS, select: str = "all", **more: object
) -> GatewayUser:
    """Somebody who comes by a key, and may do some things on some sessions."""
    grants = (Grant(selector=select, actions=frozenset(actions)),)
    found = GatewayUser(name=name, authorized_keys=None if key is None else str(key.with_suffix(".pub")), grants=grants)
    return replace(found, **more)  # type: ignore[arg-type] # fields of it


def make_key(folder: Path, name: str, kind: str = "ssh-ed25519", **options: int) -> Path:
    """A key pair of a client's; the private one's path."""
    key = asyncssh.generate_private_key(kind, comment=name, **options)
    path = folder / name
    key.write_private_key(path)
    path.chmod(0o600)
    key.write_public_key(path.with_suffix(".pub"))
    return path


@contextlib.asynccontextmanager
async def opened(
    pool: Pool,
    folder: Path,
    audit: Audit | None = None,
    limits: DoorLimits | None = None,
    recordings: Recordings | None = None,
    **more: float,
) -> AsyncIterator[Door]:
    """A gateway over a pool, where ``ann`` may do everything."""
    key = make_key(folder, "ann")

    fleet = Fleet(pool, None, audit=audit, recordings=recordings)
    everything = Actor(name="token", door="tcp", grants=(Grant(selector="all", actions=frozenset({Action.ADMIN})),))
    bearer = token.bearer(Secret("the-token"), everything, named=fleet.tokens)
    settings = GatewaySettings(users=(user("ann", key),), limits=limits or DoorLimits())
    gateway = Gateway(fleet, load_host_key(folder / "host_key"), settings, bearer, **more)
    sock = socket.create_server(("127.0.0.1", 0))
    await gateway.serve_on([sock])
    try:
        yield Door(gateway, folder, key)
    finally:
        await gateway.aclose(5.0)


__all__ = ["PATIENCE", "Done", "Door", "make_key", "opened", "public_line", "run", "user"]
