"""The daemon's settings: what its command line says, then the environment, then the TOML file, then the default."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..client import paths
from ..inventory import read_inventory
from ..model.audit import COMMANDS, AuditSettings
from ..model.device import Device, DoorLimits
from ..model.errors import ConfigError, InvalidInput, InvalidTarget
from ..model.options import OPTIONS, PLACES
from ..model.recording import RecordingSettings
from ..model.secret import Secret
from ..model.target import Target
from . import values
from .gateway import gateway, selector
from .logs import FORMATS, LEVELS
from .positions import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..model.gateway import GatewaySettings

__all__ = ["CallHome", "File", "Options", "Settings", "Tls", "load"]

_DIALED: Final = frozenset({"jump", "rate", "handshakes"})
"""Options of a session that say how it is dialed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; None where it says nothing.

    Attributes:
        config: The TOML file.
        channels: Sessions to hold, as DSNs.
        host: The address of the TCP door.
        port: Its port.
        socket: The path of the Unix door.
        state_dir: The directory of what must outlive the daemon.
        log: One of ``logs.FORMATS``.
        log_level: One of ``logs.LEVELS``.
        call_home: Where devices may call, as ``HOST:PORT``.
        gateway: Where SSH clients may come, as ``HOST:PORT``.
        authenticate: False opens the TCP door to whoever is on this machine; ``sshpoold --no-auth``.
        remember: False forgets at the end what was started meanwhile.
    """

    config: str | None = None
    channels: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    state_dir: str | None = None
    log: str | None = None
    log_level: str | None = None
    call_home: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    authenticate: bool = True
    remember: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The certificate of the TCP door, with its chain, and its key: PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHome:
    """Where devices call, and how.

    Attributes:
        listen: Addresses and ports.
        facts: Whether each is asked what it is.
        limits: What strangers may cost.
    """

    listen: tuple[tuple[str, int], ...] = ()
    facts: bool = True
    limits: DoorLimits = DoorLimits()  # noqa: RUF009 - a frozen value


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for a daemon; see ``Options``, and docs/daemon.md for the file.

    Attributes:
        hosts: Names by which the TCP door may be called, further to those of this machine's loopback.
        ssh_config: ssh_config files, as ``Pool`` takes them.
        tls: None for plain HTTP, which stays on loopback.
        targets: The sessions of the inventories, the file and the command line; of two with one alias, the later.
        ignored: What inventories say that is passed over, or that somebody should know of.
        devices: Those that may call home, by their aliases.
        gateway: Where SSH clients come, who they are and what they may do.
        audit: What is recorded.
        recordings: What is recorded of terminals.
    """

    config: Path | None
    state_dir: Path
    socket: Path
    host: str
    port: int
    hosts: tuple[str, ...]
    ssh_config: tuple[Path, ...] | None
    log: str
    log_level: str
    tls: Tls | None
    targets: tuple[Target, ...]
    ignored: tuple[str, ...] = ()
    call_home: CallHome
    devices: Mapping[str, Device]
    gateway: GatewaySettings
    audit: AuditSettings = AuditSettings()  # noqa: RUF009 - a frozen value
    recordings: RecordingSettings = RecordingSettings()  # noqa: RUF009 - likewise
    authenticate: bool
    remember: bool


def load(options: Options) -> Settings:
    """The settings that hold; read anew at each call, for a reload.

    Raises:
        ConfigError: The file cannot be read or honoured: it names file, line and key.
        InvalidTarget: A session on the command line is malformed.
    """
    file = File.read(options)
    said = file.table("daemon", _DAEMON)
    call_home, devices = file.call_home()
    listed, ignored = file.inventory()
    if options.call_home:
        call_home = replace(call_home, listen=tuple(map(values.address, options.call_home)))
    state_dir = options.state_dir or os.environ.get("MOORING_STATE_DIR") or said.get("state_dir") or paths.state_dir()
    # Clients do not read this file: a state directory that only it names moves no socket.
    socket = options.socket or os.environ.get("MOORING_SOCKET") or said.get("socket")
    return Settings(
        config=file.path,
        state_dir=values.path(state_dir),
        socket=values.path(socket or paths.socket_path(options.state_dir)),
        host=options.host or said.get("host", paths.HOST),
        port=said.get("port", paths.PORT) if options.port is None else options.port,
        hosts=said.get("hosts", ()),
        ssh_config=said.get("ssh_config", ()),
        log=options.log or said.get("log", FORMATS[0]),
        log_level=options.log_level or said.get("log_level", "info"),
        tls=file.tls(),
        call_home=call_home,
        devices=devices,
        gateway=gateway(file, options),
        audit=AuditSettings(**file.table("audit", _AUDIT)),
        recordings=RecordingSettings(**file.table("recordings", _RECORDINGS)),
        targets=tuple((listed | file.targets() | _channels(options.channels)).values()),
        ignored=ignored,
        authenticate=options.authenticate,
        remember=options.remember,
    )


def _channels(texts: Iterable[str]) -> dict[str, Target]:
    targets: dict[str, Target] = {}
    for text in texts:
        target = Target.parse(text)
        if target.alias in targets:
            raise ConfigError(f"two --channel have the alias {target.alias}")
        targets[target.alias] = target
    return targets


class File:
    """The TOML file: what it says, and on which line.

    Args:
        path: Its name; None where there is none.
        text: What stands in it.
    """

    def __init__(self, path: Path | None, text: str) -> None:
        self.path = path
        self._text = text
        try:
            self._tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
            words = str(error)[: found.start()] if found else "not TOML"
            line = int(found[1]) if found and found[1] else text.count("\n") + 1
            raise ConfigError(words[:1].lower() + words[1:], source=str(path), line=line) from None
        for name in self._tables:
            if name not in _TABLES:
                raise self.error(f"unknown table or key {name!r}", name, hint=like(name, _TABLES))

    @classmethod
    def read(cls, options: Options) -> File:
        """The file that is meant: one that was named must be there, the default one need not."""
        named = Path(options.config or paths.config_file()).expanduser().absolute()
        try:
            text = named.read_bytes().decode("utf-8")
        except FileNotFoundError:
            if options.config is not None or str(named) != paths.default_config_file():
                raise ConfigError("no such file", source=str(named)) from None
            return cls(None, "")
        except OSError as error:
            raise ConfigError(error.strerror or str(error), source=str(named)) from error
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise ConfigError("not UTF-8", source=str(named), line=line) from None
        file = cls(named, text)
        file.keep_secret()
        return file

    def keep_secret(self) -> None:
        """See that nobody else can read the file if a password or secret stands in it."""
        call_home = self._tables.get("call_home")
        places: dict[tuple[str, ...], object] = {("sessions",): self._tables.get("sessions")}
        places["call_home", "devices"] = call_home.get("devices") if isinstance(call_home, dict) else None
        for place, tables in places.items():
            for alias, table in tables.items() if isinstance(tables, dict) else ():
                for key in ("password", "secret"):
                    if isinstance(table, dict) and key in table and self.path and self.path.stat().st_mode & 0o077:
                        hint = f"chmod 600 {self.path}, or use {key}_from"
                        raise self.error(f"others may read the {key} in this file", *place, alias, key, hint=hint)

    def table(self, name: str, keys: Mapping[str, Callable[[object], Any]]) -> dict[str, Any]:
        """A table whose keys are known; each value as it is kept."""
        table = self._tables.get(name, {})
        if not isinstance(table, dict):
            raise self.error(f"{name} must be a table: [{name}]", name)
        found = {}
        for key, value in table.items():
            if key not in keys:
                raise self.error(f"unknown key {key!r} in [{name}]", name, key, hint=like(key, keys))
            try:
                found[key] = keys[key](value)
            except ValueError as error:
                raise self.error(f"{key} {error}", name, key) from None
        return found

    def tls(self) -> Tls | None:
        """The certificate, where one is named."""
        found = self.table("tls", {"cert": values.path, "key": values.path})
        for key in ("cert", "key"):
            if found and key not in found:
                raise self.error(f"[tls] has no {key}", "tls")
        return Tls(**found) if found else None

    def call_home(self) -> tuple[CallHome, dict[str, Device]]:
        """Where devices may call, and which; the latter by their aliases."""
        found = self.table("call_home", _CALL_HOME)
        tables = found.pop("devices", {})
        own = {key: found.pop(key) for key in ("listen", "facts") if key in found}
        devices = {alias: self._device(alias, table) for alias, table in tables.items()}
        return CallHome(**own, limits=DoorLimits(**found)), devices

    def _device(self, alias: str, table: object) -> Device:
        place = ("call_home", "devices", alias)
        if not isinstance(table, dict):
            raise self.error(f"{alias} must be a table: [call_home.devices.{alias}]", *place)
        said = {key: table[key] for key in ("device_id", "alias", "secret", "secret_from") if key in table}
        for key, value in said.items():
            if not isinstance(value, str) or not value:
                raise self.error(f"[{'.'.join(place)}] {key} must be a text", *place, key)
        options = {key: value for key, value in table.items() if key not in said}
        device = Device(
            target=self._options(Target(alias="device", host="device"), place, {"alias": alias, **options}, _DEVICE),
            device_id=said.get("device_id", alias),
            alias=said.get("alias"),
            secret=Secret(said["secret"]) if "secret" in said else None,
            secret_from=said.get("secret_from"),
        )
        try:
            device.check()
        except InvalidInput as error:
            raise self.error(f"[{'.'.join(place)}] {error.message}", *place, hint=error.hint) from None
        return device

    def inventory(self) -> tuple[dict[str, Target], tuple[str, ...]]:
        """The sessions of other files, by their aliases, and what is to be told of these."""
        found = self.table("inventory", {"files": values.strings, "select": values.string})
        targets: dict[str, Target] = {}
        ignored: list[str] = []
        for name in found.get("files", ()):
            try:
                inventory = read_inventory(name, found.get("select", "all"))
            except InvalidInput as error:
                if isinstance(error, ConfigError):
                    raise
                raise self.error(f"[inventory] select: {error.message}", "inventory", "select") from None
            for target in inventory.targets:
                if target.alias in targets:
                    raise self.error(f"{target.alias} is in more than one inventory", "inventory", "files")
                targets[target.alias] = target
            ignored += [f"{inventory.source}: {line}" for line in (*inventory.warnings, *inventory.ignored)]
        return targets, tuple(ignored)

    def targets(self) -> dict[str, Target]:
        """The sessions, by their aliases."""
        tables = self._tables.get("sessions", {})
        if not isinstance(tables, dict):
            raise self.error("sessions must be tables: [sessions.ALIAS]", "sessions")
        return {alias: self._target(alias, table) for alias, table in tables.items()}

    def _target(self, alias: str, table: object) -> Target:
        if not isinstance(table, dict):
            raise self.error(f"{alias} must be a table: [sessions.{alias}]", "sessions", alias)
        # The alias is its own host, unless another is named: a Host of ssh_config needs nothing else.
        return self._options(
            Target(alias=alias, host=alias), ("sessions", alias), {"alias": alias, "host": alias, **table}, _SESSION
        )

    def _options(
        self, target: Target, place: tuple[str, ...], table: Mapping[str, object], known: Mapping[str, object]
    ) -> Target:
        """The target with the options of a table."""
        name = ".".join(place)
        for key, value in table.items():
            if key not in known and key not in {"alias", "host"}:
                raise self.error(f"unknown key {key!r} in [{name}]", *place, key, hint=like(key, known))
            try:
                target = target.with_options(**{key: value})
            except InvalidTarget as error:
                words = error.message.removeprefix("keyword ")
                raise self.error(f"[{name}] {words}", *place, key, hint=error.hint) from None
        return target

    def error(self, message: str, *keys: str, hint: str | None = None) -> ConfigError:
        """An error that names the file and the line where the keys stand."""
        return ConfigError(message, source=str(self.path), line=line_of(self._text, keys), hint=hint)


def like(name: str, known: Mapping[str, object]) -> str:
    """What may have been meant, for a hint."""
    close = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {close[0]}? " if close else "") + "there are " + ", ".join(known)


_TABLES: Final[Mapping[str, None]] = dict.fromkeys(
    ("daemon", "tls", "sessions", "inventory", "call_home", "gateway", "audit", "recordings")
)
_SESSION: Final[Mapping[str, object]] = {name: None for name in (*PLACES, *OPTIONS) if name != "alias"}
_DEVICE: Final[Mapping[str, object]] = {
    name: None
    for name in ("device_id", "alias", "secret", "secret_from", "username", "password", *OPTIONS)
    if name not in _DIALED
}
_CALL_HOME: Final[Mapping[str, Callable[[object], Any]]] = {
    "listen": values.addresses(values.CALL_HOME_PORT),
    "facts": values.boolean,
    "devices": values.tables,
    **{field.name: values.number(int if field.type in {"int", int} else float) for field in fields(DoorLimits)},
}
_AUDIT: Final[Mapping[str, Callable[[object], Any]]] = {
    "enabled": values.boolean,
    "wait": values.boolean,
    "commands": values.one_of(COMMANDS),
    "keep_days": values.number(float),
    "keep_mib": values.number(int),
}
_RECORDINGS: Final[Mapping[str, Callable[[object], Any]]] = {
    "enabled": values.boolean,
    "input": values.boolean,
    "required": values.boolean,
    "select": selector,
    "keep_days": values.number(float),
    "keep_mib": values.number(int),
    "max_mib": values.number(int),
    "free_mib": values.number(int),
}
_DAEMON: Final[Mapping[str, Callable[[object], Any]]] = {
    "host": values.string,
    "port": values.port,
    "socket": values.string,
    "state_dir": values.string,
    "hosts": values.strings,
    "ssh_config": values.ssh_config,
    "log": values.one_of(FORMATS),
    "log_level": values.one_of(LEVELS),
}
