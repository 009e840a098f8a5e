"""No secret in any log at any level, AsyncSSH's packet dumps included, nor in what is shown of a session or error."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

import mooring
from mooring import MooringError, Pool, Session
from mooring.model.target import Target
from mooring.simulate import SimulatedHosts
from mooring.transport.keywords import split
from mooring.transport.logs import keep_quiet
from mooring.transport.route import Router
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring
from tests.peers.sshd import Sshd
from tests.session.held import pin

pytestmark = pytest.mark.anyio

SECRET = "Tr0ub4dor&3-hunter2"


class Everything(logging.Handler):
    """Keeps every record whole."""

    def __init__(self) -> None:
        super().__init__(0)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def text(self) -> str:
        """All that is in the records: message, arguments, exceptions, extras."""
        parts = []
        for record in self.records:
            parts += [record.getMessage(), repr(record.__dict__)]
            if record.exc_info and record.exc_info[1]:
                parts += traceback.format_exception(record.exc_info[1])
        return "\n".join(parts)


@pytest.fixture
def everything() -> Iterator[Everything]:
    """All logs at level 0, AsyncSSH's at its most talkative."""
    root, ours = logging.getLogger(), logging.getLogger("asyncssh")
    levels = root.level, ours.level
    handler = Everything()
    root.addHandler(handler)
    root.setLevel(1)
    ours.setLevel(logging.DEBUG)
    asyncssh.set_debug_level(3)
    yield handler
    asyncssh.set_debug_level(1)
    root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def dumped(secret: str) -> list[str]:
    """A secret as text, as bytes in a repr, and as lines of a hex dump hold parts of it."""
    data = secret.encode()
    pieces = [" ".join(f"{byte:02x}" for byte in data[start : start + 8]) for start in range(len(data) - 7)]
    return [secret, secret[:8], secret[-8:], *pieces]


def assert_clean(text: str, secret: str) -> None:
    for trace in dumped(secret):
        assert trace not in text


def shown(session: Session) -> str:
    """Whatever a session shows of itself and of what it stands on, and what of it lies about."""
    link = session.link
    parts: list[Any] = [session, session.target, session.status(), link, link.route, link.route.keywords]
    parts += [vars(session), link.connection, link.route.config]
    options = link.connection._options  # noqa: SLF001 - what AsyncSSH keeps
    parts += [options, vars(options), vars(link.connection)]
    return "\n".join(f"{part!r}\n{part}" for part in parts)


async def attempt(target: str, **keywords: Any) -> str:
    """Log in, run a command, and return all that was shown, the events and the error included."""
    usual = {"host_key": "off", "identity": "none", "agent_path": None}
    texts = []
    async with Pool(config=keywords.pop("config", None)) as pool:
        events = pool.events()
        session = await pool.start(target, **{**usual, **keywords})
        try:
            await session.wait_up(timeout=30)
        except MooringError as error:
            texts += [repr(error), str(error), repr(vars(error)), *traceback.format_exception(error)]
            texts += [repr(session), repr(session.status()), repr(session.error), repr(vars(session))]
        else:
            assert (await session.run("echo on")).stdout == "on\n"
            texts.append(shown(session))
        texts += [repr(pool), repr(vars(pool)), repr(pool.statistics())]
    texts += [repr(event) async for event in events]
    return "\n".join(texts)


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
async def test_a_password(everything: Everything, account: Account, start_sshd: StartSshd, *, right: bool) -> None:
    secret = account.password if right else SECRET
    server = start_sshd(account=account)
    text = await attempt(f"edge1://{server.user}@127.0.0.1:{server.port}", password=secret)
    assert ("authentication-failed" in text) is not right
    assert_clean(text, secret)
    log = everything.text()
    assert "Trying password auth" in log
    assert "MSG_USERAUTH_REQUEST" in log or "USERAUTH" in log
    assert_clean(log, secret)


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
async def test_a_password_in_the_dsn(everything: Everything, *, right: bool) -> None:
    async with SimulatedHosts(1, password=SECRET if right else "other") as hosts:
        quoted = SECRET.replace("&", "%26")
        text = await attempt(f"sim1://admin:{quoted}@127.0.0.1:{hosts[0].port}")
        assert ("authentication-failed" in text) is not right
        for secret in (SECRET, quoted):
            assert_clean(text, secret)
            assert_clean(everything.text(), secret)


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
async def test_keyboard_interactive(everything: Everything, *, right: bool) -> None:
    async with SimulatedHosts(1, answers={"Password: ": SECRET if right else "other"}) as hosts:
        text = await attempt(f"sim1://admin@127.0.0.1:{hosts[0].port}", password=SECRET)
        assert ("authentication-failed" in text) is not right
        assert_clean(text, SECRET)
        assert "Trying keyboard-interactive auth" in everything.text()
        assert_clean(everything.text(), SECRET)


async def test_references(
    everything: Everything,
    account: Account,
    start_sshd: StartSshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_sshd(account=account)
    target = f"edge1://{server.user}@127.0.0.1:{server.port}"
    monkeypatch.setenv("MOORING_TEST_SECRET", account.password)
    file = tmp_path / "password"
    file.write_text(account.password)
    file.chmod(0o600)
    for reference in ("env:MOORING_TEST_SECRET", f"file:{file}"):
        assert_clean(await attempt(target, password_from=reference), account.password)
    file.chmod(0o644)  # refused: others can read it
    assert_clean(await attempt(target, password_from=f"file:{file}"), account.password)
    assert_clean(everything.text(), account.password)


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
async def test_a_passphrase(everything: Everything, sshd: Sshd, keyring: Keyring, *, right: bool) -> None:
    key = keyring.key("secretly_locked", passphrase=SECRET if right else "another one")
    target = f"edge1://{sshd.user}@127.0.0.1:{sshd.port}"
    assert_clean(await attempt(target, identity=[str(key)], passphrase=SECRET), SECRET)
    assert_clean(everything.text(), SECRET)


async def test_through_a_proxy_command_and_a_jump_host(
    everything: Everything, account: Account, start_sshd: StartSshd, tmp_path: Path
) -> None:
    server = start_sshd(account=account)
    target = f"edge1://{server.user}@127.0.0.1:{server.port}"
    ssh = " ".join(server.ssh_command("-W", f"127.0.0.1:{server.port}"))
    assert_clean(await attempt(target, password=account.password, proxy_command=ssh), account.password)
    config = tmp_path / "config"
    config.write_text(
        f"Host hop\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n IdentityAgent none\n"
        f" IdentityFile {server.client_key}\n UserKnownHostsFile {server.known_hosts}\n"
    )
    text = await attempt(target, password=account.password, jump="hop", config=config)
    assert "hop" in text
    assert_clean(text, account.password)
    assert_clean(everything.text(), account.password)


async def test_what_a_command_is_told_and_tells(everything: Everything, sshd: Sshd) -> None:
    target = f"edge1://{sshd.user}@127.0.0.1:{sshd.port}"
    login: dict[str, Any] = {"host_key": pin(sshd), "identity": [str(sshd.client_key)], "agent_path": None}
    async with mooring.connect(target, config=None, **login) as session:
        result = await session.run(f"tee /dev/stderr; : '{SECRET}'", input=SECRET, env={"MOORING_SECRET": SECRET})
    assert result.stdout == result.stderr == SECRET
    packets = "\n".join(record.getMessage() for record in everything.records if hasattr(record, "packet"))
    for name in ("MSG_CHANNEL_DATA", "MSG_CHANNEL_EXTENDED_DATA", "MSG_CHANNEL_REQUEST"):
        assert name in packets
    assert_clean(packets, SECRET)
    assert_clean(repr([vars(record) for record in everything.records if hasattr(record, "packet")]), SECRET)


async def test_what_a_proxy_command_and_keywords_hold(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host a\n ProxyCommand relay --password {SECRET} %h\n SetEnv TOKEN={SECRET}\n")
    fields, keywords = split({"proxy_command": f"relay {SECRET}", "env": {"TOKEN": SECRET}})
    router = Router([config])
    for route in (
        await router.route(Target.parse("a", **fields)),
        await router.route(Target.parse("b", **fields), keywords),
    ):
        assert SECRET in str(route.proxy_command)
        assert_clean(repr(route) + repr(route.keywords), SECRET)


async def test_what_a_caller_passes_wrongly(sshd: Sshd) -> None:
    target = f"edge1://{sshd.user}@127.0.0.1:{sshd.port}"
    for keywords in ({"pasword": SECRET}, {"password": [SECRET]}, {"passphrase": [SECRET]}, {"port": SECRET}):
        with pytest.raises(MooringError) as caught:
            async with mooring.connect(target, config=None, host_key=pin(sshd), **keywords):
                pass
        assert SECRET not in "".join(traceback.format_exception_only(caught.value))


def test_keeping_quiet_twice_is_once() -> None:
    logger = logging.getLogger("asyncssh")
    before = list(logger.filters)
    keep_quiet()
    assert logger.filters == before
    assert len(before) >= 1
