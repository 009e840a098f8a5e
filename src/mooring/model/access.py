"""Who asks, and what was granted to them: the values; ``service/policy.py`` decides with them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

__all__ = ["ADMIN", "Action", "Actor", "Grant"]


class Action(enum.StrEnum):
    """What may be granted: one vocabulary for tokens, the users of the gateway and the audit trail."""

    READ = "read"
    RUN = "run"
    SHELL = "shell"
    NETCONF = "netconf"
    FILES = "files"
    FORWARD = "forward"
    PIPE = "pipe"
    APPROVE = "approve"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Some actions on some sessions.

    Attributes:
        selector: On which sessions; without ``@file``.
        actions: Which actions; ``admin`` holds all others.
    """

    selector: str
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks: an argument of every verb of the service.

    Attributes:
        name: For people and the audit trail: a token's name, a user's.
        door: The way they came in: ``unix``, ``tcp``, ``gateway``, ``config``.
        grants: What they may do.
        uid: Which user of the daemon's machine they are, as its kernel says; None where it does not.
        token: Which named token made them this: they are cut off when it ends, and its name may be another's then.
            Empty for none.
    """

    name: str
    door: str
    grants: tuple[Grant, ...]
    uid: int | None = None
    token: str = field(default="", repr=False)


ADMIN = Grant(selector="all", actions=frozenset({Action.ADMIN}))
"""Everything on every session."""
