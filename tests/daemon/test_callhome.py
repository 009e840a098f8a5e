"""Devices call a real mooringd home: approved, remembered over a kill, reloaded; and what they show is enough."""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from mooring.model.errors import AliasInUse, InvalidInput, UnknownAlias
from mooring.simulate import SimulatedDevices
from mooring.simulate.ports import ReservedPort
from tests.daemon.running import RunningDaemon

pytestmark = pytest.mark.anyio

StartDaemon = Callable[..., RunningDaemon]
HOST = "127.0.0.1"
PASSWORD = "juniper123"


@pytest.fixture
async def place(anyio_backend: str) -> AsyncIterator[ReservedPort]:
    """Where devices call, over restarts too."""
    del anyio_backend
    port = ReservedPort(HOST)
    yield port
    port.close()


def calling(place: ReservedPort, **keywords: Any) -> SimulatedDevices:
    return SimulatedDevices(HOST, place.port, **{"reconnect": 0.1, **keywords})


async def ask(daemon: RunningDaemon, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    return await asyncio.to_thread(daemon.client.request, method, path, body)


async def up(daemon: RunningDaemon, *aliases: str, state: str = "up") -> None:
    await asyncio.to_thread(daemon.wait_state, *aliases, state=state)


async def pending(daemon: RunningDaemon, count: int = 1) -> list[dict[str, Any]]:
    """Those that wait, once there are so many."""
    async with asyncio.timeout(30):
        while True:
            found = (await ask(daemon, "GET", "/v1/pending"))["pending"]
            if len(found) >= count:
                return list(found)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def expecting(daemon: RunningDaemon, kind: str, text: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Wait at the end of the block for an event of a kind with a text in it, which is then in the list."""
    found: list[dict[str, Any]] = []
    listening = threading.Event()

    def read() -> None:
        for name, value in daemon.client.events("/v1/events"):
            listening.set()  # how things stand is told first
            if name == kind and text in value["reason"]:
                found.append(dict(value))
                return
        raise RuntimeError("the daemon went away")

    reading = asyncio.create_task(asyncio.to_thread(read))
    assert await asyncio.to_thread(listening.wait, 60)
    yield found
    await reading


def approval(alias: str, **more: object) -> dict[str, object]:
    return {"alias": alias, "username": "admin", "password": PASSWORD, **more}


async def test_an_approved_device_is_up_and_comes_back_after_a_kill(
    start_daemon: StartDaemon, place: ReservedPort
) -> None:
    daemon = start_daemon(arguments=["--call-home", f"{HOST}:{place.port}"])
    async with calling(place) as devices:
        (waiting,) = await pending(daemon)
        assert (waiting["device_id"], waiting["host_key"]) == ("device1", devices[0].public_key)
        assert devices[0].logins == []
        async with expecting(daemon, "approved", "was approved as core1") as events:
            path = f"/v1/pending/{waiting['id']}/approve"
            status = await ask(daemon, "POST", path, approval("core1", label="site:ams"))
        # It may have called already when the approval is answered, so its state says nothing.
        assert (status["alias"], status["direction"], status["labels"]) == ("core1", "called-home", ["site:ams"])
        assert events[0]["alias"] == "core1"
        for _ in range(2):
            await up(daemon, "core1")
            answer = await ask(daemon, "POST", "/v1/sessions/core1/run", {"command": "show version"})
            assert "Hostname: device1" in answer["stdout"]
            assert (await ask(daemon, "GET", "/v1/pending"))["pending"] == []
            await asyncio.to_thread(daemon.restart)
        await up(daemon, "core1")
    assert not any(PASSWORD.encode() in file.read_bytes() for file in daemon.state_dir.iterdir() if file.is_file())
    assert PASSWORD not in daemon.log()


async def test_facts_come_with_the_session(start_daemon: StartDaemon, place: ReservedPort) -> None:
    daemon = start_daemon(arguments=["--call-home", f"{HOST}:{place.port}"], config=_device("core1", "device1"))
    async with AsyncExitStack() as stack:
        async with expecting(daemon, "facts", "core1 told what it is"):
            devices = await stack.enter_async_context(calling(place, secret="s3cret"))
        status = await ask(daemon, "GET", "/v1/sessions/core1")
    assert list(status["facts"]) == [
        "device_id",
        "os_version",
        "hostname",
        "device_sn",
        "device_model",
        "mgmt_interface",
        "mgmt_ipaddr",
        "mgmt_macaddr",
    ]
    assert status["facts"]["device_sn"] == devices[0].serial


def _device(name: str, device_id: str, **more: str) -> str:
    options = {"device_id": device_id, "username": "admin", "password": PASSWORD, "secret": "s3cret", **more}
    return f"[call_home.devices.{name}]\n" + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in options.items() if value
    )


async def test_a_rejection_outlives_the_daemon(start_daemon: StartDaemon, place: ReservedPort) -> None:
    daemon = start_daemon(arguments=["--call-home", f"{HOST}:{place.port}"])
    async with calling(place) as devices:
        (waiting,) = await pending(daemon)
        rejected = await ask(daemon, "POST", f"/v1/pending/{waiting['id']}/reject")
        assert rejected["rejected"]
        await asyncio.to_thread(daemon.restart)
        (again,) = await pending(daemon)
        assert (again["id"], again["rejected"]) == (waiting["id"], True)
        await ask(daemon, "POST", f"/v1/pending/{waiting['id']}/approve", approval("core1"))
        await up(daemon, "core1")
        await asyncio.to_thread(daemon.restart)
        await up(daemon, "core1")
        assert {password for _, password in devices[0].logins} == {"", PASSWORD}


async def test_those_that_wait_are_kept_though_nobody_calls(start_daemon: StartDaemon, place: ReservedPort) -> None:
    daemon = start_daemon(arguments=["--call-home", f"{HOST}:{place.port}"])
    async with calling(place, count=2):
        before = await pending(daemon, 2)
    await asyncio.to_thread(daemon.terminate)
    await asyncio.to_thread(daemon.start)
    after = await pending(daemon, 2)
    assert {each["id"] for each in after} == {each["id"] for each in before}
    assert {each["first_seen"] for each in after} == {each["first_seen"] for each in before}


async def test_what_cannot_be_approved_waits_on(start_daemon: StartDaemon, place: ReservedPort) -> None:
    daemon = start_daemon(
        arguments=["--call-home", f"{HOST}:{place.port}"], config="[sessions.sw1]\nhost = '127.0.0.1'\nport = 1\n"
    )
    async with calling(place):
        (waiting,) = await pending(daemon)
        path = f"/v1/pending/{waiting['id']}/approve"
        with pytest.raises(AliasInUse):
            await ask(daemon, "POST", path, approval("sw1"))
        with pytest.raises(InvalidInput):
            await ask(daemon, "POST", path, {"alias": "core1"})
        with pytest.raises(UnknownAlias):
            await ask(daemon, "POST", "/v1/pending/nobody/approve", approval("core1"))
        with pytest.raises(UnknownAlias):
            await ask(daemon, "POST", "/v1/pending/nobody/reject")
        await ask(daemon, "POST", path, approval("core1"))
        with pytest.raises(AliasInUse, match="calls home"):
            await ask(daemon, "POST", "/v1/sessions", {"target": "core1://127.0.0.1:1", "replace": True})


async def test_a_stopped_device_waits_again(start_daemon: StartDaemon, place: ReservedPort) -> None:
    daemon = start_daemon(arguments=["--call-home", f"{HOST}:{place.port}"])
    async with calling(place) as devices:
        (waiting,) = await pending(daemon)
        await ask(daemon, "POST", f"/v1/pending/{waiting['id']}/approve", approval("core1"))
        await up(daemon, "core1")
        sent = len(devices[0].logins)
        assert await ask(daemon, "DELETE", "/v1/sessions/core1") == {"stopped": ["core1"]}
        assert (await pending(daemon))[0]["id"] == waiting["id"]
        await asyncio.to_thread(daemon.restart)
        await pending(daemon)
        assert (await ask(daemon, "GET", "/v1/sessions"))["sessions"] == []
        assert len(devices[0].logins) == sent


async def test_a_reload_touches_only_what_changed(start_daemon: StartDaemon, place: ReservedPort) -> None:
    listen = f'[call_home]\nlisten = ["{HOST}:{place.port}"]\n'
    same, gone = _device("core1", "device1"), _device("core2", "device2")
    daemon = start_daemon(config=listen + same + gone + _device("core3", "device3"))
    async with calling(place, count=4, secret="s3cret"):
        await up(daemon, "core1", "core2", "core3")
        before = await ask(daemon, "GET", "/v1/sessions/core1")
        changed = _device("core3", "device3", label="site:ams") + _device("core4", "device4")
        await asyncio.to_thread(daemon.reload, listen + same + changed)
        assert "reloaded: 1 started, 1 replaced, 1 stopped, 1 unchanged" in daemon.log()
        await up(daemon, "core3", "core4")
        after = {each["alias"]: each for each in (await ask(daemon, "GET", "/v1/sessions"))["sessions"]}
        assert sorted(after) == ["core1", "core3", "core4"]
        assert (after["core1"]["connects"], after["core1"]["since"]) == (before["connects"], before["since"])
        assert after["core3"]["labels"] == ["site:ams"]
        # An alias may go over from a device to a session that is dialed, and back.
        dialed = f"[sessions.core3]\nhost = '{HOST}'\nport = 1\n"
        await asyncio.to_thread(daemon.reload, listen + same + dialed)
        assert (await ask(daemon, "GET", "/v1/sessions/core3"))["direction"] == "dialed"
        await asyncio.to_thread(daemon.reload, listen + same + changed)
        await up(daemon, "core3")
    assert "not changed" not in daemon.log()


async def test_a_key_learned_at_first_sight_is_kept(start_daemon: StartDaemon, place: ReservedPort) -> None:
    def config(**more: str) -> str:
        return _device("core1", "device1", secret="", host_key="accept-new", **more)

    daemon = start_daemon(arguments=["--call-home", f"{HOST}:{place.port}"], config=config())
    async with calling(place):
        await up(daemon, "core1")
    await asyncio.to_thread(daemon.restart)
    await asyncio.to_thread(daemon.reload, config(label="site:ams"))
    async with calling(place) as other:
        (waiting,) = await pending(daemon)
        assert "other key than at its first call" in waiting["reason"]
        await ask(daemon, "DELETE", "/v1/sessions/core1")  # which forgets the key, too
        assert other[0].logins == []
        await asyncio.to_thread(daemon.reload, config())
        await up(daemon, "core1")


async def test_several_addresses_and_what_a_flag_says_wins(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(
        arguments=["--call-home", f"{HOST}:0", "--call-home", "[::1]:0"],
        config='[call_home]\nlisten = ["127.0.0.9:0"]\n' + _device("core1", "device1"),
    )
    places = re.findall(r"devices may call home at \[?([0-9a-f.:]+?)\]?:(\d+)$", daemon.log(), re.MULTILINE)
    assert [host for host, _ in places] == [HOST, "::1"]
    for host, port in places:
        async with SimulatedDevices(host, int(port), secret="s3cret", reconnect=0.1):
            await up(daemon, "core1")
        await up(daemon, "core1", state="awaiting")


async def test_a_socket_that_is_inherited(start_daemon: StartDaemon, place: ReservedPort) -> None:
    with place.listen() as sock:
        program = (
            f"import os, sys; os.dup2({sock.fileno()}, 3);"
            "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='call-home');"
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        prefix = [os.path.realpath("/proc/self/exe"), "-c", program]
        daemon = start_daemon(prefix=prefix, inherit=[sock.fileno(), 3], config=_device("core1", "device1"))
    assert f"devices may call home at {HOST}:{place.port}" in daemon.log()
    assert f"listening on {daemon.url}" in daemon.log()
    async with calling(place, secret="s3cret"):
        await up(daemon, "core1")


async def test_two_hundred_devices_are_all_back_after_a_restart(start_daemon: StartDaemon, place: ReservedPort) -> None:
    count = 200
    daemon = start_daemon(
        arguments=["--call-home", f"{HOST}:{place.port}"],
        config=_device("kind", "device*", alias="{device_id}") + "[call_home]\nfacts = false\n",
    )
    async with calling(place, name="other", count=3) as others:
        for number, waiting in enumerate(await pending(daemon, 3)):
            await ask(daemon, "POST", f"/v1/pending/{waiting['id']}/approve", approval(f"approved{number}"))
        aliases = [*(f"device{number}" for number in range(1, count + 1)), *(f"approved{n}" for n in range(3))]
        async with calling(place, count=count, secret="s3cret", reconnect=0.5):
            await up(daemon, *aliases)
            await asyncio.to_thread(daemon.restart)
            await up(daemon, *aliases)
        assert {login for each in others.devices for login in each.logins} == {("admin", ""), ("admin", PASSWORD)}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[call_home]\nlisten = 1\n", 4, "listen must be a list of texts"),
        ("[call_home]\nlisten = ['h:99999']\n", 4, "'h:99999' is no address (write HOST:PORT"),
        ("[call_home]\nhalf_open = 0\n", 4, "half_open must be a whole number above 0"),
        ("[call_home]\nlimit = 0\n", 4, "unknown key 'limit' in [call_home]"),
        ("[call_home.devices.core1]\n", 3, "[call_home.devices.core1] core1 has no user name"),
        ("[call_home.devices.core1]\njump = 'h'\n", 4, "unknown key 'jump' in [call_home.devices.core1]"),
        ("[call_home.devices.core1]\nusername = 'a'\nhost_key = 'off'\n", 3, "cannot be taken with any host key"),
        ("[call_home.devices.core1]\nusername = 'a'\nchannels = 'b'\n", 5, "[call_home.devices.core1] 'channels'"),
    ],
)
def test_a_mistake_is_named(shared_daemon: RunningDaemon, text: str, line: int, told: str) -> None:
    seen = len(shared_daemon.log())
    shared_daemon.reload(text)
    shared_daemon.configure("")
    log = shared_daemon.log()[seen:]
    assert re.search(rf"not reloaded: {shared_daemon.config_file}:{line}: .*{re.escape(told)}", log), log


def test_a_secret_that_others_may_read_is_refused(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.configure(_device("core1", "device1", password=""))
    daemon.config_file.chmod(0o644)
    with pytest.raises(TimeoutError, match="others may read the secret in this file"):
        daemon.restart()
