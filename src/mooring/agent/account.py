"""The user that the agent runs as: the name, the shell, and what its programs find in their environment."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Account"]

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT: Final = ("LANG", "LANGUAGE", "PATH", "TZ")
"""Of the agent's own environment, which may hold what is nobody's business: what says where and in which tongue."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user of this host.

    Attributes:
        name: By which the server logs in.
        home: Where programs stand; ``/`` where there is no such folder.
        shell: What runs commands.
    """

    name: str
    home: str
    shell: str

    @classmethod
    def own(cls) -> Self:
        """The one that this process runs as; one without an entry in the system's list is called by its number.

        Its home is where ``HOME`` says, as for all that runs as it: a container or a unit may have put it elsewhere.
        """
        number = os.getuid()
        try:
            entry = pwd.getpwuid(number)
        except KeyError:
            name, listed, shell = str(number), "/", "/bin/sh"
        else:
            name, listed, shell = entry.pw_name, entry.pw_dir, entry.pw_shell or "/bin/sh"
        homes = (os.environ.get("HOME", ""), listed)  # texts, as the system has them
        home = next((each for each in homes if os.path.isabs(each) and os.path.isdir(each)), "/")  # noqa: PTH112, PTH117
        return cls(name, home, shell)

    def command(self, text: str) -> list[bytes]:
        """The words that run a command line, which need be no UTF-8, as sshd has them."""
        return [os.fsencode(self.shell), b"-c", text.encode("utf-8", "surrogateescape")]

    def login(self) -> list[bytes]:
        """The words that start a login shell."""
        return [os.fsencode(self.shell), b"-l"]

    def environment(
        self, asked: Mapping[bytes, bytes], peer: tuple[str, int], own: tuple[str, int], term: str | None
    ) -> dict[bytes, bytes]:
        """What a program finds.

        Args:
            asked: What the client asked for; it does not decide who somebody is.
            peer: The server's address and port.
            own: Ours.
            term: The type of the terminal, where there is one.
        """
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        ours = {
            "HOME": self.home,
            "LOGNAME": self.name,
            "SHELL": self.shell,
            "SSH_CLIENT": f"{peer[0]} {peer[1]} {own[1]}",
            "SSH_CONNECTION": f"{peer[0]} {peer[1]} {own[0]} {own[1]}",
            "USER": self.name,
            **({"TERM": term} if term else {}),
        }
        return {**_encoded({"PATH": _PATH, **kept}), **asked, **_encoded(ours)}


def _encoded(texts: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in texts.items()}
