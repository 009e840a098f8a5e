"""What machines ask the daemon about itself: version, health, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from litestar import Request, get
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import (
    AuthenticationFailed,
    ConnectFailed,
    CredentialError,
    HandshakeFailed,
    HostKeyChanged,
    HostKeyError,
    SessionNotUp,
    UnknownHostKey,
)
from .answers import Answer, value
from .openapi import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from ..model.audit import AuditHealth
    from ..model.measure import Durations
    from ..model.status import PoolStatistics
    from ..service.fleet import Fleet
    from ..service.pulse import Pulse

__all__ = ["API", "HANDLERS", "Door", "Place"]

API: Final = 1
"""The major version: that of the paths."""

_FAILURES: Final = dict.fromkeys(
    (
        error.code
        for error in (
            ConnectFailed,
            HandshakeFailed,
            AuthenticationFailed,
            CredentialError,
            HostKeyError,
            UnknownHostKey,
            HostKeyChanged,
        )
    ),
    0,
)
"""What is told from the beginning: of what comes into being at 1, a rate does not see the first."""
_LOSSES: Final = dict.fromkeys(("closed", "silent", "broken"), 0)
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"


class Version(msgspec.Struct):
    """Which daemon this is, and which API it speaks."""

    version: str
    api: int


class Door(msgspec.Struct):
    """A place where a daemon listens.

    Attributes:
        kind: Who comes there: users of this API, devices, or SSH clients.
        address: An IP address, or the path of a Unix socket.
        port: The port; None for a Unix socket.
        tls: Whether it speaks TLS.
        open: Whether it asks nobody who they are.
        inherited: Whether the daemon was handed it by who started it, systemd for one.
    """

    kind: Literal["http", "call-home", "gateway"]
    address: str
    port: int | None
    tls: bool
    open: bool
    inherited: bool


class Place(msgspec.Struct):
    """Where a daemon runs.

    Attributes:
        pid: Its process.
        state_dir: The directory of what it keeps.
        config: Its configuration file; None where it has none.
        socket: The path of its Unix door.
        doors: Where it listens.
    """

    pid: int
    state_dir: str
    config: str | None
    socket: str
    doors: tuple[Door, ...] = ()


class Health(msgspec.Struct):
    """That all is well."""

    status: str


class _FleetCollector:
    """A fleet's numbers as Prometheus has them; no label names a session, since thousands would be too many.

    Args:
        found: The numbers.
        pulse: How far the loop is behind; None where nobody looks.
        trail: How the audit trail fares.
    """

    def __init__(self, found: PoolStatistics, pulse: Pulse | None, trail: AuditHealth) -> None:
        self._found = found
        self._pulse = pulse
        self._trail = trail

    def collect(self) -> Iterator[Metric]:
        """One family for each."""
        found = self._found
        sessions = GaugeMetricFamily("mooring_sessions", "Sessions held, by state", labels=["state"])
        for state, count in found.states.items():
            sessions.add_metric([state.value], count)
        yield sessions
        yield GaugeMetricFamily("mooring_hops", "Connections to jump hosts held for others", found.hops)
        yield GaugeMetricFamily("mooring_handshakes", "Handshakes in flight", found.handshakes)
        yield GaugeMetricFamily("mooring_handshakes_waiting", "Sessions due for a handshake", found.handshakes_waiting)
        yield CounterMetricFamily("mooring_connects", "Connections made", found.connects)
        failures, losses = {**_FAILURES, **found.failures_by}, {**_LOSSES, **found.losses_by}
        yield _counters("mooring_connect_failures", "Attempts to connect that failed", "code", failures)
        yield _counters("mooring_connection_losses", "Connections lost", "reason", losses)
        yield _histogram("mooring_handshake_seconds", "From dialing to being logged in", found.handshake_seconds)
        yield _histogram("mooring_command_seconds", "Commands that came to an end", found.command_seconds)
        yield _histogram("mooring_rpc_seconds", "NETCONF requests that were answered", found.request_seconds)
        yield GaugeMetricFamily("mooring_channels", "Channel slots that are taken", found.channels)
        yield GaugeMetricFamily(
            "mooring_channels_waiting", "Calls that wait for a channel slot", found.channels_waiting
        )
        traffic = {"sent": found.sent, "received": found.received}
        yield _counters("mooring_ssh_bytes", "Bytes of SSH after logins", "direction", traffic)
        yield CounterMetricFamily("mooring_commands", "Commands run", found.commands)
        yield CounterMetricFamily("mooring_events_lost", "Events dropped for slow readers", found.events_lost)
        let_go = {"age": self._trail.old, "size": self._trail.young}
        yield _counters("mooring_audit_let_go", "Records of the audit trail that were let go", "for", let_go)
        yield GaugeMetricFamily("mooring_audit_stuck", "Whether the audit trail cannot be written", self._trail.stuck)
        if self._pulse is not None:
            yield _histogram("mooring_loop_lag_seconds", "How late the event loop comes", self._pulse.late.taken())


def _counters(name: str, told: str, label: str, found: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, told, labels=[label])
    for text, count in found.items():
        family.add_metric([text], count)
    return family


def _histogram(name: str, told: str, found: Durations) -> Metric:
    return HistogramMetricFamily(name, told, buckets=found.buckets(), sum_value=found.total)


@get("/v1/version", opt=described(answer=Version))
async def tell_version(request: Request[Actor, Any, Any]) -> Answer:
    """Tell which daemon this is."""
    return value(Version(request.app.state.version, API))


@get("/v1/daemon", opt=described(answer=Place))
async def tell_place(request: Request[Actor, Any, Any]) -> Answer:
    """Tell where the daemon runs and what it keeps where, for those who look after it: it takes `admin` on all."""
    fleet: Fleet = request.app.state.fleet
    fleet.audit.check_everything(request.user, "see where the daemon runs")
    return value(request.app.state.place)


@get("/healthz", opt=described(answer=Health, open=True))
async def tell_health() -> Answer:
    """Tell that the daemon is alive."""
    return value(Health("ok"))


@get("/readyz", opt=described(answer=Health, problems=(SessionNotUp,), open=True))
async def tell_readiness(request: Request[Any, Any, Any]) -> Answer:
    """Tell whether what was remembered has been brought back."""
    fleet: Fleet = request.app.state.fleet
    if not fleet.ready:
        raise SessionNotUp("the sessions of before are still being brought back", hint="ask again in a moment")
    return value(Health("ready"))


@get("/metrics", opt=described(answer=str, media_type="text/plain"))
async def tell_metrics(request: Request[Actor, Any, Any]) -> Answer:
    """Tell numbers for Prometheus."""
    fleet: Fleet = request.app.state.fleet
    registry = CollectorRegistry()
    registry.register(_FleetCollector(fleet.statistics(request.user), fleet.pulse, fleet.audit.health))
    ProcessCollector(registry=registry)
    return Answer(generate_latest(registry), media_type=_METRICS.encode())


HANDLERS: Final = [tell_version, tell_place, tell_health, tell_readiness, tell_metrics]
