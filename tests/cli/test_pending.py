"""``mooring pending``, ``approve`` and ``reject`` as their users call them, with devices that call a real daemon."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mooring.simulate import SimulatedDevices
from tests.cli.calling import mooring
from tests.daemon.running import RunningDaemon

pytestmark = pytest.mark.anyio

StartDaemon = Callable[..., RunningDaemon]
PASSWORD = "juniper123"


@pytest.fixture
async def daemon(start_daemon: StartDaemon, anyio_backend: str) -> RunningDaemon:
    del anyio_backend
    return start_daemon(arguments=["--call-home", "127.0.0.1:0"])


@pytest.fixture
async def devices(daemon: RunningDaemon) -> AsyncIterator[SimulatedDevices]:
    """Two that wait."""
    port = int(daemon.log().partition("devices may call home at 127.0.0.1:")[2].partition("\n")[0])
    async with SimulatedDevices("127.0.0.1", port, count=2, reconnect=0.1) as devices:
        async with asyncio.timeout(30):
            while len(await _ids(daemon)) < 2:  # noqa: ASYNC110 - it is another process's event
                await asyncio.sleep(0.05)
        yield devices


async def _call(daemon: RunningDaemon, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**daemon.environment(), **variables}
    return await asyncio.to_thread(mooring, *words, environment=environment)


async def _ids(daemon: RunningDaemon) -> dict[str, str]:
    """The ids of those that wait, by what they claim."""
    found = await asyncio.to_thread(daemon.client.request, "GET", "/v1/pending")
    return {each["device_id"]: each["id"] for each in found["pending"]}


async def test_from_the_first_call_to_the_answer(daemon: RunningDaemon, devices: SimulatedDevices) -> None:
    ids = await _ids(daemon)
    shown = await _call(daemon, "pending")
    assert (shown.returncode, shown.stderr.startswith("  hint: `mooring approve ID")) == (0, True)
    heading, *lines = shown.stdout.splitlines()
    assert heading.split() == ["ID", "CLAIMS", "SEEN", "CALLS", "FINGERPRINT", "ADDRESS"]
    row = next(number for number, line in enumerate(lines) if line.startswith(ids["device1"]))
    assert devices[0].host_key.get_fingerprint() in lines[row]
    assert lines[row + 1].startswith("  a device that is not known calls as device1")

    who = ["--alias", "core1", "--user", "admin"]
    done = await _call(daemon, "approve", ids["device1"], *who, "--password-from", "env:PW", PW=PASSWORD)
    assert (done.returncode, done.stdout, done.stderr) == (0, "core1\n", "")
    await asyncio.to_thread(daemon.wait_state, "core1")
    answer = await _call(daemon, "run", "core1", "--", "show version")
    assert "Hostname: device1" in answer.stdout

    done = await _call(daemon, "reject", ids["device2"], "--json")
    assert json.loads(done.stdout)["rejected"] is True
    shown = await _call(daemon, "pending", "--json")
    assert [(one["device_id"], one["rejected"]) for one in map(json.loads, shown.stdout.splitlines())] == [
        ("device2", True)
    ]
    assert "rejected" in (await _call(daemon, "pending")).stdout
    done = await _call(daemon, "reject", ids["device2"], "--undo")
    assert (done.returncode, done.stdout) == (0, f"{ids['device2']}\n")
    waiting = await asyncio.to_thread(daemon.client.request, "GET", "/v1/pending")
    assert not any(each["rejected"] for each in waiting["pending"])


async def test_the_status_tells_who_called_home(
    daemon: RunningDaemon, devices: SimulatedDevices, tmp_path: Path
) -> None:
    (tmp_path / "pw").write_text(f"{PASSWORD}\n")
    (tmp_path / "pw").chmod(0o600)
    who = ["--alias", "core1", "--user", "admin", "--label", "site:ams"]
    waiting = (await _ids(daemon))["device1"]
    done = await _call(daemon, "approve", waiting, *who, "--password-from", f"file:{tmp_path}/pw", "--json")
    status = json.loads(done.stdout)
    assert (status["direction"], status["labels"]) == ("called-home", ["site:ams"])
    async with asyncio.timeout(30):
        while "device_sn" not in (await asyncio.to_thread(daemon.client.request, "GET", "/v1/sessions/core1"))["facts"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    wide = (await _call(daemon, "status", "--wide")).stdout
    assert "called home" in wide
    assert f"device_sn={devices[0].serial}" in wide
    devices.reconnect = 60
    devices.drop()
    await asyncio.to_thread(daemon.wait_state, "core1", state="awaiting")
    away = (await _call(daemon, "status")).stdout.splitlines()
    assert away[1].split()[:2] == ["core1", "awaiting"]
    assert away[2].startswith("  away for ")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "--alias and --user, and either --password-from or --key"),
        (["--password-from", "env:PW", "--key", "k"], 2, "--alias and --user, and either --password-from or --key"),
        (["--password-from", "env:NOT_SET"], 255, "password_from=env:NOT_SET, is not set"),
        (["--key", "k"], 255, "no device waits under that id"),
    ],
)
async def test_what_cannot_be_approved(shared_daemon: RunningDaemon, words: list[str], code: int, told: str) -> None:
    done = await _call(shared_daemon, "approve", "nobody", "--alias", "core1", "--user", "admin", *words, PW="x")
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr


async def test_nobody_waits(shared_daemon: RunningDaemon) -> None:
    done = await _call(shared_daemon, "pending")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no device waits\n")
    assert "no device waits under that id" in (await _call(shared_daemon, "reject", "nobody")).stderr
