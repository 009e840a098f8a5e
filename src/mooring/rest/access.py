"""Who is at the door: by the Unix socket's peer, or over TCP by a bearer token or the cookie of a sign-in."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import ipaddress
import os
import re
from typing import TYPE_CHECKING, Any, Final

from litestar.enums import ScopeType

from ..model.access import ADMIN, Actor
from ..model.errors import NotAllowed, Unauthenticated
from ..service.audit import Audit
from .signins import LIFETIME, SignIns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    from litestar.types import Scope

    from ..model.secret import Secret
    from ..service.tokens import Tokens

__all__ = ["Access"]

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@/?#\s]+)(?::[0-9]+)?")
_HOW: Final = "send Authorization: Bearer TOKEN; the daemon's log says where its token is"
_HOST_HINT: Final = "name it as localhost or by its address; other names are configured as [daemon] hosts"


class Access:
    """Who may come in, and as whom.

    Whoever comes over the Unix socket is who the kernel says. Over TCP a token is asked for, the ``Host`` must be
    ours, so that a foreign name that was made to lead here (DNS rebinding) does not, and a browser's ``Origin`` too.
    A page of ours may sign in instead: its cookie counts only where the browser says that it was our page that asked.

    Args:
        tokens: Who each token makes of its bearer, for good. Only hashes are kept.
        named: Tokens that come and go.
        hosts: Names and addresses that TCP clients may use for us, beside loopback's.
        no_auth: Over TCP everybody is let in as admin; ``Host`` and ``Origin`` are still looked at.
        uids: Who may come over the Unix socket; the default is our own user and root.
        audit: Records who came, and who was turned away.
    """

    def __init__(
        self,
        tokens: Iterable[tuple[Secret, Actor]] = (),
        *,
        named: Tokens | None = None,
        hosts: Collection[str] = (),
        no_auth: bool = False,
        uids: Collection[int] | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._audit = audit or Audit()
        self._tokens = [(_hashed(token.reveal().encode()), actor) for token, actor in tokens]
        self._named = named
        self._sign_ins = SignIns(named)
        self._hosts = {_bare(host) for host in hosts}
        self._means_us = functools.lru_cache(maxsize=64)(self._names_us)
        self._anybody = Actor(name="anybody", door="tcp", grants=(ADMIN,)) if no_auth else None
        ours = {0, os.geteuid()} if uids is None else uids
        self._users: Mapping[int, Actor] = {
            uid: Actor(name=f"uid {uid}", door="unix", grants=(ADMIN,), uid=uid) for uid in ours
        }

    def check_place(self, scope: Scope) -> None:
        """Check that a request over TCP means us, and comes from no foreign page. What is refused is recorded.

        Raises:
            NotAllowed: It does not, or it does.
        """
        if _peer(scope) is None:
            try:
                self._check_place(scope)
            except NotAllowed as error:
                self._record(scope, error)
                raise

    def _check_place(self, scope: Scope) -> None:
        hosts: tuple[bytes, ...] = ()
        origins: tuple[bytes, ...] = ()
        for name, text in scope["headers"]:
            if name == b"host":
                hosts += (text,)
            elif name == b"origin":
                origins += (text,)
        if len(hosts) != 1 or not self._means_us(hosts[0]):
            raise NotAllowed("the Host header names no host of this daemon", hint=_HOST_HINT)
        for origin in origins:
            if origin.partition(b"://")[2] != hosts[0]:  # RFC 6454, 6.2: it has nothing else
                raise NotAllowed("a page of another origin may not use this daemon")

    def actor(self, scope: Scope) -> Actor:
        """Who makes a request. Whoever shows something and is refused is recorded.

        A browser that shows nothing asks whether it is signed in: no more than that.

        Raises:
            Unauthenticated: Nobody we know.
        """
        try:
            return self._actor(scope)
        except (NotAllowed, Unauthenticated) as error:
            if _shows(scope):
                self._record(scope, error)
            raise

    def welcome(self, scope: Scope) -> None:
        """Record who is new on a TCP connection; at the Unix socket the kernel lets people in.

        Raises:
            StateError: It cannot be recorded, and they are not let in.
        """
        if _peer(scope) is None and "signed_in" not in scope["state"]:
            self._audit.welcome(scope["user"], "login", address=_address(scope))

    def _record(self, scope: Scope, error: NotAllowed | Unauthenticated) -> None:
        """Somebody is refused."""
        door = "tcp" if _peer(scope) is None else "unix"
        self._audit.refuse(None, "login", "", error, by=door, address=_address(scope))

    def _actor(self, scope: Scope) -> Actor:
        peer = _peer(scope)
        if peer is not None:
            if peer not in self._users:
                raise Unauthenticated(f"uid {peer} may not use this socket", hint="use the TCP door with a token")
            return self._users[peer]
        if self._anybody is not None:
            return self._anybody
        given = [text for name, text in scope["headers"] if name == b"authorization"]
        if not given and (signed_in := _cookie(scope)):
            return self._signed_in(scope, signed_in)
        if len(given) != 1:
            raise Unauthenticated("no token was sent", hint=_HOW)
        scheme, _, token = given[0].partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthenticated("no bearer token was sent", hint=_HOW)
        return self._bearer(token.strip())

    def sign_in(self, scope: Scope, token: str) -> tuple[Actor, bytes]:
        """Sign a browser in: as whom, and a ``Set-Cookie`` for it that no script and no other site can use.

        Raises:
            Unauthenticated: The token is not known here.
            StateError: It cannot be recorded.
        """
        try:
            actor = self._bearer(token.strip().encode())
        except Unauthenticated as error:
            self._record(scope, error)
            raise
        self._audit.welcome(actor, "login.page", address=_address(scope))
        admit = scope["state"].get("admit")
        if admit is not None:
            admit()  # nobody's connection becomes theirs
        return actor, _set_cookie(scope, self._sign_ins.begin(actor).reveal(), LIFETIME)

    def sign_out(self, scope: Scope) -> bytes:
        """End the sign-in of a request, and what goes on under it: a ``Set-Cookie`` that takes it away."""
        self.spare(scope)
        self._sign_ins.end(_cookie(scope))
        return _set_cookie(scope, "", 0)

    def _bearer(self, token: bytes) -> Actor:
        digest = _hashed(token)
        found = None if self._named is None else self._named.bearer_of(digest, "tcp")
        for known, actor in self._tokens:  # all of them, so that time tells nothing
            if hmac.compare_digest(known, digest):
                found = actor
        if found is None:
            raise Unauthenticated("the token is not known here, or has ended", hint=_HOW)
        return found

    def _signed_in(self, scope: Scope, shown: bytes) -> Actor:
        """Who has the cookie. A browser sends it for whatever page asks: it must be ours that does."""
        if not _from_our_page(scope):
            raise NotAllowed("a sign-in is for this daemon's own page", hint=_HOW)
        actor = self._sign_ins.actor(shown)
        if actor is None:
            raise Unauthenticated("the sign-in has ended", hint="sign in again")
        scope["state"]["signed_in"] = shown
        return actor

    def spare(self, scope: Scope) -> None:
        """A request is about to end the token or sign-in that it came with: let its answer out."""
        scope["state"]["spared"] = True

    def holding(self, scope: Scope) -> AbstractContextManager[None]:
        """Cut a request's connection when the token or sign-in of whoever makes it ends before the block does."""
        actor, state = scope["user"], scope["state"]
        abort = state.get("abort")
        cut = None if abort is None else lambda: None if "spared" in state else abort()
        if cut is not None and "signed_in" in state:
            return self._sign_ins.holding(state["signed_in"], cut)  # it ends with its token
        if self._named is None or cut is None or not actor.token:
            return contextlib.nullcontext()
        return self._named.holding(actor, cut)

    def _names_us(self, header: bytes) -> bool:
        found = _HOST.fullmatch(header.decode("latin-1"))
        if found is None:
            return False
        host = _bare(found[1])
        if host in self._hosts or host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def _bare(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _hashed(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return "" if client is None else client[0]


def _peer(scope: Scope) -> int | None:
    """The uid at the other end of a Unix socket, as the daemon's server found it; None over TCP."""
    state: dict[str, Any] = scope.get("state") or {}
    peer = state.get("peer")
    return peer if isinstance(peer, int) else None


def _own(scope: Scope, name: bytes) -> bytes:
    """A header that is there once; empty where it is not."""
    found = [text for header, text in scope["headers"] if header == name]
    return found[0] if len(found) == 1 else b""


def _cookie_name(scope: Scope) -> bytes:
    """One name for each port, since browsers send a host's cookies to all of them (RFC 6265bis, 8.5)."""
    port = _own(scope, b"host").rpartition(b":")[2]
    name = b"mooring-" + port if port.isdigit() else b"mooring"
    return b"__Host-" + name if scope["scheme"] in {"https", "wss"} else name


def _shows(scope: Scope) -> bool:
    """Whether somebody shows who they are, rightly or not; at a Unix socket the kernel does."""
    token = any(name == b"authorization" for name, _ in scope["headers"])
    return token or _peer(scope) is not None or any(_cookies(scope))


def _cookie(scope: Scope) -> bytes:
    """What the cookie of a sign-in holds; empty without one, or with more."""
    found = _cookies(scope)
    return found[0] if len(found) == 1 else b""


def _cookies(scope: Scope) -> list[bytes]:
    """What each cookie of that name holds."""
    name = _cookie_name(scope)
    headers = [text for header, text in scope["headers"] if header == b"cookie"]
    pairs = (pair.strip().partition(b"=") for pair in b";".join(headers).split(b";"))
    return [held for key, _, held in pairs if key == name]


def _set_cookie(scope: Scope, shown: str, seconds: float) -> bytes:
    secure = b"; Secure" if scope["scheme"] in {"https", "wss"} else b""
    name = _cookie_name(scope)
    return b"%b=%b; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%b" % (name, shown.encode(), seconds, secure)


def _from_our_page(scope: Scope) -> bool:
    """Whether the browser says that our page asks. A foreign ``Origin`` was refused before (``check_place``).

    Browsers send ``Origin`` with whatever may change something, and with WebSockets (Fetch, 3.2);
    ``Sec-Fetch-Site`` will do for the rest.
    """
    if _own(scope, b"origin"):
        return True
    reading = scope["type"] == ScopeType.HTTP and scope["method"] in {"GET", "HEAD"}
    return reading and _own(scope, b"sec-fetch-site") == b"same-origin"
