"""A login that a device refuses is not tried again until a person says so; one that was cut off is."""

from __future__ import annotations

import asyncssh
import pytest

from mooring.model.device import Device
from mooring.model.errors import AuthenticationFailed
from mooring.model.status import SessionState
from mooring.pool.callhome import CallHomeServer

from .fleet import true, until
from .homes import HOST, PASSWORD, calling, expecting, listening

pytestmark = pytest.mark.anyio


class _Restarting:
    """A device that is gone the moment it is told the password, so many times."""

    def __init__(self, cuts: int) -> None:
        self.cuts = cuts
        self.logins = 0
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        text = self._key.export_public_key().decode().strip()
        self.device = Device.parse("core1://admin@x", host_key=text, password=PASSWORD)

    async def call(self, server: CallHomeServer) -> asyncssh.SSHServerConnection | None:
        """Call once; the connection, where we are let in."""
        before = server.statistics()
        try:
            called = await asyncssh.connect_reverse(
                HOST, server.port, server_host_keys=[self._key], server_factory=lambda: _Login(self)
            )
        except (asyncssh.Error, OSError):
            called = None
        await true(lambda: (server.statistics().failed, server.statistics().up) != (before.failed, before.up))
        return called


class _Login(asyncssh.SSHServer):
    def __init__(self, device: _Restarting) -> None:
        self._device = device

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn

    def begin_auth(self, username: str) -> bool:
        return bool(username)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._device.logins += 1
        if self._device.logins <= self._device.cuts:
            self._conn.abort()
        return (username, password) == ("admin", PASSWORD)


async def test_a_device_that_restarts_during_the_login_is_let_in_afterwards() -> None:
    device = _Restarting(cuts=2)
    async with listening(device.device, facts=False) as server:
        for _ in range(2):
            await device.call(server)
            assert server.pool["core1"].state is SessionState.AWAITING
        connection = await device.call(server)
        assert connection is not None
        await server.pool["core1"].wait_up(30)
        assert device.logins == 3
        connection.abort()
        await until(server.pool["core1"], SessionState.AWAITING)


async def test_who_hangs_up_on_the_password_again_and_again_refuses_it() -> None:
    device = _Restarting(cuts=100)
    async with listening(device.device, facts=False) as server:
        for _ in range(5):
            await device.call(server)
        await until(server.pool["core1"], SessionState.PARKED)
        assert isinstance(server.pool["core1"].error, AuthenticationFailed)
        assert device.logins == 3


@pytest.mark.parametrize("alias", ["{serial}", "{hostname}", "{device_id}"])
async def test_a_wrong_password_is_sent_once_to_a_device_of_a_kind(alias: str) -> None:
    kind = Device.parse("kind://admin@any", device_id="device*", alias=alias, password="wrong", secret="s")
    async with listening(kind) as server, calling(server, secret="s") as devices:
        async with expecting(server, "refused the login"):
            pass
        calls = devices[0].calls
        await true(lambda: devices[0].calls > calls + 3)
        assert [password for _, password in devices[0].logins if password] == ["wrong"]
        if alias == "{device_id}":
            server.pool["device1"].retry()
        else:
            server.forgive()
        await true(lambda: [password for _, password in devices[0].logins if password] == ["wrong"] * 2)
        right = Device.parse("kind://admin@any", device_id="device*", alias=alias, password=PASSWORD, secret="s")
        await server.replace(right)
        await true(lambda: server.statistics().up == 1)
