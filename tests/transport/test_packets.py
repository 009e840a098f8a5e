"""Packets sealed and cut by us are those that AsyncSSH would make and take, in every shape and size."""

from __future__ import annotations

import inspect
import os
from typing import Any

import asyncssh
import pytest
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection
from asyncssh.encryption import GCMEncryption

from mooring.transport import packets, tunnel
from tests.peers.sshd import Sshd
from tests.session.held import held

pytestmark = pytest.mark.anyio


def test_the_names_that_are_used_exist() -> None:
    connection, channel = inspect.getsource(SSHConnection), inspect.getsource(SSHChannel)
    used = ["_send_encryption", "_kex_complete", "_rekey_bytes_sent", "_rekey_seconds", "_rekey_time", "_compressor"]
    for name in [*used, "_send_seq", "_recv_encryption", "_inpbuf", "_channels", "_transport"]:
        assert f"self.{name}" in connection
    used = ["_send_state", "_recv_state", "_send_chan", "_recv_chan", "_send_window", "_send_pktsize", "_send_buf"]
    for name in [*used, "_send_buf_len", "_recv_window", "_recv_paused", "_session", "_deliver_data"]:
        assert f"self.{name}" in channel
    assert issubclass(asyncssh.SSHClientChannel, SSHChannel)
    assert list(inspect.signature(SSHChannel.process_open).parameters)[1:] == [
        "send_chan", "send_window", "send_pktsize", "session",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 27, 28, 29, 1000, 32_768, 100_000, 2_500_000])
async def test_commands_with_input_of_every_size(sshd: Sshd, size: int) -> None:
    data = os.urandom(size)
    async with held(sshd) as session:
        result = await session.run("cat", input=data, encoding=None)
        assert result.stdout == data


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr"])
async def test_our_way_is_taken_with_gcm_alone(sshd: Sshd, cipher: str) -> None:
    async with held(sshd, encryption_algs=[cipher]) as session:
        connection: Any = session.connection
        sealer = connection.send_packet.__self__
        assert isinstance(sealer, packets._Sealer)  # noqa: SLF001 - what is tested
        usual: list[int] = []
        way = sealer._usual  # noqa: SLF001

        def watched(kind: int, *args: bytes, handler: Any = None) -> None:  # noqa: ANN401
            usual.append(kind)
            way(kind, *args, handler=handler)

        sealer._usual = watched  # type: ignore[assignment]  # noqa: SLF001
        assert (await session.run("cat", input="x")).stdout == "x"
        assert bool(usual) is not (type(connection._send_encryption) is GCMEncryption)  # noqa: SLF001


async def test_packets_that_are_to_be_logged_are(sshd: Sshd, caplog: pytest.LogCaptureFixture) -> None:
    async with held(sshd) as session:
        caplog.set_level("DEBUG", "asyncssh")
        asyncssh.set_debug_level(3)
        try:
            await session.run("true")
        finally:
            asyncssh.set_debug_level(1)
    assert "Sent MSG_CHANNEL_CLOSE" in caplog.text


async def test_channels_are_counted(sshd: Sshd) -> None:
    async with held(sshd) as session:
        before = tunnel.channels(session.connection)
        async with await session.process("cat"):
            assert tunnel.channels(session.connection) == before + 1
            assert tunnel.count(session.connection) == 0
