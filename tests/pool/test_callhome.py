"""Devices that call home, from the accept to the session, on real wires; and strangers, who get nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from pathlib import Path

import asyncssh
import pytest

from mooring.model.device import Device
from mooring.model.errors import AliasInUse, ConfigError, InvalidInput, SessionParked, UnknownAlias
from mooring.model.status import Direction, SessionState
from mooring.pool import Pool
from mooring.pool.callhome import CallHomeServer, DoorLimits
from mooring.simulate import SimulatedDevices
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring, public_line
from tests.peers.libnetconf2 import Libnetconf2
from tests.peers.sshd import Sshd
from tests.pool.fleet import true, until
from tests.pool.homes import HOST, PASSWORD, calling, dialed, expecting, known, listening, relayed

pytestmark = pytest.mark.anyio


# Devices that are known, each in its way.


@pytest.mark.parametrize("key_type", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
async def test_by_the_secret(key_type: str) -> None:
    async with listening(Device.parse("core1://admin@device1", password=PASSWORD, secret="s3cret")) as server:
        session = server.pool["core1"]
        assert (session.state, session.direction) == (SessionState.AWAITING, Direction.CALLED_HOME)
        async with calling(server, secret="s3cret", key_type=key_type) as devices:
            await session.wait_up(30)
            status = session.status()
            assert status.host_key_policy == "secret"
            assert status.facts == {"device_id": "device1"}
            assert "Hostname: device1" in (await session.run("show version")).stdout
            assert devices[0].logins == [("admin", ""), ("admin", PASSWORD)]
        await until(session, SessionState.AWAITING)
    assert session.state is SessionState.CLOSED


@pytest.mark.parametrize("preamble", [True, False])
async def test_by_a_pinned_key(*, preamble: bool) -> None:
    async with listening() as server, calling(server, preamble=preamble) as devices:
        server.add(known(devices[0]))
        await server.pool["core1"].wait_up(30)
        assert server.pool["core1"].status().host_key_policy == "pinned"


async def test_by_a_fingerprint() -> None:
    async with listening() as server, calling(server, preamble=False) as devices:
        server.add(known(devices[0], host_key=devices[0].host_key.get_fingerprint()))
        await server.pool["core1"].wait_up(30)


async def test_by_a_known_hosts_file(tmp_path: Path) -> None:
    async with listening() as server, calling(server) as devices:
        (tmp_path / "known").write_text(f"device1 {devices[0].public_key}\n")
        server.add("core1://admin@device1", password=PASSWORD, known_hosts=str(tmp_path / "known"))
        await server.pool["core1"].wait_up(30)


async def test_by_the_authority_of_a_certificate(keyring: Keyring, start_sshd: StartSshd, tmp_path: Path) -> None:
    key, authority = keyring.key("home_host"), keyring.ca("home")
    sshd = start_sshd(host_keys=[key], HostCertificate=authority.sign(key, "device1", "rack4", host=True))
    (tmp_path / "known").write_text(authority.known_hosts_line("device*") + "\n")
    device = Device.parse(
        "core1://device1", username=sshd.user, identity=str(sshd.client_key), known_hosts=str(tmp_path / "known")
    )
    async with listening(device) as server, relayed(server, sshd.port):
        await server.pool["core1"].wait_up(30)
        assert (await server.pool["core1"].run("echo on")).stdout == "on\n"


async def test_the_first_key_is_kept() -> None:
    device = Device.parse("core1://admin@device1", password=PASSWORD, host_key="accept-new")
    async with listening(device) as server:
        async with calling(server) as first:
            await server.pool["core1"].wait_up(30)
            fingerprint = first[0].host_key.get_fingerprint()
        assert server.roll.pins == {"device1": fingerprint}
        async with calling(server) as second, expecting(server, "other key than at its first call"):
            pass
        assert second[0].logins == []


async def test_a_kind_of_devices() -> None:
    kind = Device.parse(
        "kind://admin@any",
        device_id="edge*",
        alias="site-{device_id}",
        password=PASSWORD,
        secret="s",
        label="kind:edge",
    )
    async with listening(kind) as server, calling(server, name="edge", count=3, secret="s"):
        await true(lambda: len(server.pool.sessions) == 3)
        for number in (1, 2, 3):
            await server.pool[f"site-edge{number}"].wait_up(30)
        assert len(server.pool.select("kind:edge")) == 3


async def test_two_ids_that_make_one_alias() -> None:
    kind = Device.parse("kind://admin@any", device_id="a*", alias="{device_id}", password=PASSWORD, secret="s")
    async with listening(kind) as server, calling(server, name="a b", secret="s"):
        await true(lambda: "a-b1" in server.pool)
        await server.pool["a-b1"].wait_up(30)
        async with calling(server, name="a-b", secret="s") as other, expecting(server, "a b1 has the alias a-b1"):
            pass
        assert other[0].logins == []
        assert server.pool["a-b1"].state is SessionState.UP


async def test_a_device_that_speaks_of_its_own_key_is_not_taken_for_us() -> None:
    class Judge(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            raise asyncssh.HostKeyNotVerifiable(f"revoked, {username}")

    key = asyncssh.generate_private_key("ssh-ed25519")
    pin = key.export_public_key().decode().strip()
    async with (
        listening(Device.parse("core1://admin@device1", password=PASSWORD, host_key=pin)) as server,
        asyncssh.listen(HOST, 0, server_factory=Judge, server_host_keys=[key]) as judge,
        expecting(server, "ended the connection: revoked, admin") as events,
        relayed(server, judge.get_port()) as relay,
    ):
        await relay
    assert events[0].error == "connect-failed"


# Real servers that call.


async def test_openssh(sshd: Sshd) -> None:
    device = Device.parse(
        "core1://device1", username=sshd.user, identity=str(sshd.client_key), host_key=public_line(sshd.host_keys[0])
    )
    async with listening(device) as server:
        for _ in range(2):
            async with relayed(server, sshd.port):
                await server.pool["core1"].wait_up(30)
                assert (await server.pool["core1"].run("echo on")).stdout == "on\n"
            await until(server.pool["core1"], SessionState.AWAITING)


async def test_openssh_on_the_dialed_socket(sshd: Sshd, peers_folder: Path) -> None:
    device = Device.parse(
        "core1://device1", username=sshd.user, identity=str(sshd.client_key), host_key=public_line(sshd.host_keys[0])
    )
    program, _, *words = sshd.command()
    async with listening(device) as server:
        with dialed(server) as sock:
            sock.settimeout(None)
            process = await asyncio.create_subprocess_exec(
                program, "-i", *words[1:], stdin=sock.fileno(), stdout=sock.fileno()
            )
        try:
            await server.pool["core1"].wait_up(30)
            assert (await server.pool["core1"].run("echo on")).stdout == "on\n"
        finally:
            await server.remove("core1")
            await process.wait()


async def test_libnetconf2(libnetconf2: Libnetconf2) -> None:
    async with listening(facts=False) as server:
        key = public_line(libnetconf2.host_key)
        server.add("core1://admin@x", host_key=key, password="admin")
        libnetconf2.stop()
        libnetconf2.home = server.port
        await asyncio.to_thread(libnetconf2.start)
        for _ in range(2):  # it dials again by itself
            await server.pool["core1"].wait_up(30)
            async with server.pool["core1"].netconf(timeout=30) as netconf:
                assert (await netconf.get_config("running")).data is not None
            await until(server.pool["core1"], SessionState.AWAITING, timeout=30)


async def test_asyncssh_in_reverse() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    ours = asyncssh.generate_private_key("ssh-ed25519")
    async with listening() as server:
        text = key.export_public_key().decode().strip()
        server.add("core1://admin@x", host_key=text, password=PASSWORD)
        called = await asyncssh.connect_reverse(
            HOST, server.port, server_host_keys=[key], authorized_client_keys=asyncssh.import_authorized_keys(
                ours.export_public_key().decode()
            ), server_factory=_Open, process_factory=_hello,
        )  # fmt: skip
        async with called:
            await server.pool["core1"].wait_up(30)
            assert (await server.pool["core1"].run("hi")).stdout == "hello\n"


class _Open(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD


def _hello(process: asyncssh.SSHServerProcess[str]) -> None:
    process.stdout.write("hello\n")
    process.exit(0)


# Lost, replaced, told apart.


async def test_lost_and_back() -> None:
    async with listening() as server, calling(server) as devices:
        session = server.pool[server.add(known(devices[0])).target.alias]
        for turn in range(1, 4):
            await session.wait_up(30)
            assert session.status().connects == turn
            devices.drop()
            await until(session, SessionState.AWAITING)
            assert "lost" in session.status().reason


async def test_a_newer_call_takes_the_place_of_the_older() -> None:
    async with listening() as server, calling(server) as devices:
        session = server.pool[server.add(known(devices[0])).target.alias]
        await session.wait_up(30)
        async with expecting(server, "the newer connection is used") as events:
            twin = calling(server, source="127.0.0.2")
            twin.devices = devices.devices
            async with twin:
                await true(lambda: (session.status().peer or "").startswith("127.0.0.2"))
                assert session.state is SessionState.UP
        assert events[0].alias == "core1"


async def test_two_devices_behind_one_address() -> None:
    async with listening() as server, calling(server, count=2, preamble=False) as devices:
        for number, device in enumerate(devices.devices):
            server.add(known(device, f"core{number}"))
        for number in range(2):
            await server.pool[f"core{number}"].wait_up(30)
        devices.drop()
        for number, device in enumerate(devices.devices):
            session = server.pool[f"core{number}"]
            await until(session, SessionState.AWAITING, SessionState.UP)
            await session.wait_up(30)
            assert session.status().host_key == device.host_key.get_fingerprint()


async def test_one_of_two_with_the_same_key_is_told_by_its_id() -> None:
    async with listening() as server, calling(server, count=2) as devices:
        devices[1].host_key = devices[0].host_key
        for number, device in enumerate(devices.devices):
            server.add(known(device, f"core{number}"))
        for number in range(2):
            await server.pool[f"core{number}"].wait_up(30)
            assert server.pool[f"core{number}"].facts["device_id"] == f"device{number + 1}"


# Those that are not known.


async def test_an_unknown_device_waits_and_is_approved() -> None:
    async with listening() as server, calling(server) as devices:
        async with expecting(server, "a device that is not known calls as device1"):
            pass
        await true(lambda: bool(server.pending) and server.pending[0].calls > 1)
        assert [(each.device_id, each.host_key) for each in server.pending] == [("device1", devices[0].public_key)]
        assert devices[0].logins == []
        server.approve(server.pending[0].id, "core1", username="admin", password=PASSWORD, label="site:ams")
        await server.pool["core1"].wait_up(30)
        assert server.pending == []
        assert server.pool["core1"].labels == ("site:ams",)
        assert devices[0].logins == [("admin", ""), ("admin", PASSWORD)]


async def test_a_rejected_device_is_turned_away_quietly() -> None:
    async with listening() as server, calling(server) as devices:
        await true(lambda: bool(server.pending))
        server.reject(server.pending[0].id)
        refused = server.statistics().refused
        with server.pool.events() as events:
            await true(lambda: server.statistics().refused > refused + 2)
        assert [event async for event in events] == []
        assert server.pending[0].rejected
        assert devices[0].logins == []


async def test_what_cannot_be_approved() -> None:
    async with listening("core1://admin@other?host_key=verify") as server, calling(server):
        await true(lambda: bool(server.pending))
        waiting = server.pending[0].id
        with pytest.raises(UnknownAlias):
            server.approve("none", "core2", username="admin")
        with pytest.raises(AliasInUse):
            server.approve(waiting, "core1", username="admin")
        with pytest.raises(InvalidInput, match="user name"):
            server.approve(waiting, "core2", password=PASSWORD)
        with pytest.raises(InvalidInput, match="held to the key"):
            server.approve(waiting, "core2", username="admin", host_key="off")
        assert server.pending[0].id == waiting


async def test_an_approval_that_is_revoked() -> None:
    async with listening() as server, calling(server) as devices:
        await true(lambda: bool(server.pending))
        server.approve(server.pending[0].id, "core1", username="admin", password=PASSWORD)
        await server.pool["core1"].wait_up(30)
        sent = len(devices[0].logins)
        async with expecting(server, "not known calls as device1"):
            await server.remove("core1")
        assert "core1" not in server.pool
        assert len(devices[0].logins) == sent


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("wrong secret", "without an HMAC of the right secret"),
        ("no hmac", "without an HMAC of the right secret"),
        ("other key", "and not the key that its HMAC is for"),
        ("replayed", "and not the key that its HMAC is for"),
        ("pinned to another", "claims device1, other key"),
    ],
)
async def test_who_claims_to_be_another_gets_nothing(trouble: str, reason: str) -> None:
    async with listening() as server, contextlib.AsyncExitStack() as stack:
        real = SimulatedDevices(HOST, server.port, secret="right", reconnect=60)
        pinned = trouble == "pinned to another"
        server.add(known(real[0], host_key=real[0].public_key if pinned else None, secret=None if pinned else "right"))
        await stack.enter_async_context(real)
        session = server.pool["core1"]
        await session.wait_up(30)
        peer, key = session.status().peer, session.status().host_key
        false = SimulatedDevices(
            HOST, server.port, secret={"wrong secret": "wrong", "other key": "right"}.get(trouble), reconnect=0.1
        )
        if trouble in {"other key", "replayed"}:  # what it says of itself is the real one's, word for word
            false[0].says = real[0].preamble("right")
        async with expecting(server, reason) as events:
            await stack.enter_async_context(false)
        assert events[0].alias == "core1"
        assert false[0].logins == []
        assert (session.state, session.status().peer, session.status().host_key) == (SessionState.UP, peer, key)
        assert server.pending[0].reason.startswith("claims device1")


async def test_a_refused_login_is_not_repeated() -> None:
    async with listening() as server, calling(server) as devices:
        session = server.pool[server.add(known(devices[0], password="wrong")).target.alias]
        with pytest.raises(SessionParked):
            await session.wait_up(30)
        sent, calls = len(devices[0].logins), devices[0].calls
        await true(lambda: devices[0].calls > calls + 2)
        assert len(devices[0].logins) == sent
        devices.password = "wrong"
        session.retry()
        await session.wait_up(30)


# The door.


async def test_our_version_comes_first() -> None:
    async with listening() as server, contextlib.AsyncExitStack() as stack:
        sock = stack.enter_context(dialed(server))
        assert (await asyncio.to_thread(sock.recv, 8)) == b"SSH-2.0-"


async def test_a_stranger_chooses_no_group_that_would_hold_us_up() -> None:
    async with listening() as server:
        with dialed(server) as sock:
            sock.sendall(b"SSH-2.0-x\r\n")
            heard = b""
            while b"ext-info-c" not in heard:  # the last of the key exchanges that we offer (RFC 8308 section 2.1)
                heard += await asyncio.to_thread(sock.recv, 65_536)
    assert b"curve25519-sha256" in heard
    assert not re.search(rb"group-exchange|group1[78]-", heard)


async def test_a_version_line_may_come_late() -> None:
    async with listening() as server, calling(server) as devices:
        server.add(known(devices[0]))
        slow = devices[0].preamble(None)
        await server.pool["core1"].wait_up(30)
        assert slow
        with dialed(server) as sock:
            sock.sendall(slow)
            await asyncio.sleep(1.5)
            sock.sendall(b"SSH-2.0-late\r\n")
            await true(lambda: server.statistics().half_open == 1)


async def test_who_says_nothing_is_hung_up_on() -> None:
    limits = DoorLimits(preamble_timeout=0.2, login_timeout=0.2)
    async with listening(limits=limits) as server:
        with dialed(server) as silent, dialed(server) as stuck:
            stuck.sendall(b"SSH-2.0-stuck\r\n")
            await true(lambda: server.statistics().half_open == 0)
            await _hung_up_on(silent)
            await _hung_up_on(stuck)
        assert server.statistics().expired == 2


@pytest.mark.parametrize("junk", [b"\0" * 9000, b"GET / HTTP/1.1\r\n" * 800, b"DEVICE-ID: a\nDEVICE-ID: b\n"])
async def test_junk_is_hung_up_on(junk: bytes) -> None:
    async with listening() as server:
        with dialed(server) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(junk)
            await _hung_up_on(sock)
        await true(lambda: server.statistics().failed == 1)


async def test_at_the_cap_the_oldest_goes() -> None:
    async with listening(limits=DoorLimits(half_open=3)) as server, contextlib.AsyncExitStack() as stack:
        socks = []
        for number in range(5):
            socks.append(stack.enter_context(dialed(server)))
            await true(lambda accepted=number + 1: server.statistics().accepted == accepted)  # type: ignore[misc]
        for sock in socks[:2]:
            await _hung_up_on(sock)
        assert server.statistics().half_open == 3
        assert server.statistics().dropped == 2


async def test_one_source_does_not_crowd_out_another() -> None:
    limits = DoorLimits(half_open=100, half_open_per_source=5)
    async with listening(limits=limits) as server, contextlib.AsyncExitStack() as stack:
        other = stack.enter_context(dialed(server, "127.0.0.2"))
        for _ in range(20):
            stack.enter_context(dialed(server))
        await true(lambda: server.statistics().accepted == 21)
        assert server.statistics().half_open == 6
        other.settimeout(0.3)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(_read_to_the_end, other)


async def test_who_calls_too_often_is_hung_up_on() -> None:
    limits = DoorLimits(rate=0.001, burst=3)
    async with listening(limits=limits) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            stack.enter_context(dialed(server))
        await true(lambda: server.statistics().accepted == 10)
        assert server.statistics().too_fast == 7
        async with calling(server, source="127.0.0.2") as devices:
            server.add(known(devices[0]))
            await server.pool["core1"].wait_up(30)


async def test_a_device_gets_in_among_junk() -> None:
    limits = DoorLimits(half_open=200, half_open_per_source=150)
    async with listening(limits=limits) as server, contextlib.AsyncExitStack() as stack:
        for number in range(500):
            sock = stack.enter_context(dialed(server))
            with contextlib.suppress(ConnectionError):
                sock.sendall([b"", b"SSH-2.0-junk\r\n", b"\0junk\n", b"SSH-2.0-x\r\n" + b"\xff" * 40][number % 4])
            if number % 50 == 0:
                await asyncio.sleep(0)
        async with calling(server, source="127.0.0.2") as devices:
            server.add(known(devices[0]))
            await server.pool["core1"].wait_up(30)
        assert server.statistics().half_open <= 200


async def test_several_addresses() -> None:
    async with Pool(config=None) as pool, CallHomeServer([HOST, "::1"], 0, pool=pool) as server:
        (four, port), (six, other) = server.addresses
        assert (four, six) == (HOST, "::1")
        for address, at in ((HOST, port), ("::1", other)):
            async with SimulatedDevices(address, at, reconnect=0.1) as devices:
                server.add(known(devices[0], f"core-{at}"))
                await pool[f"core-{at}"].wait_up(30)
                await server.remove(f"core-{at}")


async def test_sockets_that_are_handed_in() -> None:
    with socket.create_server((HOST, 0)) as sock:
        async with Pool(config=None) as pool, CallHomeServer(pool=pool, sockets=[sock.dup()]) as server:
            assert server.port == sock.getsockname()[1]


async def test_an_address_that_is_taken() -> None:
    with socket.create_server((HOST, 0)) as sock:
        async with Pool(config=None) as pool:
            with pytest.raises(ConfigError, match="cannot listen"):
                async with CallHomeServer(HOST, sock.getsockname()[1], pool=pool):
                    pass


async def test_a_pool_of_its_own() -> None:
    device = Device.parse("core1://admin@device1", password=PASSWORD, secret="s")
    async with CallHomeServer(HOST, 0, devices=[device]) as server, calling(server, secret="s"):
        await server.pool["core1"].wait_up(30)


async def _hung_up_on(sock: socket.socket) -> None:
    """Wait for the other side to hang up."""
    sock.settimeout(30)
    await asyncio.to_thread(_read_to_the_end, sock)


def _read_to_the_end(sock: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):
        while sock.recv(4096):
            pass
