"""Nobody reaches what the rules do not name: users by key, certificate and token, and all that may be asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN, MSG_GLOBAL_REQUEST
from asyncssh.packet import Boolean, String, UInt32

from mooring import Pool
from mooring.gateway.channel import actions_of
from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.errors import ConfigError
from mooring.model.gateway import GatewaySettings, GatewayUser
from mooring.transport.private import log_in_as
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold

from .door import PATIENCE, Done, Door, make_key, run, user

pytestmark = pytest.mark.anyio

RUN, SHELL, NETCONF, FILES, FORWARD = Action.RUN, Action.SHELL, Action.NETCONF, Action.FILES, Action.FORWARD

ASKED: dict[str, tuple[str, ...]] = {
    "run": ("--", "echo in"),
    "terminal": ("-tt", "--", "echo in"),
    "shell": ("-T",),
    "netconf": ("-s", "--", "netconf"),
    "sftp": ("-s", "--", "sftp"),
    "scp": ("--", "scp -f /etc/hostname"),
    "disguised": ("--", "scp -f /etc/hostname; echo in"),
    "other": ("-s", "--", "other"),
    "forward": ("-W", "127.0.0.1:{port}"),
    "listen": ("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "--", "echo in"),
}
GRANTED: dict[tuple[str, str], set[str]] = {
    ("runner", "a"): {"run", "terminal", "scp", "disguised"},
    ("filer", "a"): {"sftp", "scp"},
    ("net", "a"): {"netconf"},
    ("sheller", "a"): {"shell"},
    ("forwarder", "a"): {"forward"},
    ("elsewhere", "a"): set(),
    ("runner", "core1"): set(),
    ("sheller", "core1"): {"shell"},
    ("nothing", "a"): set(),
}
"""Who may do what on which session, by the rules of ``people``."""
MEANT = {"run": "run", "shell": "shell", "sftp": "files"}
_SOME = ("run", "shell", "sftp", "forward", "listen")
_FEW = ("run", "sftp")
CASES = [
    (name, alias, asked)
    for (name, alias), granted in GRANTED.items()
    for asked in sorted({*granted, *(_SOME if granted else _FEW)})
]


@pytest.fixture
async def sessions(pool: Pool, sshd: Sshd) -> None:
    await hold(pool, "core1", sshd)


@pytest.fixture
def people(door: Door, sessions: None, tmp_path: Path) -> dict[str, Path]:
    """Their keys."""
    rules: dict[str, tuple[str, list[Action]]] = {
        "runner": ("all,!core*", [RUN]),
        "filer": ("all", [FILES]),
        "net": ("a", [NETCONF]),
        "sheller": ("*", [SHELL]),
        "forwarder": ("a", [FORWARD]),
        "elsewhere": ("b*", [RUN, SHELL, NETCONF, FILES, FORWARD]),
    }
    keys = {name: make_key(tmp_path, name) for name in (*rules, "nothing")}
    door.allow(
        *(user(name, keys[name], actions, select) for name, (select, actions) in rules.items()),
        user("nothing", keys["nothing"], grants=()),
    )
    return keys


@contextlib.asynccontextmanager
async def _listening() -> AsyncIterator[int]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"in\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def test_there_are_as_many_cases_as_it_takes() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize(("name", "alias", "asked"), CASES)
async def test_a_case(  # noqa: PLR0917 - three are the case
    door: Door, people: dict[str, Path], name: str, alias: str, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool = door.gateway.fleet._pool  # noqa: SLF001 - nothing else tells
    held = pool[alias].connection
    async with _listening() as port:
        words = tuple(word.format(port=port) for word in ASKED[asked])
        done = await door.ssh(alias, *words, stdin=b"echo in\n" if asked == "shell" else b"", key=people[name])
    assert pool[alias].connection is held, "others use it too"
    assert not [record for record in caplog.records if record.exc_info]
    if asked in GRANTED[name, alias]:
        assert done.out or asked in {"netconf", "scp"} or (asked, done.status) == ("sftp", 0), done
        assert b"mooring:" not in done.err
        assert b"forwarding failed" not in done.err
        return
    assert (done.status, done.out) == (255, b"")
    assert re.fullmatch(
        rb"mooring: (\w+ may not \w+ on \w+|no session is called \w+)\r?\n|.*forward.*failed.*\r\n", done.err
    ), done.err
    if name == "forwarder" and asked in MEANT:
        assert done.err == f"mooring: forwarder may not {MEANT[asked]} on a\n".encode()


async def test_a_refused_shell_with_a_terminal_is_its_own_affair(
    door: Door, people: dict[str, Path], pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """The device answers for the terminal when the client has been told already that nothing comes of it."""
    held = pool["a"].connection
    async with connect(door, people["runner"]) as beside:
        process = await beside.create_process("cat")
        for _ in range(3):
            done = await door.ssh("a", "-tt", key=people["net"])
            assert done == Done(255, b"", b"mooring: net may not shell on a\r\n")
        process.stdin.write("still here")
        process.stdin.write_eof()
        assert await process.stdout.read() == "still here"
    assert pool["a"].connection is held
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_command_for_files_is_no_way_to_another(door: Door, people: dict[str, Path]) -> None:
    for command in ("scp -t /tmp; echo in", "scp -t $(echo in)", "scp -f x\necho in", "echo in", "scp -S/bin/sh -f x"):
        done = await door.ssh("a", "--", command, key=people["filer"])
        assert done == Done(255, b"", b"mooring: filer may not run on a\n")


async def test_variables_of_who_may_not_run_commands(
    door: Door, people: dict[str, Path], pool: Pool, start_sshd: StartSshd
) -> None:
    await hold(pool, "b", start_sshd(Subsystem=["sftp internal-sftp", "netconf /usr/bin/env", "other /usr/bin/env"]))
    door.allow(user("net", people["net"], [NETCONF]), user("runner", people["runner"], [RUN]))
    options = ("-o", "SendEnv=MOORING_X LC_X", "-s", "--")
    variables = {"MOORING_X": "1", "LC_X": "2"}
    done = await run(*door.ssh_command("b", *options, "netconf", key=people["net"]), env=variables)
    assert b"LC_X=2" in done.out
    assert b"MOORING_X" not in done.out
    done = await run(*door.ssh_command("b", *options, "other", key=people["runner"]), env=variables)
    assert b"MOORING_X=1" in done.out


async def test_a_second_program_on_one_channel_is_refused(door: Door, people: dict[str, Path]) -> None:
    async with connect(door, people["runner"]) as connection:
        process = await connection.create_process("cat", encoding=None)
        assert not await process.channel._make_request(b"shell")  # noqa: SLF001 - nobody does so by mistake
        assert not await process.channel._make_request(b"exec", String("id"))  # noqa: SLF001
        assert not await process.channel._make_request(b"x11-req", b"\0" * 13)  # noqa: SLF001
        assert not await process.channel._make_request(b"auth-agent-req@openssh.com")  # noqa: SLF001
        process.stdin.write(b"still here")
        process.stdin.write_eof()
        assert await process.stdout.read() == b"still here"


def connect(door: Door, key: Path | None, alias: str = "a", **more: Any) -> Any:  # noqa: ANN401 - AsyncSSH's
    """A client of AsyncSSH's."""
    keys: dict[str, Any] = {"client_keys": [str(key)] if key else None, "agent_path": None, "username": alias}
    return asyncssh.connect("127.0.0.1", door.port, known_hosts=None, config=None, **{**keys, **more})


async def test_a_key_that_is_offered_and_not_proven_grants_nothing(door: Door, tmp_path: Path) -> None:
    """Ann's public key is asked about, which the gateway knows; then bob proves his own, and is bob."""
    bob = make_key(tmp_path, "bob")
    door.allow(user("ann", door.key), user("bob", bob, [NETCONF]))
    anns = asyncssh.read_public_key(door.key.with_suffix(".pub"))

    class Sly(asyncssh.SSHClient):
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            self.connection = conn
            self.tried = 0

        def public_key_auth_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
            self.tried += 1
            if self.tried == 1:
                return Borrowed(anns)
            return asyncssh.load_keypairs([str(bob)])[0] if self.tried == 2 else None

    async with asyncio.timeout(PATIENCE), connect(door, None, client_factory=Sly, client_keys=()) as connection:
        result = await connection.run("echo in")
        assert (result.exit_status, result.stdout) == (255, "")
        assert result.stderr == "mooring: bob may not run on a\n"

    class Lying(asyncssh.SSHClient):
        tried = 0

        def public_key_auth_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
            self.tried += 1
            return Borrowed(anns) if self.tried == 1 else None

    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncio.timeout(PATIENCE), connect(door, None, client_factory=Lying, client_keys=()):
            pass


class Borrowed(asyncssh.SSHKeyPair):
    """A public key without its private one: what it signs is signed by nobody."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        super().__init__(b"ssh-ed25519", b"ssh-ed25519", (b"ssh-ed25519",), (b"ssh-ed25519",), key.public_data, None)

    def sign(self, data: bytes) -> bytes:
        del data
        return String("ssh-ed25519") + String(os.urandom(64))


@pytest.mark.parametrize(
    "packet",
    [
        (MSG_CHANNEL_OPEN, String("session"), UInt32(0), UInt32(1 << 20), UInt32(1 << 15)),
        (MSG_GLOBAL_REQUEST, String("tcpip-forward"), Boolean(value=True), String(""), UInt32(0)),
    ],
)
async def test_messages_before_the_login_end_the_connection(door: Door, packet: tuple[Any, ...]) -> None:
    ended = asyncio.Event()

    class Early(asyncssh.SSHClient):
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            self.connection = conn

        def begin_auth(self, username: str) -> None:
            del username
            kind, *args = packet
            self.connection._auth_complete = True  # noqa: SLF001 - it would wait
            self.connection.send_packet(kind, *args)
            self.connection._auth_complete = False  # noqa: SLF001

        def connection_lost(self, exc: Exception | None) -> None:
            del exc
            ended.set()

    async with asyncio.timeout(PATIENCE):
        with pytest.raises((asyncssh.Error, OSError)):
            async with connect(door, door.key, client_factory=Early):
                pass
        await ended.wait()
    assert not door.gateway.visitors


NO_ALIASES = ("../a", "%h", "a;id", "$(id)", "a b", "-oProxyCommand=id", "a" * 900, "", "ä", "a/../a", "a*", "a,b")
NO_NAMES = ("a\n", "a\x07", "\x1b[2J", "a\0", "\u202ea")


@pytest.mark.parametrize("name", [*NO_ALIASES, *NO_NAMES], ids=ascii)
async def test_odd_user_names_reach_nobody_and_are_not_repeated(
    door: Door, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With a control character in it, it is no name at all."""
    caplog.set_level("DEBUG", "mooring")
    done: list[tuple[int | None, Any, Any]] = []

    class Odd(asyncssh.SSHClient):
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            log_in_as(conn, name)  # AsyncSSH's client would refuse some of them itself

    with contextlib.suppress(asyncssh.DisconnectError):
        async with asyncio.timeout(PATIENCE), connect(door, door.key, client_factory=Odd) as connection:
            result = await connection.run("echo in")
            done.append((result.exit_status, result.stdout, result.stderr))
    assert done == ([(255, "", "mooring: no session is called that\n")] if name in NO_ALIASES else [])
    assert not name or name not in "".join(record.getMessage() for record in caplog.records)


async def test_tokens_that_are_guessed_keep_their_source_out(door: Door) -> None:
    door.allow(GatewayUser(name="ops", token=True, grants=(Grant(selector="a", actions=frozenset({RUN})),)))
    async with asyncio.timeout(PATIENCE):
        for number in range(6):  # each is two failures: the guess, and a connection on which nobody came in
            with pytest.raises(asyncssh.PermissionDenied):
                async with connect(door, None, password=f"guess {number}"):
                    pass
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            assert await reader.read() == b""


async def test_a_token_as_the_password(door: Door) -> None:
    door.allow(GatewayUser(name="ops", token=True, grants=(Grant(selector="a", actions=frozenset({RUN})),)))
    async with asyncio.timeout(PATIENCE), connect(door, None, password="the-token") as connection:
        assert (await connection.run("echo in")).stdout == "in\n"
        assert (await connection.run("", subsystem="sftp")).stderr == "mooring: ops may not files on a\n"
    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncio.timeout(PATIENCE), connect(door, None, password="another"):
            pass
    door.allow()  # nobody is configured: the token is what it is at the other doors
    async with (
        asyncio.timeout(PATIENCE),
        connect(door, None, password="the-token") as connection,
        connection.start_sftp_client() as sftp,
    ):
        assert await sftp.exists("/")
    door.allow(user("ann", door.key))  # nobody has a token
    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncio.timeout(PATIENCE), connect(door, None, password="the-token"):
            pass


async def test_a_named_token_is_itself_until_it_ends(door: Door) -> None:
    root = Actor(name="root", door="unix", grants=(ADMIN,))
    tokens = door.gateway.fleet.tokens
    door.allow()
    _, secret = await tokens.create(root, "ci", [RUN], "a", expires_in=None)
    async with asyncio.timeout(PATIENCE), connect(door, None, password=secret.reveal()) as connection:
        assert (await connection.run("echo in")).stdout == "in\n"
        assert (await connection.run("", subsystem="sftp")).exit_status == 255
        process = await connection.create_process("sleep 600")
        await tokens.revoke(root, "ci")
        await connection.wait_closed()
        assert (await process.wait()).exit_status is None
    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncio.timeout(PATIENCE), connect(door, None, password=secret.reveal()):
            pass
    door.allow(GatewayUser(name="ops", token=True, grants=(Grant(selector="a", actions=frozenset({RUN})),)))
    _, secret = await tokens.create(
        root, "ops", [Action.READ], "none", expires_in=None
    )  # of a user's name: is that user
    async with asyncio.timeout(PATIENCE), connect(door, None, password=secret.reveal()) as connection:
        assert (await connection.run("echo in")).stdout == "in\n"
        await tokens.revoke(root, "ops")
        await connection.wait_closed()
    door.allow(user("ann", door.key))  # nobody has a token
    _, secret = await tokens.create(root, "ci", [RUN], "a", expires_in=None)
    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncio.timeout(PATIENCE), connect(door, None, password=secret.reveal()):
            pass


Sign = Callable[..., dict[str, Any]]


@pytest.fixture
def sign(door: Door, tmp_path: Path) -> Sign:
    """Makes certificates for ann's key, signed by an authority that the gateway knows."""
    authority = asyncssh.generate_private_key("ssh-ed25519")
    authority.write_public_key(tmp_path / "ca.pub")
    grants = (Grant(selector="all", actions=frozenset({RUN, FORWARD})),)
    door.allow(
        GatewayUser(
            name="bob", certificate_authority=str(tmp_path / "ca.pub"), principals=("bob", "netops"), grants=grants
        ),
        GatewayUser(name="joe", certificate_authority=str(tmp_path / "ca.pub"), grants=grants),
    )
    key = asyncssh.read_private_key(door.key)

    def make(
        *principals: str, by: asyncssh.SSHKey = authority, of: asyncssh.SSHKey = key, **options: Any
    ) -> dict[str, Any]:
        certificate = by.generate_user_certificate(of, "id", principals=list(principals), **options)
        return {"client_keys": [(of, certificate)]}

    return make


async def outcome(door: Door, **options: Any) -> str:
    """What comes of a command, or that nobody is let in."""
    try:
        async with asyncio.timeout(PATIENCE), connect(door, None, **options) as connection:
            result = await connection.run("echo in", term_type=options.pop("term", None))
            return str(result.stdout or result.stderr).strip()
    except asyncssh.PermissionDenied:
        return "denied"


async def test_certificates(door: Door, sign: Sign) -> None:
    assert await outcome(door, **sign("netops")) == "in"
    assert await outcome(door, **sign("joe")) == "in"
    assert await outcome(door, **sign("a")) == "denied"  # the alias is nobody
    assert await outcome(door, **sign()) == "denied"  # nobody's
    assert await outcome(door, **sign("bob", "joe")) == "denied"  # two people's
    assert await outcome(door, **sign("bob", valid_before="20200101")) == "denied"
    assert await outcome(door, **sign("bob", valid_after="20900101")) == "denied"
    assert await outcome(door, **sign("bob", source_address=["10.0.0.0/8"])) == "denied"
    assert await outcome(door, **sign("bob", source_address=["127.0.0.0/8"])) == "in"
    assert await outcome(door, **sign("bob", force_command="id")) == "denied"
    assert await outcome(door, **sign("bob", by=asyncssh.generate_private_key("ssh-ed25519"))) == "denied"


async def test_keys_that_are_too_small(door: Door, sign: Sign, tmp_path: Path) -> None:
    """Of a user, of an authority, and within a certificate of a good one."""
    small = make_key(tmp_path, "small", "ssh-rsa", key_size=1024)
    for who in (user("bob", small), GatewayUser(name="bob", certificate_authority=str(small.with_suffix(".pub")))):
        with pytest.raises(ConfigError, match="an RSA key of 1024 bits will not do") as caught:
            door.allow(who)
        assert caught.value.hint == "2048 at least; Ed25519 is better: ssh-keygen -t ed25519"
    large = make_key(tmp_path, "large", "ssh-rsa", key_size=2048)
    assert await outcome(door, **sign("bob", of=asyncssh.read_private_key(small))) == "denied"
    assert await outcome(door, **sign("bob", of=asyncssh.read_private_key(large))) == "in"
    door.allow(user("ann", large))
    assert await outcome(door, client_keys=[str(large)]) == "in"


async def test_a_certificate_withholds_what_it_does_not_permit(door: Door, sign: Sign) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        _listening() as port,
        connect(door, None, **sign("bob", permit_pty=False, permit_port_forwarding=False)) as connection,
    ):
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", port)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("echo in", term_type="xterm")
        assert (await connection.run("echo in")).stdout == "in\n"


@pytest.mark.parametrize(
    ("options", "let_in"),
    [
        ("", True),
        ('from="127.0.0.*" ', True),
        ('from="10.*" ', False),
        ("no-pty ", True),
        ("restrict ", True),
        ('expiry-time="20200101" ', False),
    ],
)
async def test_options_of_a_key(door: Door, options: str, let_in: bool) -> None:  # noqa: FBT001 - a case
    path = door.key.with_suffix(".pub")
    path.write_text(options + path.read_text())
    door.allow(user("ann", door.key))
    assert await outcome(door, client_keys=[str(door.key)]) == ("in" if let_in else "denied")
    if options in {"no-pty ", "restrict "}:
        done = await door.ssh("a", "-tt", "--", "tty")
        assert (done.status, done.out) == (255, b"")
        assert b"PTY allocation request failed" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('command="id" {ann}', "the option command is not known"),
        ('permitopen="x:1" {ann}', "the option permitopen is not known"),
        ('environment="A=b" {ann}', "the option environment is not known"),
        ('permitlisten="x:1" {ann}', "the option permitlisten is not known"),
        ('principals="x" {ann}', "the option principals is not known"),
        ("unheard-of {ann}", "the option unheard-of is not known"),
        ("cert-authority {ann}", "an authority"),
        ("{ann}\nnonsense", "no public key"),
        ("# nothing", "no public key is in this file"),
    ],
)
async def test_key_files_that_ask_for_what_is_not_done(door: Door, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "keys.pub"
    path.write_text(text.format(ann=door.key.with_suffix(".pub").read_text().strip()))
    someone = GatewayUser(name="x", authorized_keys=str(path))
    with pytest.raises(ConfigError, match=words):
        door.gateway.prepare(GatewaySettings(users=(someone,)))
    with pytest.raises(ConfigError, match="cannot be read"):
        door.gateway.prepare(GatewaySettings(users=(GatewayUser(name="x", authorized_keys=str(tmp_path / "none")),)))


async def test_a_key_has_several_lines(door: Door) -> None:
    path = door.key.with_suffix(".pub")
    line = path.read_text()
    path.write_text(f'from="10.0.0.1" {line}\nfrom="127.0.0.1" {line}\n')
    door.allow(user("ann", door.key))
    assert await outcome(door, client_keys=[str(door.key)]) == "in"


async def test_key_files_that_others_may_write_or_that_are_too_long(door: Door, tmp_path: Path) -> None:
    path = tmp_path / "keys.pub"
    path.write_text(door.key.with_suffix(".pub").read_text())
    path.chmod(0o666)
    settings = GatewaySettings(users=(GatewayUser(name="x", authorized_keys=str(path)),))
    with pytest.raises(ConfigError, match="others may write to it"):
        door.gateway.prepare(settings)
    path.chmod(0o600)
    path.write_bytes(b"#" * (1 << 20) + b"\n" + path.read_bytes())
    with pytest.raises(ConfigError, match="more than 1048576 bytes"):
        door.gateway.prepare(settings)


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        ("cert-authority ", "in"),
        ('from="127.0.0.1" ', "in"),
        ('cert-authority,from="10.9.9.9" ', "denied"),
        ('expiry-time="20200101" ', "denied"),
    ],
)
async def test_options_of_an_authority(door: Door, sign: Sign, tmp_path: Path, options: str, outcomes: str) -> None:
    path = tmp_path / "ca.pub"
    path.write_text(options + path.read_text())
    door.allow(*door.settings.users)
    assert await outcome(door, **sign("bob")) == outcomes


async def test_an_authority_withholds_what_its_line_does(door: Door, sign: Sign, tmp_path: Path) -> None:
    path = tmp_path / "ca.pub"
    path.write_text("no-pty " + path.read_text())
    door.allow(*door.settings.users)
    async with asyncio.timeout(PATIENCE), connect(door, None, **sign("bob")) as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("echo in", term_type="xterm")


async def test_what_was_proven_must_go_on_to_prove_it(door: Door, sign: Sign, tmp_path: Path) -> None:
    """A key, authority or token that is taken away ends the connections that came by it, and no others."""
    cert, users = sign("joe"), door.settings.users
    bob = make_key(tmp_path, "bob")
    keys = tmp_path / "keys.pub"
    both = bob.with_suffix(".pub").read_text(), door.key.with_suffix(".pub").read_text()
    keys.write_text("".join(both))
    people = GatewayUser(name="ann", authorized_keys=str(keys), grants=users[0].grants)
    ops = GatewayUser(name="ops", token=True, grants=users[0].grants)
    door.allow(*users, people, ops)
    async with (
        asyncio.timeout(PATIENCE),
        connect(door, door.key) as anns,
        connect(door, bob) as bobs,
        connect(door, None, **cert) as joes,
        connect(door, None, password="the-token") as opss,
    ):
        for connection in (anns, bobs, joes, opss):
            assert (await connection.run("echo in")).stdout == "in\n"
        keys.write_text(both[1])
        door.allow(*users, people, ops)
        await bobs.wait_closed()
        door.allow(users[0], people, replace(ops, token=False))
        await joes.wait_closed()
        await opss.wait_closed()
        assert (await anns.run("echo in")).stdout == "in\n"
        keys.write_text(f"no-pty {both[1]}")
        door.allow(people)
        with pytest.raises(asyncssh.ChannelOpenError):
            await anns.create_process("echo in", term_type="xterm")
        assert (await anns.run("echo in")).stdout == "in\n"


async def test_one_key_is_one_person(door: Door) -> None:
    with pytest.raises(ConfigError, match="have the same key"):
        door.gateway.prepare(GatewaySettings(users=(user("ann", door.key), user("bob", door.key))))


async def test_rules_that_change_hold_at_once(door: Door) -> None:
    async with asyncio.timeout(PATIENCE), connect(door, door.key) as connection:
        assert (await connection.run("echo in")).stdout == "in\n"
        door.allow(user("ann", door.key, [SHELL]))
        assert (await connection.run("echo in")).stderr == "mooring: ann may not run on a\n"
        door.allow(user("ann", door.key, select="nothing"))
        assert (await connection.run("echo in")).stderr == "mooring: no session is called a\n"
        door.allow(user("bob", door.key))
        await connection.wait_closed()


async def test_ssh_audit_finds_nothing(door: Door) -> None:
    program = str(Path(sys.executable).with_name("ssh-audit"))
    done = await run(program, "--json", "--skip-rate-test", "-p", str(door.port), "127.0.0.1")
    found = json.loads(done.out)
    assert found["kex"]
    offered = {kind: [one["algorithm"] for one in found[kind]] for kind in ("kex", "key", "enc", "mac")}
    notes = [note for kind in offered for one in found[kind] for note in one.get("notes", {}).get("fail", [])]
    assert notes == []
    assert offered["key"] == ["ssh-ed25519"]
    assert "kex-strict-s-v00@openssh.com" in offered["kex"]
    assert not [name for names in offered.values() for name in names if "sha1" in name or "nistp" in name]


async def test_strict_key_exchange_is_used_on_the_way_to_the_device(door: Door, pool: Pool) -> None:
    assert pool["a"].connection._strict_kex  # noqa: SLF001 - nothing else tells
    async with connect(door, door.key) as connection:
        assert connection._strict_kex  # noqa: SLF001


def test_what_it_takes() -> None:
    assert actions_of(b"shell", b"") == (SHELL,)
    assert actions_of(b"exec", b"scp -t x") == (FILES, RUN)
    assert actions_of(b"exec", b"\xff") == (RUN,)
    assert actions_of(b"subsystem", b"netconf") == (NETCONF,)
    assert actions_of(b"subsystem", b"NETCONF") == (RUN,)
