"""Who watches the calls is told of each, step by step; and of ids that strangers make up only so many are kept."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mooring import DoorLimits, Session
from mooring.model.device import Device
from mooring.model.errors import AuthenticationFailed, ConnectFailed, HandshakeFailed, MooringError, SessionError
from mooring.model.status import SessionState
from mooring.model.target import Target
from mooring.pool import harbour
from mooring.pool.watcher import CallWatcher
from mooring.simulate.profile import Profile
from tests.pool.fleet import true, until
from tests.pool.homes import HOST, PASSWORD, calling, dialed, known, listening

pytestmark = pytest.mark.anyio


class Notes(CallWatcher):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.errors: list[MooringError] = []
        self.facts: dict[str, str | None] = {}

    def came(self, address: str) -> None:
        assert address.startswith(f"{HOST}:")
        self.steps.append("came")

    def up(self, session: Session, address: str) -> None:
        assert session.status().peer == address
        self.steps.append(f"{session.alias} {session.state}")

    def told(self, session: Session, address: str, facts: Mapping[str, str | None]) -> None:
        self.steps.append(f"{session.alias} told")
        self.facts = dict(facts)

    def untold(self, session: Session, address: str, error: MooringError) -> None:
        self.steps.append(f"{session.alias} untold")
        self.errors.append(error)

    def failed(self, address: str, error: MooringError, session: Session | None) -> None:
        self.steps.append(f"{session.alias if session else 'somebody'} failed")
        self.errors.append(error)


async def test_a_device_that_is_let_in() -> None:
    notes = Notes()
    async with listening(watcher=notes) as server, calling(server, reconnect=60) as devices:
        server.add(known(devices[0]))
        await true(lambda: "core1 told" in notes.steps)
    assert notes.steps == ["came", "core1 up", "core1 told"]
    assert list(notes.facts)[:2] == ["os_version", "hostname"]


async def test_a_device_that_does_not_speak_netconf(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes()
    monkeypatch.setattr(Profile, "reply", lambda *_: None)
    monkeypatch.setattr("mooring.simulate.device._Session.subsystem_requested", lambda *_: False)
    async with listening(watcher=notes) as server, calling(server, reconnect=60) as devices:
        server.add(known(devices[0]))
        await true(lambda: len(notes.steps) == 3)
        assert notes.steps == ["came", "core1 up", "core1 untold"]
        assert isinstance(notes.errors[0], SessionError)
        assert server.pool["core1"].state is SessionState.UP


async def test_a_refused_login_and_a_key_that_is_not_known() -> None:
    notes = Notes()
    async with listening(watcher=notes) as server:
        async with calling(server, reconnect=60) as devices:
            server.add(known(devices[0], password="wrong"))
            await true(lambda: len(notes.steps) == 2)
            assert server.pool["core1"].state is SessionState.PARKED
        async with calling(server, name="other", reconnect=60):
            await true(lambda: len(notes.steps) == 4)
    assert notes.steps == ["came", "core1 failed", "came", "somebody failed"]
    assert isinstance(notes.errors[0], AuthenticationFailed)
    assert "not known calls as other1" in str(notes.errors[1])


async def test_those_that_never_say_who_they_are() -> None:
    notes = Notes()
    limits = DoorLimits(preamble_timeout=0.2, half_open=1)
    async with listening(watcher=notes, limits=limits) as server:
        with dialed(server):
            pass
        await true(lambda: len(notes.errors) == 1)
        with dialed(server) as junk:
            junk.sendall(b"\0" * 9000)
            await true(lambda: len(notes.errors) == 2)
        with dialed(server), dialed(server):
            await true(lambda: len(notes.errors) == 4)
        with dialed(server) as sock:
            sock.sendall(b"SSH-1.0-\r\n")
            await true(lambda: len(notes.errors) == 5)
    failed, unheard = ConnectFailed, HandshakeFailed
    assert [type(error) for error in notes.errors] == [failed, unheard, failed, failed, unheard]
    told = ["hung up before", "", "dropped for a newer", "did not begin SSH", "SSH"]
    assert all(text in str(error) for text, error in zip(told, notes.errors, strict=True))


def anybody() -> Device:
    target = Target.parse("any://device", username="admin", password=PASSWORD, host_key="accept-new")
    return Device(target=target, device_id="*", alias="{device_id}")


async def test_of_devices_that_are_away_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harbour, "_MOST", 2)
    async with listening(anybody()) as server, calling(server, name="stays"):
        for name in ("a", "b", "c"):
            async with calling(server, name=name, reconnect=60):
                await true(lambda name=name: f"{name}1" in server.pool)  # type: ignore[misc]
                await server.pool[f"{name}1"].wait_up(30)
            await until(server.pool[f"{name}1"], SessionState.AWAITING)
        assert sorted(session.alias for session in server.pool.sessions) == ["c1", "stays1"]
        assert sorted(server.roll.pins) == ["c1", "stays1"]
        assert server.pool["stays1"].state is SessionState.UP


async def test_a_device_of_a_pattern_is_removed_and_may_call_again_with_another_key() -> None:
    async with listening(anybody()) as server:
        for _ in range(2):
            async with calling(server, reconnect=60):
                await true(lambda: "device1" in server.pool)
                await server.pool["device1"].wait_up(30)
            await server.remove("device1")
            assert "device1" not in server.pool
