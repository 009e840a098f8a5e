"""From what the files say to what is done: expand, refuse what cannot be honoured, fill the `HostConfig`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from .host import HostConfig
from .keywords import keyword_table
from .lexer import Line, ascii_lower
from .names import jump_hop, valid_host, valid_user
from .tokens import CONNECTION, PROXY, expand, expand_home
from .unsupported import UNSUPPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .local import Local
    from .resolution import Resolution

__all__ = ["host_config"]

_FIELD_OF = {name: keyword.field for name, keyword in keyword_table({}).items()}


def host_config(resolution: Resolution, local: Local) -> HostConfig:
    """The settings of one host.

    Args:
        resolution: After `Resolution.resolve`.
        local: The place it was looked up in.

    Raises:
        ConfigError: A setting that cannot be honoured, or not so that ssh would.
    """
    _refuse_unsupported(resolution)
    _refuse_no_method(resolution)
    values: dict[str, Any] = {"hostname": resolution.hostname}
    other: dict[str, tuple[str, ...]] = {}
    origin: dict[str, str] = {}
    for name, setting in resolution.settings.items():
        target = _FIELD_OF[name]
        if target is None and setting.line is not None:
            other[name] = _as_written(setting.value, setting.line)
        elif target is not None and target != "hostname":
            values[target] = setting.value
        origin[target or name] = "the caller" if setting.line is None else setting.line.origin
    for name, collected in resolution.collected.items():
        if not collected:
            continue
        target = _FIELD_OF[name]
        origin[target or name] = next(iter(collected.values())).origin
        if target is None:
            other[name] = tuple(" ".join(line.arguments) for line in collected.values())
        else:
            values[target] = tuple(cast("dict[str, Line]", collected))
    _Expansion(resolution, local).apply(values, other)
    return HostConfig(**values, other=other, origin=origin)


def _as_written(value: object, line: Line) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else line.arguments


def _refuse_unsupported(resolution: Resolution) -> None:
    proxied = "proxycommand" in resolution.settings
    for name, entry in UNSUPPORTED.items():
        setting = resolution.settings.get(name)
        if setting is None or setting.line is None or (name == "proxyusefdpass" and not proxied):
            continue
        shown = " ".join(setting.line.arguments)
        if ascii_lower(shown) not in entry.harmless:
            raise setting.line.error(f"{entry.name} {shown} cannot be honoured: {entry.why}", hint=entry.hint)


def _refuse_no_method(resolution: Resolution) -> None:
    """GSSAPI as one method of several is passed over; as the only one, nobody could log in."""
    if not resolution.get("gssapiauthentication", False):
        return
    preferred: str = resolution.get("preferredauthentications", "publickey,keyboard-interactive,password")
    ours = {
        "publickey": resolution.get("pubkeyauthentication", True),
        "keyboard-interactive": resolution.get("kbdinteractiveauthentication", True),
        "password": resolution.get("passwordauthentication", True),
    }
    if not any(ours.get(method, False) for method in preferred.split(",")):
        raise resolution.error(
            "gssapiauthentication",
            "GSSAPIAuthentication is the only way left to log in, and Mooring does not have it",
            hint="allow publickey, keyboard-interactive or password for this host",
        )


class _Expansion:
    """Tokens, variables and ``~`` of the fields that have them."""

    def __init__(self, resolution: Resolution, local: Local) -> None:
        self._resolution = resolution
        self._local = local
        self._peer = resolution.peer()

    def apply(self, values: dict[str, Any], other: dict[str, tuple[str, ...]]) -> None:
        """Expand in place."""
        if "host_key_alias" in values:
            values["host_key_alias"] = ascii_lower(values["host_key_alias"])
            self._peer = replace(self._peer, key_alias=values["host_key_alias"])
        self._proxy(values)
        self._keys(values)
        self._known_hosts(values)
        self._agents(values)
        self._commands(values, other)
        if values.get("connection_attempts") == 0:
            raise self._resolution.error("connectionattempts", "connectionattempts: must be at least 1")
        if "preferred_authentications" in values:
            values["preferred_authentications"] = tuple(values["preferred_authentications"].split(","))

    def _expanded(self, keyword: str, how: Callable[[str], str], text: str) -> str:
        try:
            return how(text)
        except ValueError as error:
            raise self._resolution.error(keyword, f"{keyword}: {error}") from None

    def _home(self, text: str) -> str:
        return expand_home(text, self._local)

    def _path(self, text: str) -> str:
        return expand(self._home(text), self._peer, CONNECTION, environment=True)

    def _command(self, text: str) -> str:
        return expand(text, self._peer, CONNECTION)

    def _proxied(self, text: str) -> str:
        return expand(text, self._peer, PROXY)

    def _hop(self, text: str) -> str:
        return jump_hop(self._proxied(text))

    def _keys(self, values: dict[str, Any]) -> None:
        collected = self._resolution.collected
        for name, field in (("identityfile", "identity_files"), ("certificatefile", "certificate_files")):
            expanded = []
            for path, line in cast("Mapping[str, Line]", collected.get(name, {})).items():
                if ascii_lower(path) == "none":
                    continue
                try:
                    expanded.append(self._path(path))
                except ValueError as error:
                    raise line.error(f"{name}: {error}") from None
            values[field] = tuple(expanded)
        values["default_identities"] = not collected.get("identityfile")

    def _known_hosts(self, values: dict[str, Any]) -> None:
        for name, field, how in (
            ("userknownhostsfile", "user_known_hosts_files", self._path),
            ("globalknownhostsfile", "global_known_hosts_files", self._home),
        ):
            paths: tuple[str, ...] = values.get(field, ())
            if paths and ascii_lower(paths[0]) == "none":
                values[field] = ()
            elif paths:
                values[field] = tuple(self._expanded(name, how, path) for path in paths)

    def _agents(self, values: dict[str, Any]) -> None:
        if "identity_agent" in values:
            agent = self._expanded("identityagent", self._path, values["identity_agent"])
            if agent.startswith("$"):
                agent = self._local.environment.get(agent[1:]) or "none"
            values["identity_agent"] = agent
        if isinstance(values.get("forward_agent"), str):
            values["forward_agent"] = self._expanded("forwardagent", self._path, values["forward_agent"])

    def _commands(self, values: dict[str, Any], other: dict[str, tuple[str, ...]]) -> None:
        command = values.pop("remote_command", "none")
        if ascii_lower(command) != "none":
            values["remote_command"] = self._expanded("remotecommand", self._command, command)
        path = other.get("controlpath", ("none",))[0]
        if ascii_lower(path) != "none":
            other["controlpath"] = (self._expanded("controlpath", self._path, path),)

    def _proxy(self, values: dict[str, Any]) -> None:
        command = values.pop("proxy_command", "none")
        if ascii_lower(command) != "none":
            self._check_shell(command)
            values["proxy_command"] = self._expanded("proxycommand", self._proxied, command)
        hops = tuple(self._expanded("proxyjump", self._hop, hop) for hop in values.get("proxy_jump", ()))
        values["proxy_jump"] = hops
        if hops:
            self._refuse_loop(hops[-1])

    def _check_shell(self, command: str) -> None:
        error, host, user = self._resolution.error, self._peer.host, self._peer.user
        if command == "-":
            raise error("proxycommand", "proxycommand: there is no standard input to take for the connection")
        if "%h" in command and not valid_host(host):
            raise error("hostname", f'hostname: "{host}" is not fit for the shell that runs ProxyCommand')
        if "%r" in command and not valid_user(user):
            raise error("user", f'user: "{user}" is not fit for the shell that runs ProxyCommand')

    def _refuse_loop(self, hop: str) -> None:
        user, _, place = hop.rpartition("@")
        host, _, port = place.rpartition(":") if ":" in place.rpartition("]")[2] else (place, "", "22")
        peer = self._peer
        if (host.strip("[]"), int(port), user or peer.user) == (peer.host, peer.port, peer.user):
            raise self._resolution.error("proxyjump", f"proxyjump: {hop} leads to itself")
