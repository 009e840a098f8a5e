"""``[gateway]`` of the configuration file: where SSH clients come, who they are and what they may do."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from ..model.access import Action, Grant
from ..model.device import DoorLimits
from ..model.errors import ConfigError, InvalidSelector
from ..model.gateway import GATEWAY_ACTIONS, GatewaySettings, GatewayUser
from ..model.selector import Selector
from . import values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .config import File, Options

__all__ = ["gateway", "selector"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ACTIONS: Final = {action.value: action for action in GATEWAY_ACTIONS}


def gateway(file: File, options: Options) -> GatewaySettings:
    """The gateway as the command line and the file have it.

    Raises:
        ConfigError: The file cannot be honoured.
    """
    found = file.table("gateway", _GATEWAY)
    tables = found.pop("user", ())
    listen = found.pop("listen", ())
    if options.gateway:
        listen = tuple(values.address(text, values.GATEWAY_PORT) for text in options.gateway)
    wait = found.pop("wait", 0.0)
    users: dict[str, GatewayUser] = {}
    for number, table in enumerate(tables, 1):
        user = _User(file, table, number).read()
        if user.name in users:
            raise _wrong(file, f"two users are called {user.name}")
        users[user.name] = user
    if sum(user.token for user in users.values()) > 1:
        raise _wrong(file, "only one user can have token = true: there is one token, and it says not whose it is")
    return GatewaySettings(listen=listen, users=tuple(users.values()), wait=wait, limits=DoorLimits(**found))


def _wrong(file: File, message: str, hint: str | None = None) -> ConfigError:
    return file.error(f"[[gateway.user]]: {message}", "gateway", "user", hint=hint)


class _User:
    """One table of ``[[gateway.user]]``.

    Args:
        file: Where it is.
        table: What stands there.
        number: Which it is, from 1.
    """

    def __init__(self, file: File, table: object, number: int) -> None:
        self._file = file
        self._table: Mapping[str, object] = table if isinstance(table, dict) else {}
        name = self._table.get("name")
        self._who = name if isinstance(name, str) and name else f"the user number {number}"

    def read(self) -> GatewayUser:
        """The user.

        Raises:
            ConfigError: Something there cannot be meant.
        """
        found = self._checked(self._table, {**_USER, "allow": self._grants}, "")
        if "name" not in found:
            raise self._error("has no name")
        if not found.keys() & {"authorized_keys", "certificate_authority"} and not found.get("token"):
            raise self._error(
                "has no way to come in", hint="write authorized_keys, certificate_authority, or token = true"
            )
        if "principals" in found and "certificate_authority" not in found:
            raise self._error("has principals and no certificate_authority")
        for key in ("authorized_keys", "certificate_authority"):
            if key in found:
                found[key] = str(self._path(found[key]))
        return GatewayUser(**{"grants" if key == "allow" else key: value for key, value in found.items()})

    def _path(self, path: Path) -> Path:
        """A file, as seen from the configuration's folder."""
        folder = self._file.path.parent if self._file.path is not None else None
        return (folder / path.expanduser() if folder is not None else path.expanduser()).absolute()

    def _grants(self, value: object) -> tuple[Grant, ...]:
        if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
            raise ValueError("must be a list of rules: [{ select = '...', actions = ['run'] }]")
        return tuple(self._grant(rule, number) for number, rule in enumerate(value, 1))

    def _grant(self, rule: Mapping[str, object], number: int) -> Grant:
        found = self._checked(rule, _RULE, f"rule {number} of allow: ")
        for key in _RULE:
            if key not in found:
                raise self._error(f"rule {number} of allow has no {key}")
        return Grant(selector=found["select"], actions=found["actions"])

    def _checked(
        self, table: Mapping[str, object], known: Mapping[str, Callable[[object], Any]], what: str
    ) -> dict[str, Any]:
        found = {}
        for key, value in table.items():
            if key not in known:
                raise self._error(f"{what}unknown key {key!r}", hint=f"there are {', '.join(known)}")
            try:
                found[key] = known[key](value)
            except ConfigError:
                raise  # it says where already
            except ValueError as error:
                raise self._error(f"{what}{key} {error}") from None
        return found

    def _error(self, message: str, hint: str | None = None) -> ConfigError:
        return _wrong(self._file, f"{self._who}: {message}", hint)


def _tables(value: object) -> tuple[object, ...]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise ValueError("must be tables: [[gateway.user]]")
    return tuple(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError("must be a name of letters, digits, dots, dashes, underscores and @, 64 at most")
    return value


def _relative(value: object) -> Path:
    from pathlib import Path  # noqa: PLC0415 - for who has users only

    return Path(values.string(value))


def selector(value: object) -> str:
    """A selector that reads no file."""
    text = values.string(value)
    if "@" in text:
        raise ValueError("may not read other files: @ is none of it")
    try:
        Selector.parse(text)
    except InvalidSelector as error:
        raise ValueError(f"is no selector: {error.message}") from None
    return text


def _actions(value: object) -> frozenset[Action]:
    found = values.strings(value)
    for name in found:
        if name not in _ACTIONS:
            raise ValueError(f"may not hold {name!r}: there are {', '.join(_ACTIONS)}")
    return frozenset(_ACTIONS[name] for name in found)


_RULE: Final[Mapping[str, Callable[[object], Any]]] = {"select": selector, "actions": _actions}
_USER: Final[Mapping[str, Callable[[object], Any]]] = {
    "name": _name,
    "authorized_keys": _relative,
    "certificate_authority": _relative,
    "principals": values.strings,
    "token": values.boolean,
    "agent": values.boolean,
}
_GATEWAY: Final[Mapping[str, Callable[[object], Any]]] = {
    "listen": values.addresses(values.GATEWAY_PORT),
    "wait": values.seconds,
    "user": _tables,
    **{
        field.name: values.number(int if field.type in {"int", int} else float)
        for field in fields(DoorLimits)
        if field.name in {"half_open", "half_open_per_source", "rate", "burst", "login_timeout"}
    },
}
