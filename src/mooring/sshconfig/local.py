"""What a configuration may ask about the place it is read in, as one value."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Local"]


def _no_such_user(_name: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Local:
    """This host and the user on it.

    Attributes:
        user: Login name.
        home: Home directory from the password database, which is what ssh takes; ``$HOME`` counts for nothing.
        uid: Numeric user id, for ``%i``.
        hostname: With its domain, for ``%l``.
        environment: For ``${NAME}``; left out of the repr, since it may hold secrets.
        home_of: The home directory of another user, for ``~name``; None where there is no such user.
        resolve: The resolver's canonical name for a name that ends in a dot, None where it does not resolve; asked
            by ``CanonicalizeHostname``. Without it, a host that needs it is refused.
    """

    user: str
    home: str
    uid: int = 0
    hostname: str = "localhost"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    home_of: Callable[[str], str | None] = field(default=_no_such_user, repr=False)
    resolve: Callable[[str], str | None] | None = field(default=None, repr=False)

    @classmethod
    def current(cls) -> Local:
        """This process's user, host and environment."""
        environment = dict(os.environ)
        try:
            import pwd  # noqa: PLC0415  # there is none on Windows
        except ImportError:
            home = os.path.expanduser("~")  # noqa: PTH111  # a plain string, as everything here
            return cls(environment.get("USERNAME", ""), home, 0, platform.node(), environment)

        def home_of(name: str) -> str | None:
            try:
                return pwd.getpwnam(name).pw_dir
            except (KeyError, ValueError):
                return None

        uid = os.getuid()
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            # A container may run under a number that nobody entered; ssh would give up.
            user, home = environment.get("USER", str(uid)), environment.get("HOME", "/")
            return cls(user, home, uid, platform.node(), environment, home_of)
        return cls(entry.pw_name, entry.pw_dir, uid, platform.node(), environment, home_of)
