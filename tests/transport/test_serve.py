"""The server's side of SSH, with real OpenSSH clients and with strangers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import uvloop
from asyncssh.auth import MSG_USERAUTH_INFO_RESPONSE
from asyncssh.constants import MSG_USERAUTH_REQUEST
from asyncssh.packet import Boolean, String, UInt32

from mooring import DoorLimits
from mooring.model.errors import ConnectFailed, StateError
from mooring.transport.algorithms import agreed
from mooring.transport.attendant import Guarded
from mooring.transport.halfopen import FailedLogins
from mooring.transport.private import name_lists
from mooring.transport.serve import Listener, keywords, load_host_key
from tests.pool.fleet import true

pytestmark = pytest.mark.anyio
PATIENCE = 30.0
Start = Callable[..., Awaitable[Listener]]


class Owner(asyncssh.SSHServer):
    """Lets everybody in who says ``sesame``."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        if password == "broken":
            raise RuntimeError("a mistake in a check")
        return password == "sesame"

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        raise RuntimeError("a mistake in a policy")


async def handle(process: asyncssh.SSHServerProcess[str]) -> None:
    if process.command == "fail":
        raise RuntimeError("a mistake in a handler")
    process.stdout.write(f"you said {process.command}\n")
    process.exit(7)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts listeners, whose owners are ``Owner``."""
    async with contextlib.AsyncExitStack() as stack:

        async def listening(**more: Any) -> Listener:
            listener = Listener(
                [load_host_key(tmp_path / "host_key")],
                lambda strangers: Guarded(Owner(), strangers),
                **{"process_factory": handle, **more},
            )
            await listener.listen("127.0.0.1", 0)
            stack.push_async_callback(listener.aclose)
            return listener

        yield listening


def connect(listener: Listener, **more: Any) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
    """A client of AsyncSSH's."""
    host, port = listener.addresses[0]
    options: dict[str, Any] = {"username": "x", "password": "sesame", "known_hosts": None, "config": None}
    return asyncssh.connect(host, port, **{**options, "client_keys": None, "agent_path": None, **more})


async def openssh(
    listener: Listener, tmp_path: Path, *words: str, password: str = "sesame"
) -> tuple[int, bytes, bytes]:
    """OpenSSH's client: its status and what it printed."""
    host, port = listener.addresses[0]
    asked = tmp_path / "askpass"
    asked.write_text("#!/bin/sh\necho sesame\n")
    asked.chmod(0o700)
    ssh = await asyncio.create_subprocess_exec(
        *("ssh", "-F", "none", "-p", str(port), "-o", f"UserKnownHostsFile={tmp_path / 'known'}"),
        *("-o", "StrictHostKeyChecking=accept-new", "-o", "NumberOfPasswordPrompts=1", *words[:-1]),
        *(f"x@{host}", words[-1]),
        env={"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force", "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(ssh.communicate(), PATIENCE)
    return ssh.returncode or 0, out, err


async def test_openssh_speaks_aes_gcm_with_us_although_it_prefers_another(start: Start, tmp_path: Path) -> None:
    listener = await start()
    status, out, err = await openssh(listener, tmp_path, "-v", "hello")
    assert (status, out) == (7, b"you said hello\n")
    assert b"cipher: aes128-gcm@openssh.com" in err
    assert b"ssh-ed25519" in err


@pytest.mark.parametrize("cipher", ["chacha20-poly1305@openssh.com", "aes256-ctr", "aes256-gcm@openssh.com"])
async def test_a_client_that_knows_no_more_gets_its_cipher(start: Start, tmp_path: Path, cipher: str) -> None:
    listener = await start()
    status, out, err = await openssh(listener, tmp_path, "-v", "-c", cipher, "hello")
    assert (status, out) == (7, b"you said hello\n"), err
    assert f"cipher: {cipher}".encode() in err


@pytest.mark.parametrize(
    "words",
    [
        ("-o", "KexAlgorithms=ecdh-sha2-nistp256"),
        ("-o", "KexAlgorithms=diffie-hellman-group14-sha1"),
        ("-o", "KexAlgorithms=diffie-hellman-group16-sha512"),
        ("-o", "HostKeyAlgorithms=ecdsa-sha2-nistp256"),
        ("-o", "MACs=hmac-sha1", "-c", "aes128-ctr"),
    ],
)
async def test_old_algorithms_are_not_spoken(start: Start, tmp_path: Path, words: tuple[str, ...]) -> None:
    listener = await start()
    status, out, err = await openssh(listener, tmp_path, *words, "hello")
    assert (status, out) == (255, b"")
    assert b"no matching" in err


async def test_strict_key_exchange_is_agreed_on(start: Start) -> None:
    listener = await start()
    async with asyncio.timeout(PATIENCE), connect(listener) as connection:
        lists = name_lists(strings(connection.get_hash_prefix())[3])
        assert "kex-strict-s-v00@openssh.com" in lists[0]
        assert lists[1] == ["ssh-ed25519"]
        assert not [name for names in lists[:6] for name in names if "sha1" in name or "nistp" in name]


def strings(data: bytes) -> list[bytes]:
    """SSH strings, one after another."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(data[4:end])
        data = data[end:]
    return found


async def test_rekeying_goes_on_with_what_was_agreed_on(start: Start) -> None:
    async def echo(process: asyncssh.SSHServerProcess[bytes]) -> None:
        while data := await process.stdin.read(65_536):
            process.stdout.write(data)
            await process.stdout.drain()
        process.exit(0)

    listener = await start(process_factory=echo, encoding=None, rekey_bytes=200_000)
    text = bytes(range(256)) * 8192
    async with asyncio.timeout(PATIENCE), connect(listener) as connection:
        result = await connection.run("echo", input=text, encoding=None)
        assert result.stdout == text
        assert agreed(connection.get_hash_prefix())["cipher"].startswith("aes")


async def test_what_a_caller_raises_ends_what_it_belongs_to_and_no_more(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    listener = await start()
    async with asyncio.timeout(PATIENCE), connect(listener) as connection:
        beside = await connection.create_process("beside", term_type=None)
        assert (await connection.run("fail")).exit_status == 1
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("localhost", 1)
        assert (await beside.wait()).exit_status == 7
        assert (await connection.run("again")).exit_status == 7
    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncio.timeout(PATIENCE), connect(listener, password="broken"):
            pass
    assert [line.split()[0].split(".")[-1] for line in told] == ["handle", "connection_requested", "validate_password"]


class Trusting(Owner):
    """Lets every RSA key in, and whom any authority certifies."""

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.algorithm == b"ssh-rsa"

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return True


@pytest.mark.parametrize("bits", [1024, 2048])
async def test_a_small_key_will_not_do_whoever_is_asked(bits: int, tmp_path: Path) -> None:
    """As itself, in a certificate, and as the authority of one."""
    make = asyncssh.generate_private_key
    rsa, good = make("ssh-rsa", key_size=bits), make("ssh-ed25519")
    certified = good.generate_user_certificate(rsa, "id", principals=["x"])
    by_it = rsa.generate_user_certificate(good, "id", principals=["x"])
    keys = [load_host_key(tmp_path / "host_key")]
    listener = Listener(keys, lambda strangers: Guarded(Trusting(), strangers), process_factory=handle)
    await listener.listen("127.0.0.1", 0)
    try:
        for shown in (rsa, (rsa, certified), (good, by_it)):
            only: dict[str, Any] = {"client_keys": [shown], "password": None, "client_factory": asyncssh.SSHClient}
            expected = contextlib.nullcontext() if bits > 1024 else pytest.raises(asyncssh.PermissionDenied)
            async with asyncio.timeout(PATIENCE):
                with expected:
                    async with connect(listener, **only) as connection:
                        assert (await connection.run("hello")).exit_status == 7
    finally:
        await listener.aclose()


async def test_who_does_not_log_in_is_hung_up_on(start: Start) -> None:
    listener = await start(limits=DoorLimits(login_timeout=0.5))
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*listener.addresses[0])
        assert (await reader.readline()).startswith(b"SSH-2.0-")
        writer.write(b"SSH-2.0-x\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
    assert len(listener.strangers) == 0


async def test_a_client_that_waits_for_us_to_begin_hears_all_that_we_offer(start: Start) -> None:
    listener = await start()
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*listener.addresses[0])
        await reader.readline()
        writer.write(b"SSH-2.0-x\r\n")
        size, padding = int.from_bytes(await reader.readexactly(4), "big"), await reader.readexactly(1)
        packet = (await reader.readexactly(size - 1))[: -padding[0]]
        assert "chacha20-poly1305@openssh.com" in name_lists(packet)[2]
        writer.close()


async def test_the_stranger_who_has_waited_longest_goes_for_a_new_one(start: Start) -> None:
    listener = await start(limits=DoorLimits(half_open=3, half_open_per_source=3))
    async with asyncio.timeout(PATIENCE):
        strangers = [await asyncio.open_connection(*listener.addresses[0]) for _ in range(4)]
        for reader, _ in strangers[1:]:
            assert await reader.readline()
        with contextlib.suppress(ConnectionError):
            await strangers[0][0].read()
        assert len(listener.strangers) == 3
        async with connect(listener) as connection:  # and whoever means it comes in
            assert (await connection.run("hello")).exit_status == 7
        for _, writer in strangers:
            writer.close()


async def test_guessing_is_kept_out_for_a_while(start: Start) -> None:
    listener = await start()
    async with asyncio.timeout(PATIENCE):
        for _ in range(4):
            with pytest.raises((asyncssh.Error, OSError)):
                async with connect(listener, client_factory=Guesser, password=None):
                    pass
        assert await answer(listener, b"") == b""


async def answer(listener: Listener, said: bytes) -> bytes:
    """All that comes for what is there already when the connection is taken."""
    client = socket.create_connection(listener.addresses[0])
    client.sendall(said)
    reader, writer = await asyncio.open_connection(sock=client)
    got = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            got += data
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return bytes(got)


@pytest.mark.usefixtures("uvloop_ready")
def test_a_stranger_too_many_is_told_nothing(tmp_path: Path) -> None:
    """On the daemon's loop, which reads what has come before it does what is scheduled."""

    async def come() -> None:
        limits = DoorLimits(rate=0.001, burst=1)
        listener = Listener([load_host_key(tmp_path / "key")], lambda counted: Guarded(Owner(), counted), limits=limits)
        await listener.listen("127.0.0.1", 0)
        try:
            async with asyncio.timeout(PATIENCE):
                assert await answer(listener, b"no SSH\r\n")
                assert await answer(listener, b"SSH-2.0-x\r\n") == b""
        finally:
            await listener.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(come())


async def test_a_login_of_ones_own_does_not_allow_to_guess_anothers(start: Start) -> None:
    listener = await start()

    async def guess(kind: type[Guesser]) -> None:
        with pytest.raises((asyncssh.Error, OSError)):
            async with connect(listener, client_factory=kind, password=None):
                pass

    async with asyncio.timeout(PATIENCE):
        await guess(Guesser)
        async with connect(listener):
            pass
        await guess(Eager)
        with pytest.raises((asyncssh.Error, OSError)):
            async with connect(listener):
                pass


class Slow(Owner):
    """Takes its time over each password, and notes them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def validate_password(self, username: str, password: str) -> bool:  # type: ignore[override] # either will do
        self.asked.append(password)
        return await asyncio.Event().wait()


class Impatient(asyncssh.SSHClient):
    """Thinks over its password for ever; meanwhile others may send guesses for it."""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.connection = conn
        self.thinking = asyncio.Event()

    async def password_auth_requested(self) -> str:
        self.thinking.set()
        return str(await asyncio.Event().wait())

    def kbdint_auth_requested(self) -> str:
        return ""

    async def kbdint_challenge_received(self, *_: object) -> list[str]:
        return [await self.password_auth_requested()]

    def guess(self, number: int) -> None:
        """Begin another login."""
        words = map(String, ("x", "ssh-connection", "password"))
        self.connection.send_packet(MSG_USERAUTH_REQUEST, *words, Boolean(value=False), String(f"guess {number}"))

    def answer(self, number: int) -> None:
        """Answer the one question once more."""
        self.connection.send_packet(MSG_USERAUTH_INFO_RESPONSE, UInt32(1), String(f"guess {number}"))


@pytest.mark.parametrize(("how", "times"), [(Impatient.guess, 15), (Impatient.answer, 100)], ids=["guess", "answer"])
async def test_guesses_that_are_not_waited_for_count(
    how: Callable[[Impatient, int], None], times: int, tmp_path: Path
) -> None:
    """Each calls off the check of the one before. As answers to one question there would be any number of them."""
    owner, client = Slow(), Impatient()
    method = "password" if how is Impatient.guess else "keyboard-interactive"
    keys = [load_host_key(tmp_path / "host_key")]
    listener = Listener(keys, lambda strangers: Guarded(owner, strangers), process_factory=handle)
    await listener.listen("127.0.0.1", 0)
    try:
        async with asyncio.timeout(PATIENCE):
            options: dict[str, Any] = {"client_factory": lambda: client, "preferred_auth": [method]}
            login = asyncio.ensure_future(_no_login(listener, **options))
            await true(lambda: hasattr(client, "thinking") and client.thinking.is_set())
            while len(owner.asked) < times and not login.done():
                how(client, before := len(owner.asked))
                await true(lambda before=before: len(owner.asked) > before or login.done())  # type: ignore[misc]
            login.cancel()
            await asyncio.wait([login])
            assert 10 < len(owner.asked) <= 20
            await true(lambda: not len(listener.strangers))
            reader, writer = await asyncio.open_connection(*listener.addresses[0])
            with contextlib.closing(writer), contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
    finally:
        await listener.aclose()


async def test_asking_what_there_is_is_free_once_and_counts_then(start: Start) -> None:
    client = Impatient()
    listener = await start()
    async with asyncio.timeout(PATIENCE):
        login = asyncio.ensure_future(_no_login(listener, client_factory=lambda: client, preferred_auth=["password"]))
        await true(lambda: hasattr(client, "thinking") and client.thinking.is_set())
        attendant: Any
        (attendant,) = (each.get_owner() for each in listener.strangers.connections())
        assert attendant.attempts == 0
        for _ in range(22):  # one was sent before, by AsyncSSH
            client.connection.send_packet(MSG_USERAUTH_REQUEST, *map(String, ("x", "ssh-connection", "none")))
        await login
        assert attendant.attempts == 22


async def _no_login(listener: Listener, **options: Any) -> None:
    with contextlib.suppress(asyncssh.Error, OSError):
        async with connect(listener, password=None, **options):
            pass


class Guesser(asyncssh.SSHClient):
    """Tries five passwords."""

    left = 5

    def password_auth_requested(self) -> str | None:
        self.left -= 1
        return f"guess {self.left}" if self.left >= 0 else None


class Eager(Guesser):
    """Tries so many that it is kept out for a minute, if the five count that were tried before."""

    left = 9


def test_failures_are_forgotten_by_and_by() -> None:
    failed = FailedLogins()
    for _ in range(10):
        failed.failed("a", 0.0)
    assert failed.wait("a", 0.0) == 0.0
    failed.failed("a", 0.0)
    assert failed.wait("a", 0.0) == 2.0
    assert failed.wait("a", 3.0) == 0.0
    for _ in range(50):
        failed.failed("a", 3.0)
    assert failed.wait("a", 3.0) == 300.0
    assert failed.wait("b", 3.0) == 0.0
    failed.failed("a", 100_000.0)
    assert failed.wait("a", 100_000.0) == 0.0


async def test_the_host_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "host_key"
    made = load_host_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.get_algorithm() == "ssh-ed25519"
    assert load_host_key(path).public_data == made.public_data
    path.chmod(0o644)
    with pytest.raises(StateError, match="others may use it"):
        load_host_key(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(StateError, match="holds no host key"):
        load_host_key(path)


async def test_a_port_that_is_taken(start: Start) -> None:
    listener = await start()
    with pytest.raises(ConnectFailed, match="cannot listen"):
        await listener.listen(*listener.addresses[0])


async def test_a_server_on_a_connection_that_it_dials(tmp_path: Path) -> None:
    options = keywords(
        [load_host_key(tmp_path / "host_key")], lambda: Guarded(Owner()), process_factory=handle, keepalive=5.0
    )
    answers: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def reached(connection: asyncssh.SSHClientConnection) -> None:
        async with connection:
            answers.put_nowait((await connection.run("hello")).stdout)

    async with asyncio.timeout(PATIENCE):
        acceptor = await asyncssh.listen_reverse(
            *("127.0.0.1", 0),
            acceptor=reached,
            config=None,
            known_hosts=None,
            username="x",
            password="sesame",
            client_keys=None,
            agent_path=None,
        )
        async with acceptor:
            connection = await asyncssh.connect_reverse("127.0.0.1", acceptor.get_port(), **options)
            assert await answers.get() == "you said hello\n"
            await connection.wait_closed()
