"""What ssh_config says reaches AsyncSSH: line by line as a keyword, and at a real server."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mooring import connect
from mooring.model.errors import AuthenticationFailed
from mooring.model.target import Target
from mooring.transport.client import Client
from mooring.transport.dial import Dialer
from mooring.transport.keywords import split
from mooring.transport.route import Router
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.session.held import credentials

pytestmark = pytest.mark.anyio

AGENT = "/run/other-agent"


def written(folder: Path, *lines: str) -> Path:
    file = folder / "config"
    file.write_text("\n".join(lines) + "\n")
    return file


async def received(folder: Path, *lines: str, **passed: Any) -> asyncssh.SSHClientConnectionOptions:
    """What AsyncSSH makes of the keywords that it is dialed with."""
    fields, keywords = split({"identity": "none", "agent_path": None, "host_key": "off", **passed})
    route = await Router([written(folder, *lines)]).route(Target.parse("edge1://192.0.2.1", **fields), keywords)
    dialer = Dialer()
    check = dialer._check(route, None)  # noqa: SLF001 - what goes to AsyncSSH is not to be seen from outside
    options = await dialer._options(route, check, Client(check))  # noqa: SLF001
    await dialer.aclose()
    made: asyncssh.SSHClientConnectionOptions
    made = await asyncssh.SSHClientConnectionOptions.construct(config=None, **options)
    return made


@pytest.mark.parametrize(
    ("line", "option", "value"),
    [
        ("TCPKeepAlive no", "tcp_keepalive", False),
        ("TCPKeepAlive yes", "tcp_keepalive", True),
        ("PreferredAuthentications password,publickey", "preferred_auth", ("password", "publickey")),
        ("SendEnv LANG MOORING_*", "send_env", ("LANG", "MOORING_*")),
        ("SetEnv MOORING_A=1 MOORING_B=2", "env", {"MOORING_A": "1", "MOORING_B": "2"}),
        ("AddressFamily inet", "family", socket.AF_INET),
        ("AddressFamily inet6", "family", socket.AF_INET6),
        ("AddressFamily any", "family", socket.AF_UNSPEC),
        ("BindAddress 127.0.0.2", "local_addr", ("127.0.0.2", 0)),
        ("Compression yes", "compression_algs", ["zlib@openssh.com", "none"]),
        (f"ForwardAgent yes\nIdentityAgent {AGENT}", "agent_forward_path", AGENT),
        (f"ForwardAgent {AGENT}", "agent_forward_path", AGENT),
        ("ForwardAgent no", "agent_forward_path", None),
        ("PasswordAuthentication no", "password_auth", False),
        ("PasswordAuthentication yes", "password_auth", True),
        ("KbdInteractiveAuthentication no", "kbdint_auth", False),
        ("KbdInteractiveAuthentication yes", "kbdint_auth", True),
        ("PubkeyAuthentication no", "client_keys", None),
        ("Ciphers aes256-ctr", "encryption_algs", ["aes256-ctr"]),
        ("MACs hmac-sha2-512", "mac_algs", ["hmac-sha2-512"]),
        ("KexAlgorithms curve25519-sha256", "kex_algs", ["curve25519-sha256"]),
        ("PubkeyAcceptedAlgorithms ssh-ed25519", "signature_algs", ["ssh-ed25519"]),
        ("ConnectTimeout 9", "login_timeout", 9),
        ("User admin", "username", "admin"),
    ],
)
async def test_each_line_is_a_keyword_of_asyncssh(tmp_path: Path, line: str, option: str, value: object) -> None:
    assert plain(getattr(await received(tmp_path, line), option)) == plain(value)


def plain(value: object) -> object:
    """Names of AsyncSSH are bytes, in lists or in tuples."""
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize(
    ("lines", "passed", "interval", "count"),
    [
        ((), {}, 15, 2),
        (("ServerAliveInterval 7", "ServerAliveCountMax 5"), {}, 7, 4),
        (("ServerAliveInterval 7", "ServerAliveCountMax 2"), {"keepalive": 3}, 3, 1),
        (("ServerAliveInterval 7", "ServerAliveCountMax 1"), {}, 3.5, 1),
        (("ServerAliveInterval 7", "ServerAliveCountMax 0"), {}, 3.5, 1),
    ],
)
async def test_keepalives_bound_what_they_say(
    tmp_path: Path, lines: tuple[str, ...], passed: dict[str, Any], interval: float, count: int
) -> None:
    """AsyncSSH waits for ``interval * (count_max + 1)``."""
    options = await received(tmp_path, *lines, **passed)
    assert (options.keepalive_interval, options.keepalive_count_max) == (interval, count)


async def test_no_password_where_ssh_config_forbids_it(start_sshd: StartSshd, account: Account, tmp_path: Path) -> None:
    server = start_sshd(account=account)
    login = {**credentials(server), "identity": "none", "password": account.password}
    target = f"edge1://127.0.0.1:{server.port}"
    for line in ("PasswordAuthentication no", "PreferredAuthentications publickey"):
        with pytest.raises(AuthenticationFailed):
            async with connect(target, config=written(tmp_path, line), **login):
                pass
    async with connect(target, config=written(tmp_path, "PasswordAuthentication yes"), **login):
        pass
    server.wait_log("Accepted password")
    assert "Failed password" not in server.log()
    assert server.log().count("Accepted password") == 1


async def test_variables_and_the_address_arrive(
    start_sshd: StartSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_sshd()
    monkeypatch.setenv("MOORING_SENT", "from here")
    monkeypatch.setenv("MOORING_KEPT", "not this")
    config = written(tmp_path, "SendEnv MOORING_S*", "SetEnv MOORING_T=there", "BindAddress 127.0.0.2")
    async with connect(f"edge1://127.0.0.1:{server.port}", config=config, **credentials(server)) as session:
        result = await session.run('echo "$MOORING_SENT,$MOORING_KEPT,$MOORING_T,${SSH_CLIENT%% *}"')
    assert result.stdout == "from here,,there,127.0.0.2\n"
