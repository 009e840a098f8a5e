"""NETCONF on a session: one channel, many requests at once."""

from .former import Former
from .listener import SessionListener
from .session import NetconfSession, NetconfStatistics, quirks_of

__all__ = ["Former", "NetconfSession", "NetconfStatistics", "SessionListener", "quirks_of"]
