"""Who is let in, and what it costs the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_USERAUTH_REQUEST
from asyncssh.packet import Boolean, String

import mooring
from mooring.transport.server.keys import Keys
from mooring.transport.server.terms import for_user

from .ground import PATIENCE, Ground, authorized, line

pytestmark = pytest.mark.anyio
KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER = asyncssh.generate_private_key("ssh-ed25519")


async def greet(process: asyncssh.SSHServerProcess[str]) -> None:
    process.stdout.write(str(process.get_extra_info("username")))


async def says(connection: asyncssh.SSHClientConnection) -> str:
    """What a session says to a client."""
    return str((await asyncio.wait_for(connection.run("x"), PATIENCE)).stdout)


# Passwords.


async def test_a_right_password_lets_in_and_a_wrong_one_does_not(ground: Ground) -> None:
    server = await ground.start(check_password=lambda user, password: (user, password) == ("ann", "pw"), process=greet)
    assert await says(await ground.connect(server, username="ann", password="pw")) == "ann"
    for user, password in (("ann", "pv"), ("ann", ""), ("bob", "pw"), ("guest", "pw")):
        with pytest.raises(asyncssh.PermissionDenied):
            await ground.connect(server, username=user, password=password)
    assert ground.faults == []


async def test_a_coroutine_may_check(ground: Ground) -> None:
    async def check(user: str, password: str) -> bool:
        await asyncio.sleep(0)
        return password == "pw"

    server = await ground.start(check_password=check, process=greet)
    assert await says(await ground.connect(server, password="pw")) == "guest"
    with pytest.raises(asyncssh.PermissionDenied):
        await ground.connect(server, password="no")


async def test_a_slow_check_holds_up_nobody_else(ground: Ground) -> None:
    checking, go_on = threading.Event(), threading.Event()

    def check(user: str, password: str) -> bool:
        checking.set()
        return go_on.wait(PATIENCE)

    server = await ground.start(check_password=check, guests={"guest"}, process=greet)
    slow = asyncio.ensure_future(ground.connect(server, username="ann", password="pw"))
    assert await asyncio.to_thread(checking.wait, PATIENCE)
    try:
        assert await says(await ground.connect(server)) == "guest"
    finally:
        go_on.set()
    assert await says(await slow) == "ann"


async def test_a_check_that_raises_refuses_and_tells_no_password(ground: Ground) -> None:
    def check(user: str, password: str) -> bool:
        raise RuntimeError("the table is gone")

    server = await ground.start(check_password=check, process=greet)
    with pytest.raises(asyncssh.PermissionDenied):
        await ground.connect(server, password="hunter2")
    assert len(ground.faults) == 1
    assert "what was asked is refused" in ground.messages[0]
    assert "hunter2" not in str(ground.faults)


async def test_checks_that_are_not_waited_for_are_counted(ground: Ground) -> None:
    """Each question makes the one before it void: without a count, threads would be asked without end."""
    asked: list[str] = []

    async def check(user: str, password: str) -> bool:
        asked.append(password)
        await asyncio.sleep(PATIENCE)
        return False

    server = await ground.start(check_password=check, process=greet)
    with contextlib.suppress(asyncssh.Error, OSError):
        async with asyncssh.connect(
            "127.0.0.1", server.port, username="ann", known_hosts=None, config=None, client_factory=_Eager
        ):
            pass
    assert 1 <= len(asked) <= 21


class _Eager(asyncssh.SSHClient):
    """Sends one password after the other, and waits for no answer."""

    _left = 100

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._conn: Any = conn

    def public_key_auth_requested(self) -> None:
        return None

    def password_auth_requested(self) -> str:
        asyncio.get_running_loop().call_soon(self._again)
        return "first"

    def _again(self) -> None:
        for number in range(self._left):
            fields = String("ann") + String("ssh-connection") + String("password") + Boolean(False)  # noqa: FBT003
            with contextlib.suppress(Exception):
                self._conn.send_packet(MSG_USERAUTH_REQUEST, fields + String(f"guess {number}"))


# Keys and certificates.


async def test_a_key_lets_its_user_in_and_no_other_does(ground: Ground, tmp_path: Path) -> None:
    authorized(tmp_path / "ann", line(KEY))
    server = await ground.start(authorized_keys=tmp_path / "%u", process=greet)
    assert await says(await ground.connect(server, username="ann", client_keys=[KEY])) == "ann"
    for user, key in (("ann", OTHER), ("bob", KEY), ("..", KEY), ("%u", KEY), (f"../{tmp_path.name}/ann", KEY)):
        with pytest.raises(asyncssh.PermissionDenied):
            await ground.connect(server, username=user, client_keys=[key])


async def test_twenty_keys_may_be_shown_and_the_last_be_right(ground: Ground, tmp_path: Path) -> None:
    path = authorized(tmp_path / "users", line(KEY))
    server = await ground.start(authorized_keys=path, process=greet)
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(20)]
    assert await says(await ground.connect(server, client_keys=[*keys[:19], KEY])) == "guest"
    with pytest.raises(asyncssh.DisconnectError, match="Too many authentication failures"):
        await ground.connect(server, client_keys=[*keys, *keys, KEY])


async def test_a_key_that_is_known_and_never_proven_is_counted(ground: Ground, tmp_path: Path) -> None:
    path = authorized(tmp_path / "users", line(KEY))
    server = await ground.start(authorized_keys=path, process=greet)
    tried = 0

    class Forger(asyncssh.SSHClient):
        """Signs with another key."""

        def public_key_auth_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
            nonlocal tried
            tried += 1
            [pair] = asyncssh.load_keypairs([OTHER])
            pair.public_data = KEY.public_data
            return pair if tried < 100 else None

    with pytest.raises(asyncssh.DisconnectError, match="Too many authentication failures"):
        await ground.connect(server, client_factory=Forger)
    assert tried <= 22
    for _ in range(40):  # each keeps it out for longer, so however slow this is, in the end it is
        tried = 90
        with pytest.raises((asyncssh.Error, OSError)):
            await ground.connect(server, client_factory=Forger)
        if tried == 90:
            break
    assert tried == 90, "it was not even asked for a key"


async def test_messages_that_mean_nothing_are_answered_a_few_times(ground: Ground) -> None:
    """Before the login, that is; afterwards the connection goes on."""

    class Riddler(asyncssh.SSHClient):
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            self.connection = conn

        def password_auth_requested(self) -> str:
            for _ in range(times):
                self.connection.send_packet(10)
            return "pw"

    server = await ground.start(check_password=lambda _user, password: password == "pw", process=greet)
    options: dict[str, Any] = {"username": "ann", "client_factory": Riddler}
    times = 8
    connection = await ground.connect(server, **options)
    for _ in range(20):
        connection.send_packet(10)
    assert await says(connection) == "ann"
    times = 9
    with pytest.raises(asyncssh.ProtocolError, match="Too many unknown messages"):
        await ground.connect(server, **options)


async def test_keys_are_those_of_the_user_who_is_named_last(ground: Ground, tmp_path: Path) -> None:
    authorized(tmp_path / "ann", line(KEY))
    authorized(tmp_path / "bob", line(OTHER))
    server = await ground.start(authorized_keys=f"{tmp_path}/%u", process=greet)

    class Turncoat(asyncssh.SSHClient):
        """Begins as ann, who has this key, and goes on as bob, who has not."""

        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            self._conn: Any = conn

        def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
            self._conn._username = "bob"  # noqa: SLF001 - an attacker's client may
            return KEY

    with pytest.raises(asyncssh.PermissionDenied):
        await ground.connect(server, username="ann", client_factory=Turncoat)


async def test_names_are_looked_up_one_after_the_other(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the keys of one could be found when another is asked about."""
    seen: list[str] = []
    real = Keys.of

    async def slow(self: Keys, user: str) -> Any:  # noqa: ANN401 - as it is
        seen.append(f"begin {user}")
        await asyncio.sleep(0.05)
        seen.append(f"end {user}")
        return await real(self, user)

    class Hasty(asyncssh.SSHClient):
        """Says three names at once."""

        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            send = conn.send_packet

            def send_packet(kind: int, *fields: bytes, handler: Any = None) -> None:  # noqa: ANN401 - AsyncSSH's
                send(kind, *fields, handler=handler)
                if kind == MSG_USERAUTH_REQUEST:
                    for name in ("bob", "eve"):
                        send(kind, String(name), String("ssh-connection"), String("none"))

            conn.send_packet = send_packet  # type: ignore[assignment, method-assign]

    monkeypatch.setattr(Keys, "of", slow)
    server = await ground.start(authorized_keys=f"{tmp_path}/%u", process=greet)
    with pytest.raises(asyncssh.Error):
        await ground.connect(server, username="ann", client_factory=Hasty)
    assert seen[:2] == ["begin ann", "end ann"]
    assert [each.split()[1] for each in seen[2::2]][: len(seen[3::2])] == [each.split()[1] for each in seen[3::2]]


async def test_whether_a_user_has_keys_is_not_told(ground: Ground, tmp_path: Path) -> None:
    authorized(tmp_path / "ann", line(KEY))
    server = await ground.start(authorized_keys=f"{tmp_path}/%u", process=greet)
    told = [await asyncssh.get_server_auth_methods("127.0.0.1", server.port, name) for name in ("ann", "bob", "..")]
    assert told == [["publickey"]] * 3


async def test_a_changed_file_counts_from_the_next_login_on(ground: Ground, tmp_path: Path) -> None:
    path = authorized(tmp_path / "users", line(KEY))
    server = await ground.start(authorized_keys=path, process=greet)
    assert await says(await ground.connect(server, username="anybody", client_keys=[KEY])) == "anybody"
    authorized(path, f"# taken away\n{line(OTHER)}")
    with pytest.raises(asyncssh.PermissionDenied):
        await ground.connect(server, client_keys=[KEY])
    assert await says(await ground.connect(server, client_keys=[OTHER])) == "guest"


async def test_a_file_that_has_become_unreadable_lets_nobody_in_and_says_why(
    ground: Ground, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = authorized(tmp_path / "users", line(KEY))
    server = await ground.start(authorized_keys=path, process=greet)
    authorized(path, f"restrictt {line(KEY)}")
    with pytest.raises(asyncssh.PermissionDenied):
        await ground.connect(server, client_keys=[KEY])
    assert f"{path}:1: the option restrictt is not known" in caplog.text


@pytest.mark.parametrize(
    ("principals", "valid", "fits"),
    [
        (["ann"], ("-5m", "+5m"), True),
        (["bob", "ann"], ("-5m", "+5m"), True),
        (["bob"], ("-5m", "+5m"), False),
        ([], ("-5m", "+5m"), False),
        (["ann"], ("-2h", "-1h"), False),
        (["ann"], ("+1h", "+2h"), False),
    ],
)
async def test_a_certificate(
    ground: Ground,
    tmp_path: Path,
    principals: list[str],
    valid: tuple[str, str],
    fits: bool,  # noqa: FBT001
) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    path = authorized(tmp_path / "users", f"cert-authority {line(authority)}")
    certificate = authority.generate_user_certificate(
        KEY, "test", principals=principals, valid_after=valid[0], valid_before=valid[1]
    )
    server = await ground.start(authorized_keys=path, process=greet)
    coming = ground.connect(server, username="ann", client_keys=[(KEY, certificate)])
    if fits:
        assert await says(await coming) == "ann"
    else:
        with pytest.raises(asyncssh.PermissionDenied):
            await coming


async def test_a_line_names_the_principals_that_it_wants(ground: Ground, tmp_path: Path) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    authorized(tmp_path / "ann", f'cert-authority,principals="admin,ops" {line(authority)}')
    server = await ground.start(authorized_keys=f"{tmp_path}/%u", process=greet)

    async def log_in(user: str, *principals: str) -> str:
        certificate = authority.generate_user_certificate(KEY, "test", principals=principals)
        return await says(await ground.connect(server, username=user, client_keys=[(KEY, certificate)]))

    assert await log_in("ann", "ops") == "ann"
    for user, principal in (("ann", "ann"), ("bob", "ops"), ("ops", "ops")):
        with pytest.raises(asyncssh.PermissionDenied):
            await log_in(user, principal)


async def test_a_certificate_of_another_authority(ground: Ground, tmp_path: Path) -> None:
    authority, stranger = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    path = authorized(tmp_path / "users", f"cert-authority {line(authority)}")
    server = await ground.start(authorized_keys=path, process=greet)
    certificate = stranger.generate_user_certificate(KEY, "test", principals=["ann"])
    with pytest.raises(asyncssh.PermissionDenied):
        await ground.connect(server, username="ann", client_keys=[(KEY, certificate)])


async def test_what_a_line_forces_is_run_and_what_it_takes_is_refused(ground: Ground, tmp_path: Path) -> None:
    async def tell(process: asyncssh.SSHServerProcess[str]) -> None:
        process.stdout.write(f"{process.command} on {process.term_type}")

    path = authorized(tmp_path / "users", f'restrict,command="this alone" {line(KEY)}')
    server = await ground.start(
        authorized_keys=path, process=tell, sftp=tmp_path, forward_local=lambda _: True, forward_remote=lambda _: True
    )
    connection = await ground.connect(server, client_keys=[KEY])
    assert (await connection.run("rm -rf /")).stdout == "this alone on None"
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.run("x", term_type="xterm")
    with pytest.raises(asyncssh.ChannelOpenError, match="not permitted"):
        await connection.open_connection("127.0.0.1", server.port)
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("", 0, "127.0.0.1", 1)


# Strangers, and too many.


async def test_a_client_that_never_logs_in_is_hung_up_on(ground: Ground) -> None:
    server = await ground.start(process=greet, limits=mooring.DoorLimits(login_timeout=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(PATIENCE):
        said = await reader.read()
    assert said.startswith(b"SSH-2.0-")
    writer.close()
    await writer.wait_closed()


async def test_one_client_too_many_is_turned_away_and_may_come_later(ground: Ground) -> None:
    server = await ground.start(process=greet, max_connections=2)
    first, _ = [await ground.connect(server) for _ in range(2)]
    with pytest.raises((asyncssh.DisconnectError, asyncssh.ChannelOpenError)):
        await says(await ground.connect(server))
    assert len(server.connections) == 2
    port = first.get_extra_info("sockname")[1]
    [there] = [each for each in server.connections if each.get_extra_info("peername")[1] == port]
    gone = there.wait_closed()
    first.abort()
    await asyncio.wait_for(gone, PATIENCE)
    assert await says(await ground.connect(server)) == "guest"


async def test_who_comes_and_goes_is_told(ground: Ground) -> None:
    told: list[str] = []

    class Visit(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            told.append("made")

        def auth_completed(self) -> None:
            told.append("in")
            raise RuntimeError("a mistake")

        def connection_lost(self, exc: Exception | None) -> None:
            told.append("lost")

    server = await ground.start(process=greet, guests={"guest"}, server_factory=Visit)
    connection = await ground.connect(server)
    assert await says(connection) == "guest"
    gone = server.connections[0].wait_closed()
    connection.close()
    await asyncio.wait_for(gone, PATIENCE)
    assert told == ["made", "in", "lost"]
    assert len(ground.faults) == 1


async def test_a_server_factory_that_raises_ends_that_connection_alone(ground: Ground) -> None:
    made: list[str] = []

    def make() -> asyncssh.SSHServer:
        made.append("made")
        if len(made) == 1:
            raise RuntimeError("a mistake in a factory")
        return asyncssh.SSHServer()

    server = await ground.start(process=greet, guests={"guest"}, server_factory=make)
    with pytest.raises(asyncssh.ConnectionLost):
        await ground.connect(server)
    assert await says(await ground.connect(server)) == "guest"
    assert [message.partition(" failed; ")[2] for message in ground.messages] == ["the connection is ended"]


async def test_a_server_factory_answers_what_nothing_else_does(ground: Ground) -> None:
    class Mine(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return username != "open"

        def session_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
            return greet_streams

    async def greet_streams(stdin: object, stdout: asyncssh.SSHWriter[str], stderr: object) -> None:
        stdout.write("mine")
        stdout.channel.close()

    server = await ground.start(server_factory=Mine)
    assert await says(await ground.connect(server, username="open")) == "mine"
    with pytest.raises(asyncssh.PermissionDenied):
        await ground.connect(server, username="other")


# Names, and what cannot be meant.


@pytest.mark.parametrize(
    "name", ["..", ".", ".ssh", "a/b", "/", "a\0b", "a\nb", "a\x1b[2J", "", "a" * 256, "c:d", "a\\b"]
)
def test_a_name_that_is_none_of_a_file(name: str) -> None:
    assert for_user("keys/%u", name) is None


@pytest.mark.parametrize(
    ("template", "name", "path"),
    [
        ("keys/%u", "ann", "keys/ann"),
        ("keys/%u/authorized", "grüße", "keys/grüße/authorized"),
        ("keys/%%u", "ann", "keys/%u"),
        ("keys/100%%-%u", "a", "keys/100%-a"),
        ("keys", "../x", "keys"),
        ("%u", "%u", "%u"),
        ("%u", "%%", "%%"),
    ],
)
def test_a_name_in_a_path(template: str, name: str, path: str) -> None:
    assert for_user(template, name) == Path(path)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"process": greet}, "nobody could log in"),
        ({"guests": {"a"}}, "nothing to do"),
        ({"guests": "ann", "process": greet}, "a collection of names"),
        ({"guests": {"a"}, "process": greet, "session": asyncssh.SSHServerSession}, "not both"),
        ({"guests": {"a"}, "process": greet, "allow_scp": True}, "allow_scp serves the files of sftp"),
        ({"guests": {"a"}, "process": greet, "max_connections": 0}, "at least 1"),
        (
            {"guests": {"a"}, "process": greet, "forward_local": True},
            "forward_local is something to call, and not True",
        ),
        ({"guests": {"a"}, "sftp": True}, "sftp is a folder"),
        ({"guests": {"a"}, "process": greet, "host_keys": []}, "has a host key"),
    ],
)
async def test_what_cannot_be_meant_is_said_at_once(terms: dict[str, Any], why: str) -> None:
    with pytest.raises(mooring.InvalidInput, match=why):
        mooring.serve(**{"host_keys": KEY, **terms})


async def test_what_keeps_it_from_starting(tmp_path: Path) -> None:
    async def enter(**terms: Any) -> None:
        async with mooring.serve(port=0, **{"host_keys": KEY, "guests": {"a"}, "process": greet, **terms}):
            pass

    with pytest.raises(mooring.CredentialError, match=r"does not exist .*ssh-keygen"):
        await enter(host_keys=tmp_path / "none")
    KEY.write_private_key(tmp_path / "open")
    (tmp_path / "open").chmod(0o644)
    with pytest.raises(mooring.CredentialError, match="others may use it"):
        await enter(host_keys=tmp_path / "open")
    with pytest.raises(mooring.ConfigError, match="No such file"):
        await enter(authorized_keys=tmp_path / "none")
    with pytest.raises(mooring.ConfigError, match="no such folder"):
        await enter(authorized_keys=tmp_path / "none" / "%u")
    path = authorized(tmp_path / "users", line(KEY), "nonsense")
    with pytest.raises(mooring.ConfigError, match=f"{path}:2: no public key"):
        await enter(authorized_keys=path)
    with pytest.raises(mooring.ConnectFailed, match=r"cannot listen on 192\.0\.2\.1"):
        async with mooring.serve("192.0.2.1", 0, host_keys=KEY, guests={"a"}, process=greet):
            pass


async def test_a_host_certificate_is_shown(ground: Ground, tmp_path: Path) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    KEY.write_private_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o600)
    certificate = authority.generate_host_certificate(KEY, "host", principals=["127.0.0.1"])
    certificate.write_certificate(tmp_path / "key-cert.pub")
    async with mooring.serve(port=0, host_keys=[tmp_path / "key"], guests={"guest"}, process=greet) as server:
        known = asyncssh.import_known_hosts(f"@cert-authority * {line(authority)}\n")
        connection = await ground.connect(server, known_hosts=known)
        assert await says(connection) == "guest"
        assert repr(server) == f"<Server 127.0.0.1:{server.port}, 1 connections>"


async def test_it_dials_and_is_the_server_there(ground: Ground, tmp_path: Path) -> None:
    path = authorized(tmp_path / "trusted", line(KEY))
    came: asyncio.Queue[asyncssh.SSHClientConnection] = asyncio.Queue()
    known = asyncssh.import_known_hosts(f"* {line(OTHER)}\n")
    waiting = await asyncssh.listen_reverse(
        "127.0.0.1", 0, known_hosts=known, client_keys=[KEY], username="ann", config=None, acceptor=came.put_nowait
    )
    async with waiting, mooring.serve(None, host_keys=OTHER, authorized_keys=path, process=greet) as server:
        assert (server.addresses, repr(server)) == ([], "<Server nowhere, 0 connections>")
        with pytest.raises(mooring.InvalidInput, match="listens nowhere"):
            _ = server.port
        connection = await server.dial("127.0.0.1", waiting.get_port())
        assert await says(await came.get()) == "ann"
        assert server.connections == [connection]
    await asyncio.wait_for(connection.wait_closed(), PATIENCE)
    with pytest.raises(mooring.InvalidInput, match="not running"):
        await server.dial("127.0.0.1", 1)


async def test_who_is_dialed_and_says_nothing_has_a_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with mooring.serve(None, host_keys=OTHER, guests={"a"}, process=greet) as server:
            with pytest.raises(mooring.ConnectFailed, match="did not answer in time"):
                await server.dial("127.0.0.1", silent.getsockname()[1], timeout=0.2)
