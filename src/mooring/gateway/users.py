"""Who somebody is: by a key, by a certificate, or by a token that they give as the password.

The user name at the gateway is the alias of a session, and says nothing of the person.
"""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asyncssh.public_key import CERT_TYPE_USER

from ..model.access import Action, Actor, Grant
from ..model.errors import ConfigError
from ..service import policy
from ..transport.authorized import read_authorized_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import asyncssh

    from ..model.gateway import GatewayUser
    from ..transport.authorized import Line

__all__ = ["Badge", "Users"]

_SENSELESS: Final = frozenset({"command", "environment", "permitlisten", "permitopen", "principals"})
"""Options of authorized_keys that are not done here."""
_CRITICAL: Final = frozenset({"source-address", "no-touch-required"})
"""Options of certificates likewise."""
_PERMISSIONS: Final = frozenset({"pty", "port-forwarding", "agent-forwarding"})
_READ: Final = frozenset({Action.READ})


@dataclass(frozen=True, slots=True)
class Badge:
    """Somebody, and what the key that they proved keeps from them.

    Attributes:
        name: Of the user.
        without: ``pty``, ``port-forwarding`` and ``agent-forwarding``, as far as the key or certificate withholds them.
        itself: Who it is where that is no configured user: somebody to whom another door of the daemon is open.
        shown: What the token made of them that they came with; they are cut off when it ends.
        prove: Whose badge it would be by the rules of some users: what was proven is still there, and they may not know
            it any more. None where another door looks after that.
    """

    name: str
    without: frozenset[str] = frozenset()
    itself: Actor | None = None
    shown: Actor | None = None
    prove: Callable[[Users], Badge | None] | None = field(default=None, repr=False, compare=False)


class Users:
    """The users of the gateway, their key files read.

    Args:
        users: As configured.
        bearer: Tells what a token of the daemon makes of who bears it; None for one that is none. One that bears the
            name of a user with ``token = true`` is that user; another named one is itself, with its own grants; that of
            the state directory is the only such user, or itself where nobody is configured.

    Raises:
        ConfigError: A file cannot be read, or a key in it is somebody else's too or asks for what is not done here.
    """

    def __init__(self, users: Iterable[GatewayUser], bearer: Callable[[str], Actor | None]) -> None:
        self._users = {user.name: user for user in users}
        self._bearer = bearer
        self._bearers = {user.name for user in self._users.values() if user.token}
        self._keys: dict[bytes, tuple[str, list[Line]]] = {}
        self._authorities: dict[bytes, dict[str, tuple[str, list[Line]]]] = {}
        for user in self._users.values():
            self._read(user)

    @property
    def configured(self) -> tuple[GatewayUser, ...]:
        """Those that the configuration names."""
        return tuple(self._users.values())

    @property
    def by_token(self) -> bool:
        """Whether anybody may come with a token."""
        return bool(self._bearers) or not self._users

    def present(self, badge: Badge) -> Badge | None:
        """What a badge is now; None where what was proven for it proves that no more."""
        now = badge if badge.prove is None else badge.prove(self)
        return now if now is not None and now.name == badge.name else None

    def actor(self, badge: Badge) -> Actor | None:
        """Who bears a badge, with what they may do now; None where there is no such user any more."""
        user = self._users.get(badge.name)
        if self.present(badge) is None:
            return None
        if badge.itself is not None:
            return badge.itself
        if user is None:
            return None
        # Who may do something on a session may know that it is there, and why not to do the rest.
        grants = tuple(Grant(selector=grant.selector, actions=grant.actions | _READ) for grant in user.grants)
        return Actor(name=user.name, door="gateway", grants=grants)

    def may_forward_agent(self, badge: Badge) -> bool:
        """Whether they may forward their ssh-agent."""
        user, now = self._users.get(badge.name), self.present(badge)
        if user is None or now is None or now.itself is not None:
            return False
        return user.agent and "agent-forwarding" not in now.without

    def of_key(self, key: asyncssh.SSHKey, address: str) -> Badge | None:
        """Whose a key is that came from an address."""
        name, lines = self._keys.get(key.public_data, ("", []))
        options = _options(lines, key, address)
        if options is None:
            return None
        key.set_touch_required("no-touch-required" not in options)
        return Badge(name, _withheld(options), prove=lambda users: users.of_key(key, address))

    def of_certificate(self, certificate: Any, address: str) -> Badge | None:  # noqa: ANN401 - AsyncSSH's
        """Whose a certificate is, if it holds now: it must bear the name of one user, and only one."""
        known = self._authorities.get(certificate.signing_key.public_data, {})
        found = {known[principal][0]: known[principal][1] for principal in certificate.principals if principal in known}
        options = certificate.options
        if len(found) != 1 or not _CRITICAL.issuperset(name for name in options if not name.startswith("permit-")):
            return None
        try:
            certificate.validate(CERT_TYPE_USER, None)
        except ValueError:
            return None
        if "source-address" in options and not _within(address, options["source-address"]):
            return None
        ((name, lines),) = found.items()
        of_authority = _options(lines, certificate.signing_key, address)
        if of_authority is None:
            return None
        certificate.key.set_touch_required("no-touch-required" not in options)
        without = frozenset(name for name in _PERMISSIONS if not options.get(f"permit-{name}", False))
        without |= _withheld(of_authority)
        return Badge(name, without, prove=lambda users: users.of_certificate(certificate, address))

    def of_token(self, token: str) -> Badge | None:
        """Whose a token is."""
        actor = self._bearer(token)
        return None if actor is None else self._of_bearer(actor)

    def _of_bearer(self, actor: Actor) -> Badge | None:
        badge = self._badge_of_bearer(actor)
        return badge and replace(badge, prove=lambda users: users._of_bearer(actor))  # noqa: SLF001 - of this class

    def _badge_of_bearer(self, actor: Actor) -> Badge | None:
        if not self.by_token:
            return None
        if actor.name in self._bearers:
            return Badge(actor.name, shown=actor)
        if actor.token:
            return Badge(actor.name, itself=actor, shown=actor)
        if not policy.everything(actor):
            return None
        if len(self._bearers) == 1:
            return Badge(next(iter(self._bearers)))
        return Badge(actor.name, itself=actor) if not self._users else None

    def _read(self, user: GatewayUser) -> None:
        if user.authorized_keys is not None:
            for line in _lines(Path(user.authorized_keys), authorities=False):
                name, lines = self._keys.setdefault(line.key.public_data, (user.name, []))
                lines.append(line)
                if name != user.name:
                    raise ConfigError(
                        f"{user.name} and {name} have the same key {line.key.get_fingerprint()}",
                        source=user.authorized_keys,
                        hint="a key is one person's",
                    )
        if user.certificate_authority is not None:
            for line in _lines(Path(user.certificate_authority), authorities=True):
                known = self._authorities.setdefault(line.key.public_data, {})
                for principal in user.principals or (user.name,):
                    name, lines = known.setdefault(principal, (user.name, []))
                    lines.append(line)
                    if name != user.name:
                        raise ConfigError(
                            f"{user.name} and {name} have the same principal {principal}",
                            source=user.certificate_authority,
                            hint="write principals = [...] for each",
                        )


def _lines(path: Path, *, authorities: bool) -> list[Line]:
    """The lines of a file of public keys, each of which must be understood and make sense here."""
    lines = read_authorized_keys(path).lines
    for line in lines:
        for option in sorted(_SENSELESS & line.names):
            raise ConfigError(
                f"the option {option} is not known at the gateway",
                source=str(path),
                line=line.number,
                hint="what a key may do is written as allow = [...], whose a certificate is as principals = [...]",
            )
        if "cert-authority" in line.names and not authorities:
            raise ConfigError(
                "an authority", source=str(path), line=line.number, hint="name it as certificate_authority"
            )
    if not lines:
        raise ConfigError("no public key is in this file", source=str(path))
    return lines


def _options(lines: Iterable[Line], key: asyncssh.SSHKey, address: str) -> Mapping[str, object] | None:
    """The options of the first line that lets a key in from an address; None where there is none."""
    for line in lines:
        if not address and "from" in line.names:
            continue
        options = line.options(key, address, address, None, "cert-authority" in line.names)
        if options is not None:
            return options
    return None


def _withheld(options: Mapping[str, object]) -> frozenset[str]:
    return frozenset(name for name in _PERMISSIONS if options.get(f"no-{name}", False))


def _within(address: str, networks: Iterable[Any]) -> bool:
    with contextlib.suppress(ValueError):
        parsed = ipaddress.ip_address(address.partition("%")[0])
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in networks)
    return False
