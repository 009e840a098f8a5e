"""What comes before a credential: a key that is kept, a certificate that holds, a turn that is given back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import asyncssh
import pytest

from mooring.model.device import Device, DoorLimits
from mooring.model.errors import AliasInUse, StateError
from mooring.model.status import SessionState
from mooring.pool import reception
from mooring.pool.berth import Berth
from mooring.pool.callhome import CallHomeServer
from mooring.pool.handshakes import Handshakes

from .fleet import true, until
from .homes import HOST, PASSWORD, calling, dialed, expecting, known, listening

pytestmark = pytest.mark.anyio

HOW = [{"host_key": "accept-new"}, {"secret": "s"}]


@pytest.mark.parametrize("how", HOW, ids=["accept-new", "secret"])
async def test_a_learned_key_is_kept_before_a_credential_is_sent(how: dict[str, str]) -> None:
    kept: list[tuple[str, str, list[str]]] = []
    go = asyncio.Event()

    async def keep(name: str, fingerprint: str) -> None:
        await go.wait()
        kept.append((name, fingerprint, [password for _, password in devices[0].logins if password]))

    device = Device.parse("core1://admin@device1", password=PASSWORD, **how)
    async with listening(device, learned=keep, facts=False) as server, calling(server, secret="s") as devices:
        await true(lambda: devices[0].logins != [])
        assert devices[0].logins == [("admin", "")]
        go.set()
        await server.pool["core1"].wait_up(30)
        assert kept == [("device1", devices[0].host_key.get_fingerprint(), [])]
        devices.drop()
        await true(lambda: devices[0].calls == 2)
        await server.pool["core1"].wait_up(30)
        assert len(kept) == 1


async def test_a_device_whose_key_cannot_be_kept_gets_nothing_and_may_call_again() -> None:
    full = True

    async def keep(_name: str, _fingerprint: str) -> None:
        if full:
            raise StateError("the disk is full")

    device = Device.parse("core1://admin@device1", password=PASSWORD, host_key="accept-new")
    async with listening(device, learned=keep, facts=False) as server, calling(server) as devices:
        async with expecting(server, "the disk is full"):
            pass
        await true(lambda: server.statistics().failed > 2)
        assert {password for _, password in devices[0].logins} == {""}
        full = False
        await server.pool["core1"].wait_up(30)


async def test_who_needs_no_password_is_held_when_its_key_is_kept() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def keep(_name: str, _fingerprint: str) -> None:
        raise StateError("the disk is full")

    class Open(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return not username

    device = Device.parse("core1://admin@device1", host_key="accept-new")
    async with listening(device, learned=keep, facts=False) as server, expecting(server, "the disk is full"):
        sock = socket.create_connection((HOST, server.port))
        sock.setblocking(False)  # noqa: FBT003 - socket's own
        with contextlib.suppress(asyncssh.Error, OSError):
            sock.send(b"DEVICE-ID: device1\r\n")
            connection = await asyncssh.run_server(sock, server_host_keys=[key], server_factory=Open)
            await connection.wait_closed()
        sock.close()
    assert server.statistics().up == 0


# Certificates.


class _Certified:
    """A device with a host certificate, and the authorities that are asked about it."""

    def __init__(self, folder: Path) -> None:
        self.key, self.authority, self.other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
        self.known = folder / "known"
        self.logins = 0

    def trusts(self, *lines: str) -> Device:
        self.known.write_text("".join(f"{line}\n" for line in lines))
        return Device.parse("core1://admin@device1", password=PASSWORD, known_hosts=str(self.known))

    async def call(self, server: CallHomeServer, certificate: asyncssh.SSHCertificate) -> None:
        device = self

        class Login(asyncssh.SSHServer):
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                device.logins += 1
                return (username, password) == ("admin", PASSWORD)

        with contextlib.suppress(asyncssh.Error, OSError):
            await asyncssh.connect_reverse(
                HOST, server.port, server_host_keys=[(self.key, certificate)], server_factory=Login
            )


def text(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])


async def test_a_certificate_of_the_authority_lets_in(tmp_path: Path) -> None:
    device = _Certified(tmp_path)
    entry = device.trusts(f"@cert-authority device* {text(device.authority)}")
    async with listening(entry, facts=False) as server:
        await device.call(server, device.authority.generate_host_certificate(device.key, "x", principals=["device1"]))
        await server.pool["core1"].wait_up(30)
    assert device.logins == 1


@pytest.mark.parametrize(
    "trouble", ["another authority", "another name", "expired", "not yet", "revoked key", "revoked authority", "user"]
)
async def test_a_certificate_that_does_not_hold(tmp_path: Path, trouble: str) -> None:
    device = _Certified(tmp_path)
    lines = [f"@cert-authority device* {text(device.authority)}"]
    if trouble.startswith("revoked"):
        lines.append(f"@revoked * {text(device.key if trouble == 'revoked key' else device.authority)}")
    now = int(time.time())
    after = now + 3600 if trouble == "not yet" else now - 3600
    before = now - 60 if trouble == "expired" else now + 7200
    by = device.other if trouble == "another authority" else device.authority
    make = by.generate_user_certificate if trouble == "user" else by.generate_host_certificate
    name = "router9" if trouble == "another name" else "device1"
    certificate = make(device.key, "x", principals=[name], valid_after=after, valid_before=before)
    async with listening(device.trusts(*lines), facts=False) as server:
        await device.call(server, certificate)
        await true(lambda: server.statistics().refused + server.statistics().failed == 1)
        assert server.pool["core1"].state is SessionState.AWAITING
    assert device.logins == 0


async def test_a_bare_key_that_is_revoked(tmp_path: Path) -> None:
    async with listening() as server, calling(server) as devices:
        (tmp_path / "known").write_text(f"device1 {devices[0].public_key}\n@revoked * {devices[0].public_key}\n")
        async with expecting(server, "a revoked key"):
            server.add("core1://admin@device1", password=PASSWORD, known_hosts=str(tmp_path / "known"))
        assert devices[0].logins == []


# The secret, by reference.


async def test_a_secret_by_reference_is_looked_up_at_each_call(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    device = Device.parse("core1://admin@device1", password=PASSWORD, secret_from=f"file:{file}")
    async with listening(device, facts=False) as server, calling(server, secret="s3cret") as devices:
        async with expecting(server, "the secret of core1, secret_from=file:"):
            pass
        assert devices[0].logins == []
        file.write_text("other\n")
        file.chmod(0o600)
        async with expecting(server, "without an HMAC of the right secret"):
            pass
        file.write_text("s3cret\n")
        await server.pool["core1"].wait_up(30)
        assert server.pool["core1"].status().host_key_policy == "secret"


# Turns, and what waits for one.


async def test_who_is_silent_gives_its_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "_TURN", 0.2)
    limits = DoorLimits(handshakes=2, handshakes_per_source=2, login_timeout=600)
    async with listening(limits=limits, facts=False) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            stack.enter_context(dialed(server)).sendall(b"SSH-2.0-x\r\n")
        await true(lambda: server.statistics().accepted == 10)
        async with calling(server) as devices:
            server.add(known(devices[0]))
            await server.pool["core1"].wait_up(30)
        assert server.statistics().half_open == 10
        assert server.statistics().expired == 0


async def test_a_turn_is_lent_once() -> None:
    turns = Handshakes(1, 1)
    async with turns.lend("a", 0.01), turns.lend("b", 600):
        assert turns.running == 1
    assert turns.running == 0


async def test_what_comes_with_the_version_line_is_bounded() -> None:
    async with listening() as server:
        with dialed(server) as sock:
            with contextlib.suppress(ConnectionError):
                await asyncio.to_thread(sock.sendall, b"SSH-2.0-x\r\n" + b"\0" * 9000)
            await true(lambda: server.statistics().failed == 1)


# What must not go wrong.


async def test_an_approval_without_a_berth_did_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as server, calling(server):
        await true(lambda: bool(server.pending))
        waiting = server.pending[0].id

        def taken(*_: object) -> Berth:
            raise AliasInUse("core1 is in use")

        with monkeypatch.context() as patch:
            patch.setattr(server.pool, "berth", taken)
            with pytest.raises(AliasInUse):
                server.approve(waiting, "core1", username="admin", password=PASSWORD)
        assert server.roll.devices == []
        assert [each.id for each in server.pending] == [waiting]
        with pytest.raises(Exception, match="and not SHA256:other"):
            server.approve(waiting, "core1", username="admin", fingerprint="SHA256:other")
        fingerprint = server.pending[0].fingerprint
        server.approve(waiting, "core1", username="admin", password=PASSWORD, fingerprint=fingerprint)
        await server.pool["core1"].wait_up(30)


async def test_a_bug_in_one_session_parks_it_and_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(facts=False) as server, calling(server, count=2) as devices:
        with monkeypatch.context() as patch:

            async def broken(*_: object) -> None:
                raise RuntimeError("a bug")

            patch.setattr(Berth, "_lost_or_replaced", broken)
            server.add(known(devices[0]))
            await until(server.pool["core1"], SessionState.PARKED, timeout=30)
        assert "internal error: RuntimeError" in str(server.pool["core1"].error)
        assert "core1: failed unexpectedly" in caplog.text
        server.add(known(devices[1], "core2"))
        await server.pool["core2"].wait_up(30)
        server.pool["core1"].retry()
        await server.pool["core1"].wait_up(30)
