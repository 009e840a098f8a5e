"""Peers and links to try things against: hosts that answer commands, and a TCP link that fails on demand.

Shipped with the package: the demonstration, the tests and the benchmarks stand on it, and so may yours.
"""

from __future__ import annotations

from .hosts import SimulatedHost, SimulatedHosts
from .link import FaultyLink

__all__ = ["FaultyLink", "SimulatedHost", "SimulatedHosts"]
