"""What a device is, asked over NETCONF: of Junos as its users know it, and where the device tells less."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mooring import Session
from mooring.model.errors import SessionError
from mooring.model.event import EventKind
from mooring.pool.callhome import CallHomeServer
from mooring.session.facts import gather
from mooring.simulate import SimulatedDevice, SimulatedDevices
from mooring.simulate import profile as profiles
from mooring.simulate.candidate import Candidate
from mooring.simulate.datastores import Datastores
from mooring.simulate.profile import Profile
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.netconfd import Netconfd
from tests.peers.sshd import Sshd
from tests.pool.homes import PASSWORD, calling, known, listening
from tests.session.held import held

pytestmark = pytest.mark.anyio

SILENT = '''
import os
hello = """<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>
<capability>urn:ietf:params:netconf:base:1.0</capability></capabilities><session-id>1</session-id></hello>]]>]]>"""
os.write(1, hello.encode())
said = b""
while b"close-session" not in said:
    said += os.read(0, 65536) or b"close-session"
'''
"""A NETCONF server that says hello, and nothing else until it is told to go."""

JUNOS = Path(profiles.__file__).parent / "profiles" / "junos"


@asynccontextmanager
async def up(profile: Profile | None = None) -> AsyncIterator[tuple[Session, SimulatedDevice]]:
    """A simulated device that called home."""
    async with listening(facts=False) as server, calling(server, profile=profile or Profile()) as devices:
        server.add(known(devices[0]))
        await server.pool["core1"].wait_up(30)
        yield server.pool["core1"], devices[0]


def changed(folder: Path, **files: str | None) -> Profile:
    """The Junos profile with other replies; None takes one away."""
    shutil.copytree(JUNOS, folder / "profile")
    for name, text in files.items():
        path = folder / "profile" / f"{name.replace('_', '-')}.xml"
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
    return Profile(folder / "profile")


async def test_of_junos() -> None:
    async with up() as (session, device):
        found = await gather(session)
    assert list(found.items()) == [
        ("os_version", "15.1X53-D59.3"),
        ("hostname", "device1"),
        ("device_sn", device.serial),
        ("device_model", "EX2300-48T"),
        ("mgmt_interface", "vme"),
        ("mgmt_ipaddr", device.values["address"]),
        ("mgmt_macaddr", device.values["mac"]),
    ]


@pytest.mark.parametrize("missing", ["get-software-information", "get-chassis-inventory", "get-configuration"])
async def test_a_missing_answer_gives_none_and_a_warning(
    missing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "mooring")
    async with up(changed(tmp_path, **{missing.replace("-", "_"): None})) as (session, _):
        found = await gather(session)
    gone = {name for name, value in found.items() if value is None}
    assert (
        gone
        == {
            "get-software-information": {"os_version", "hostname", "device_model"},
            "get-chassis-inventory": {"device_sn"},
            "get-configuration": {"mgmt_interface", "mgmt_ipaddr", "mgmt_macaddr"},
        }[missing]
    )
    assert {name for name in found if f"core1: {name} is not known" in caplog.text} == gone


def _package(name: str, comment: str) -> str:
    return f"<package-information><name>{name}</name><comment>{comment}</comment></package-information>"


@pytest.mark.parametrize(
    ("told", "version"),
    [
        (_package("junos", "JUNOS Base OS Software Suite [12.3R12.4]"), "12.3R12.4"),
        (_package("JUNOS version", "JUNOS version : 17.4-20170718.1-secure"), "17.4-20170718.1-secure"),
        (
            _package("KERNEL", "KERNEL (null)") + "<version-information><component>MGD</component>"
            "<release>15.1X53-D45.3.secure [builder]</release></version-information>",
            "15.1X53-D45.3",
        ),
        ("<package-information><name>junos</name></package-information>", None),
    ],
    ids=range(4),
)
async def test_other_releases_tell_their_version_otherwise(told: str, version: str | None, tmp_path: Path) -> None:
    text = f"<software-information>{told}</software-information>"
    async with up(changed(tmp_path, get_software_information=text)) as (session, _):
        assert (await gather(session))["os_version"] == version


def _module(name: str, serial: str) -> str:
    return f"<chassis-module><name>{name}</name><serial-number>{serial}</serial-number></chassis-module>"


@pytest.mark.parametrize(
    ("inside", "serial"),
    [
        ("<serial-number/>" + _module("FPC 0", "F") + _module("Midplane", "M"), "M"),
        (_module("Midplane", "M") + _module("Backplane", "B"), "B"),
        (_module("FPC 0", "F"), None),
    ],
    ids=range(3),
)
async def test_a_chassis_without_a_number_has_that_of_its_back(inside: str, serial: str | None, tmp_path: Path) -> None:
    text = f"<chassis-inventory><chassis><name>Chassis</name>{inside}</chassis></chassis-inventory>"
    async with up(changed(tmp_path, get_chassis_inventory=text)) as (session, _):
        assert (await gather(session))["device_sn"] == serial


class Routing(Profile):
    """A device on which only some destinations have a route."""

    def __init__(self, *routed: str, config: str) -> None:
        super().__init__()
        self._routed = routed
        self._texts["get-configuration.xml"] = config

    def reply(self, message: str, values: Mapping[str, str], candidate: Candidate | Datastores) -> str | None:
        text = super().reply(message, values, candidate)
        if text is None or "<get-route-information" not in message or all(part in message for part in self._routed):
            return text
        return text.partition("<route-information")[0] + "<route-information/></rpc-reply>"


SERVERS = """<configuration><system><services><outbound-ssh><client><name>m</name>{instance}
<servers><name>192.0.2.1</name></servers><servers><name>192.0.2.2</name></servers>
</client></outbound-ssh></services></system></configuration>"""


@pytest.mark.parametrize(
    ("routed", "instance"),
    [
        (["192.0.2.2<"], ""),
        (["192.0.2.1<", "<table>mgmt_junos.inet.0</table>"], ""),
        (["<table>oob.inet.0</table>"], "<routing-instance>oob</routing-instance>"),
    ],
)
async def test_several_servers_and_a_routing_instance(routed: list[str], instance: str) -> None:
    async with up(Routing(*routed, config=SERVERS.format(instance=instance))) as (session, _):
        assert (await gather(session))["mgmt_interface"] == "vme"


async def test_no_way_leads_to_a_server() -> None:
    async with up(Routing("nowhere", config=SERVERS.format(instance=""))) as (session, _):
        found = await gather(session)
    assert (found["hostname"], found["mgmt_interface"]) == ("device1", None)


async def test_a_host_that_speaks_no_netconf(sshd: Sshd) -> None:
    async with held(sshd) as session:
        with pytest.raises(SessionError):
            await gather(session)


async def test_of_a_server_of_another_kind(start_netconfd: Callable[..., tuple[Netconfd, Sshd]]) -> None:
    _, sshd = start_netconfd(chunked=True)
    system = "urn:ietf:params:xml:ns:yang:ietf-system"
    async with held(sshd) as session:
        async with session.netconf() as nc:
            await nc.edit_config(f'<system xmlns="{system}"><hostname>there</hostname></system>')
            await nc.commit()
        found = await gather(session)
    told = {"netconf": "1.1", "hostname": "there"}  # this server has no platform to tell of
    assert found == told | {"os_name": None, "os_version": None, "machine": None}


async def test_of_a_server_that_tells_nothing(
    start_sshd: StartSshd, current_account: Account, peers_folder: Path
) -> None:
    script = peers_folder / "silent_netconf.py"
    script.write_text(SILENT)
    async with held(start_sshd(account=current_account, Subsystem=f"netconf {sys.executable} {script}")) as session:
        found = await gather(session)
    assert found == {"netconf": "1.0", "hostname": None, "os_name": None, "os_version": None, "machine": None}


async def test_the_server_asks_by_itself() -> None:
    async with CallHomeServer("127.0.0.1", 0) as server:
        with server.pool.events() as events:
            server.add("core1://admin@device1", password=PASSWORD, secret="s")
            async with SimulatedDevices("127.0.0.1", server.port, secret="s"), asyncio.timeout(30):
                async for event in events:
                    if event.kind is EventKind.FACTS:
                        break
                facts = server.pool["core1"].status().facts
    assert (facts["device_id"], facts["mgmt_interface"]) == ("device1", "vme")
