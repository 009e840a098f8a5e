"""What a device is: asked over NETCONF once it is up.

Of Junos seven things, in the order and by the ways that its users know: the management interface is the one by which
the route to the configured server leads. Of others what their hello and ``ietf-system`` (RFC 7317) tell; an agent is
asked by a command. What cannot be found out is None, and a warning in the log.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from ..model.errors import MooringError, SessionLost, SessionNotUp
from ..wire.enrolment import AGENT
from ..wire.netconf.capabilities import BASE_11

if TYPE_CHECKING:
    from ..wire.netconf.xml import Element
    from .netconf import NetconfSession
    from .session import Session

__all__ = ["gather"]

_log: Final = logging.getLogger(__name__)
_JUNOS: Final = "http://xml.juniper.net/netconf/junos/"
_SYSTEM: Final = "urn:ietf:params:xml:ns:yang:ietf-system"
_OUTBOUND: Final = (
    "<get-configuration><configuration><system><services><outbound-ssh/></services></system></configuration>"
    "</get-configuration>"
)
_MANAGEMENT: Final = "mgmt_junos"
"""The routing instance that Junos offers for management (system management-instance)."""
_RELEASE: Final = re.compile(r"\[([^\]]+)\]")
_MGD: Final = re.compile(r".*\d")


async def gather(session: Session, timeout: float = 30.0) -> dict[str, str | None]:
    """Ask a device what it is. Cancelling is safe.

    Args:
        session: One that is up.
        timeout: Seconds for each answer.

    Returns:
        For Junos ``os_version``, ``hostname``, ``device_sn``, ``device_model``, ``mgmt_interface``, ``mgmt_ipaddr`` and
        ``mgmt_macaddr``; for others ``netconf``, the version that the hello offers, and ``hostname``, ``os_name``,
        ``os_version`` and ``machine`` of ``ietf-system``; for agents the last four.

    Raises:
        SessionError: It does not speak NETCONF, or not to us, or was lost.
    """
    if (session.status().server or "").endswith(AGENT):
        return await _host(session, timeout)
    async with session.netconf(strip_namespaces=True, timeout=timeout) as netconf:
        junos = any(uri.startswith(_JUNOS) for uri in netconf.server_capabilities)
        found = await (_Junos(netconf).facts() if junos else _system(netconf))
    for name, value in found.items():
        if value is None:
            _log.warning("%s: %s is not known: the device did not tell", session.alias, name)
    return found


async def _host(session: Session, timeout: float) -> dict[str, str | None]:
    """What ``uname`` says; the last line of it, since a shell may say more."""
    said = (await session.run("uname -nsrm", timeout=timeout)).stdout.splitlines()
    name, host, release, machine = (*(said or [""])[-1].split(), None, None, None, None)[:4]
    return {"hostname": host, "os_name": name, "os_version": release, "machine": machine}


async def _ask(netconf: NetconfSession, rpc: str) -> Element | None:
    """The reply to an RPC; None where the device refuses it, or gives none."""
    try:
        return (await netconf.rpc(rpc)).element
    except (SessionLost, SessionNotUp):
        raise
    except MooringError as error:
        _log.debug("%s: %s", netconf.alias, error)
        return None


def _text(element: Element | None, *names: str) -> str | None:
    """The text of the first element of any of these names that has one."""
    for each in element.iter(*names) if element is not None else ():
        text = (each.text or "").strip()
        if text:
            return text
    return None


class _Junos:
    """The facts of one device."""

    def __init__(self, netconf: NetconfSession) -> None:
        self._netconf = netconf

    async def facts(self) -> dict[str, str | None]:
        """All of them; the three questions that need no other's answer are asked at once."""
        software, chassis, management = await asyncio.gather(
            _ask(self._netconf, "<get-software-information/>"),
            _ask(self._netconf, "<get-chassis-inventory/>"),
            self._management(),
        )
        model = _text(software, "product-model")
        return {
            "os_version": _text(software, "junos-version") or _release(software),
            "hostname": _text(software, "host-name"),
            "device_sn": _serial(chassis),
            "device_model": model.upper() if model else None,
            **management,
        }

    async def _management(self) -> dict[str, str | None]:
        logical = await self._interface()
        if logical is None:
            return dict.fromkeys(("mgmt_interface", "mgmt_ipaddr", "mgmt_macaddr"))
        physical = logical.partition(".")[0]
        terse, media = await asyncio.gather(
            _ask(self._netconf, _interfaces(logical, "terse")), _ask(self._netconf, _interfaces(physical, "media"))
        )
        address = _text(terse, "ifa-local")
        return {
            "mgmt_interface": physical,
            "mgmt_ipaddr": address.partition("/")[0] if address else None,
            "mgmt_macaddr": _text(media, "current-physical-address"),
        }

    async def _interface(self) -> str | None:
        """The logical interface by which the first of the configured servers that has a route is reached."""
        configured = await _ask(self._netconf, _OUTBOUND)
        if configured is None:
            return None
        named = [(each.text or "").strip() for each in configured.iter("routing-instance")]
        servers = [text for each in configured.iter("servers") if (text := _text(each, "name"))]
        for instance in dict.fromkeys((*named, "", _MANAGEMENT)):
            for server in servers:
                interface = _text(await _ask(self._netconf, _route(server, instance)), "via", "nh-local-interface")
                if interface is not None:
                    return interface
        return None


def _interfaces(name: str, how: str) -> str:
    interface = f"<interface-name>{escape(name)}</interface-name>"
    return f"<get-interface-information>{interface}<{how}/></get-interface-information>"


def _route(server: str, instance: str) -> str:
    family = "inet6" if ":" in server else "inet"
    table = f"<table>{escape(instance)}.{family}.0</table>" if instance else ""
    return f"<get-route-information><destination>{escape(server)}</destination>{table}</get-route-information>"


def _release(software: Element | None) -> str | None:
    """The version as other releases tell it: behind the name of a package, or as that of the management daemon."""
    if software is None:
        return None
    for each in software.iter("package-information"):
        name, comment = each.findtext("name"), each.findtext("comment") or ""
        match = _RELEASE.search(comment)
        if match and name in {"junos", "junos-version"}:
            return match[1]
        if name == "JUNOS version" and comment.strip():
            return comment.split()[-1]
    for each in software.iter("version-information"):
        if each.findtext("component") == "MGD" and (match := _MGD.match(each.findtext("release") or "")):
            return match[0].strip()
    return None


def _serial(inventory: Element | None) -> str | None:
    """The serial number of the chassis itself; where it has none, of the part that stands for it."""
    if inventory is None:
        return None
    parts = [(each.findtext("name"), each) for each in inventory.iter("chassis-module")]
    backs = [each for part in ("Backplane", "Midplane") for name, each in parts if name == part]
    for each in (*inventory.iter("chassis"), *backs):
        serial = (each.findtext("serial-number") or "").strip()
        if serial:
            return serial
    return None


async def _system(netconf: NetconfSession) -> dict[str, str | None]:
    """What the hello tells, and ``ietf-system`` where the hello says that it is there."""
    version = "1.1" if BASE_11 in netconf.server_capabilities else "1.0"
    names = {"netconf": version, **dict.fromkeys(("hostname", "os_name", "os_version", "machine"))}
    if not any(uri.startswith(_SYSTEM) for uri in netconf.server_capabilities):
        return names
    query = f'<system xmlns="{_SYSTEM}"><hostname/></system><system-state xmlns="{_SYSTEM}"><platform/></system-state>'
    try:
        data = (await netconf.get(f"<filter>{query}</filter>")).element
    except MooringError as error:
        _log.debug("%s: %s", netconf.alias, error)
        return names
    told = (_text(data, name) for name in ("hostname", "os-name", "os-release", "machine"))
    return dict(zip(names, (version, *told), strict=True))
