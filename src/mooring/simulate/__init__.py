"""Peers and links to try things against: hosts, devices that call home, and a TCP link that fails on demand.

Shipped with the package: the demonstration, the tests and the benchmarks stand on it, and so may yours.
"""

from __future__ import annotations

from .device import SimulatedDevice, SimulatedDevices
from .hosts import SimulatedHost, SimulatedHosts
from .link import FaultyLink

__all__ = ["FaultyLink", "SimulatedDevice", "SimulatedDevices", "SimulatedHost", "SimulatedHosts"]
