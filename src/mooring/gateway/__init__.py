"""The SSH gateway: any SSH client reaches any session, whose alias is the user name.

Read ``door`` first: it listens, and lets ``Visitor`` attend to each connection. ``users`` says who somebody is, the
service's policy what they may do. ``channel`` is one command, shell or subsystem; ``forwards`` are the connections that
are carried, in either direction.
"""

from .door import Gateway

__all__ = ["Gateway"]
