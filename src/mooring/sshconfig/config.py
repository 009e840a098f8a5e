"""The reader: parse once, look up many hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.errors import ConfigError, InvalidTarget
from .disk import DISK, Reader
from .local import Local
from .names import valid_host, valid_user
from .outcome import host_config
from .parser import File, Parser
from .resolution import Resolution, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .host import HostConfig

__all__ = ["SSHConfig"]

_SYSTEM = "/etc/ssh/ssh_config"
_UNFIT = "it is empty, begins with - or has a character that a shell acts on"


class SSHConfig:
    """OpenSSH client configuration, ssh_config(5), that resolves a host as ``ssh -G`` does.

    Make one with `parse` or `load`. It does not change, so it may be shared; a lookup reads no file.

    Args:
        files: The parsed files, in the order in which they count.
        local: The place they were read in.
    """

    def __init__(self, files: Sequence[File], local: Local) -> None:
        self._files = tuple(files)
        self._local = local

    @classmethod
    def parse(cls, text: str, *, source: str | None = None, local: Local, read: Reader = DISK) -> SSHConfig:
        """Read a user's configuration from text.

        Args:
            text: The configuration.
            source: The name that messages give it.
            local: The place it is read in: user, home, environment.
            read: Where the files named by Include come from.

        Raises:
            ConfigError: A line that ssh would refuse for every host.
        """
        return cls([Parser(local, read).parse(text, source)], local)

    @classmethod
    def load(cls, paths: Sequence[Path] | None = None, *, local: Local | None = None) -> SSHConfig:
        """Read configuration files.

        Args:
            paths: The files, as ``ssh -F`` would read each. By default ``~/.ssh/config``, then
                ``/etc/ssh/ssh_config``; either may be missing.
            local: The place they are read in; by default this process's.

        Raises:
            ConfigError: A named file cannot be read, others may write to ``~/.ssh/config`` or an included file, or
                a line that ssh would refuse for every host.
        """
        here = Local.current() if local is None else local
        if paths is not None:
            return cls([_file(str(path), here) for path in paths], here)
        files = [
            _file(f"{here.home.rstrip('/')}/.ssh/config", here, private=True, optional=True),
            _file(_SYSTEM, here, system=True, optional=True),
        ]
        return cls(files, here)

    def parsed(self) -> tuple[File, ...]:
        """Its files, taken apart."""
        return self._files

    def lookup(
        self,
        host: str,
        user: str | None = None,
        port: int | None = None,
        run_exec: Callable[[str], bool] | None = None,
    ) -> HostConfig:
        """What the configuration says about a host.

        Args:
            host: The name as the user gives it, an address included.
            user: A login name given beside it; it goes before what the files say, and ``Match user`` sees it.
            port: A port given beside it.
            run_exec: Runs the command of a ``Match exec`` in a shell and tells whether it ended with status 0.
                Without it, such a line is refused where the answer would count.

        Returns:
            The settings, expanded. What ssh would do by default is left to the caller.

        Raises:
            InvalidTarget: The name or user is not fit to be handed to a shell (CVE-2023-51385), or the port is none.
            ConfigError: The files cannot be honoured for this host; the message names the line.
        """
        _check(host, user, port)
        resolution = Resolution(self.parsed(), host, self._local, run_exec)
        if user is not None:
            resolution.settings["user"] = Setting(user, None)
        if port is not None:
            resolution.settings["port"] = Setting(port, None)
        resolution.resolve()
        return host_config(resolution, self._local)


def _check(host: str, user: str | None, port: int | None) -> None:
    if not valid_host(host):
        raise InvalidTarget(f"{host!r} is not a host name: {_UNFIT}")
    if user is not None and not valid_user(user):
        raise InvalidTarget(f"{user!r} is not a user name: {_UNFIT}")
    if port is not None and not 0 < port < 1 << 16:
        raise InvalidTarget(f"{port} is not a port: 1 to 65535")


def _file(path: str, local: Local, *, private: bool = False, system: bool = False, optional: bool = False) -> File:
    try:
        text = DISK.read(path, private=private)
    except FileNotFoundError:
        if optional:
            return ()
        raise ConfigError("no such file", source=path) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", source=path) from None
    return Parser(local, DISK, system=system).parse(text, path)
