"""What clients send, as values; see ``reading``."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from ..model.access import Action
from ..model.errors import InvalidInput
from ..model.forward import ForwardKind
from ..model.secret import MASK

__all__ = [
    "MAX_OUTPUT",
    "MAX_TARGET",
    "AgentTokenBody",
    "ApproveBody",
    "Base64",
    "CopyBody",
    "FanOutBody",
    "RunBody",
    "StartBody",
    "TokenBody",
    "TrustHostBody",
]

MAX_TARGET: Final = 16 * 1024
"""Bytes of what becomes a session, as of a target's text: everybody who may read it gets it, and its labels decide."""
MAX_OUTPUT: Final = 64 * 1024 * 1024
"""Bytes that may be asked for of each of a command's streams: they are held here until it ends."""

_OUTPUT: Final = 16 * 1024 * 1024
_FAN_OUT_OUTPUT: Final = 1024 * 1024

Command = Annotated[str, Meta(min_length=1, description="the command line, for the peer's shell")]
Output = Annotated[int, Meta(ge=0, le=MAX_OUTPUT)]
Amount = Annotated[int, Meta(ge=1)] | Annotated[str, Meta(pattern="^[0-9]{1,3}%$")]


class Base64(msgspec.Struct, forbid_unknown_fields=True):
    """Bytes that need be no text."""

    base64: Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]


class RunBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    r"""A command.

    Attributes:
        command: The command line.
        input: Its standard input; without one it is ended at once.
        env: Environment variables, as far as the peer accepts them.
        timeout: Seconds until it is stopped; null leaves it to the command, and to the client that waits for it.
        max_output: Bytes to keep of each stream; the rest is counted in ``dropped``.
        encoding: ``base64`` gives output as it is, where ``utf-8`` shows bytes that are no text as ``\xff``.
        kill: ``wrap`` can end a command on timeout even where the server ignores signals.
    """

    command: Command
    input: str | Base64 | None = None
    env: dict[str, str] | None = None
    timeout: Annotated[float, Meta(gt=0)] | None = None
    max_output: Output = _OUTPUT
    encoding: Literal["utf-8", "base64"] = "utf-8"
    kill: Literal["wrap"] | None = None

    def keywords(self) -> dict[str, Any]:
        """The keywords of ``Session.run``; defaults are left out, which is quicker there.

        Raises:
            InvalidInput: ``input`` is no Base64.
        """
        given: dict[str, Any] = {"max_output": self.max_output}
        if self.timeout is not None:
            given["timeout"] = self.timeout
        if self.input is not None:
            given["input"] = _input(self.input)
        if self.env is not None:
            given["env"] = self.env
        if self.encoding == "base64":
            given["encoding"] = None
        if self.kill is not None:
            given["kill"] = self.kill
        return given

    def __repr__(self) -> str:
        """Without what may be a secret."""
        return f"{type(self).__name__}({MASK})"


class FanOutBody(RunBody, forbid_unknown_fields=True, kw_only=True):
    """A command for many sessions.

    Attributes:
        selector: Which; ``@file`` is for the client to read.
        concurrency: How many at once.
        batch: So many, or such a share of them, as in `10%`, must have ended before any other begins.
        max_failures: After so many errors and statuses other than 0, or such a share, the rest is not tried; null
            tries all.
        progress: Whether lines tell which sessions are meant, and when each begins.
    """

    selector: str
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 100
    batch: Amount | None = None
    max_failures: Amount | None = None
    progress: bool = False
    max_output: Output = _FAN_OUT_OUTPUT


class ForwardBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A forward.

    Attributes:
        alias: The session.
        kind: Which side listens: ours (``local``), the far one (``remote``), or ours for ``socks``.
        listen: Where: ``port``, ``host:port`` (``*:port`` for all addresses) or a socket's path; port 0 is any.
        destination: Where it leads: ``host:port`` or a socket's path, on the other side; none for ``socks``.
        name: Its name in that session; null for one made of where it listens.
    """

    alias: str
    kind: ForwardKind
    listen: str | Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": 65_535})]
    destination: str | None = None
    name: str | None = None


class StartBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A session to be held. Beside ``target`` and ``replace``: the options of a target, which win over its text.

    Attributes:
        target: ``alias://user:pass@host:port?option=value``, ``[user@]host[:port]`` or a Host of ssh_config.
        replace: Stop the session of that alias first, instead of refusing.
    """

    target: str
    replace: bool = False
    alias: str | None = None
    host: str | None = None
    username: str | None = None
    password: str | None = None
    port: int | None = None
    label: list[str] | str | None = None
    jump: list[str] | str | None = None
    identity: list[str] | str | None = None
    password_from: str | None = None
    known_hosts: str | None = None
    host_key: str | None = None
    legacy: bool | None = None
    channels: int | None = None
    handshakes: int | None = None
    rate: str | None = None
    keepalive: float | None = None
    connect_timeout: float | None = None

    def options(self) -> dict[str, Any]:
        """The options that were given."""
        given = msgspec.structs.asdict(self)
        return {name: value for name, value in given.items() if name not in {"target", "replace"} and value is not None}

    def __repr__(self) -> str:
        """Without what may be a secret."""
        return f"StartBody({MASK})"


class ApproveBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Who a device is. Beside ``alias``: the options of its session.

    Attributes:
        alias: The name of its session.
        username: Whom to log in as.
        fingerprint: The key's, as it was read at the device, to be compared.
        password: By which password.
        identity: Or by which private keys: files of the daemon.
    """

    alias: str
    username: str
    fingerprint: str | None = None
    password: str | None = None
    password_from: str | None = None
    identity: list[str] | str | None = None
    label: list[str] | str | None = None
    legacy: bool | None = None
    channels: int | None = None
    keepalive: float | None = None

    def options(self) -> dict[str, Any]:
        """The options that were given."""
        given = msgspec.structs.asdict(self)
        return {name: value for name, value in given.items() if name != "alias" and value is not None}

    def __repr__(self) -> str:
        """Without what may be a secret."""
        return f"ApproveBody({MASK})"


class TokenBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A token to be made.

    Attributes:
        name: Its name: letters, digits, ``.``, ``_`` and ``-``, at most 64.
        actions: What its bearer may do.
        selector: On which sessions; without ``@file``.
        expires_in: Seconds until it ends; null for never.
    """

    name: Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"})]
    actions: Annotated[list[Action], Meta(min_length=1)]
    selector: str
    expires_in: Annotated[float, Meta(gt=0, le=1e10)] | None


class TrustBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which key.

    Attributes:
        fingerprint: The key's, as it was read at the device, to be compared.
    """

    fingerprint: str | None = None


class TrustHostBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which host key.

    Attributes:
        fingerprint: The key's, as it was read at the host, ``SHA256:...``.
    """

    fingerprint: str


class AgentTokenBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which agent is expected.

    Attributes:
        agent_id: What it calls itself.
        alias: The name of its session; null for its id.
        labels: Of its session.
        lifetime: Seconds for which the token is good.
    """

    agent_id: Annotated[str, Meta(min_length=1, max_length=255)]
    alias: str | None = None
    labels: list[str] = []
    lifetime: Annotated[float, Meta(gt=0, le=2_592_000)] = 3600.0


class CopyPlace(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A path, and whose.

    Attributes:
        path: There; one that is no UTF-8 as Base64. Patterns in sources are expanded.
        session: The alias; of the target a selector, and of sources that are copied to a folder here. Null for the
            daemon's own machine, where the path begins at /.
    """

    path: str | Base64
    session: str | None = None

    def text(self) -> str:
        """The path as Python has those that need be no text.

        Raises:
            InvalidInput: It is no Base64, or holds a NUL.
        """
        text = self.path if isinstance(self.path, str) else os.fsdecode(_decoded(self.path, "path"))
        if "\0" in text:
            raise InvalidInput("a path holds a NUL")
        return text


class CopyBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A copy that the daemon makes.

    Attributes:
        sources: What.
        target: Where to: a folder that is there, or the copy's name; several sources, or a / at its end, make a folder.
        recurse: Copy folders with what is in them.
        preserve: Give copies the source's permission bits and times.
        links: Make links, copy what they lead to, or leave them out.
        resume: Keep what is there when it breaks off, and go on with it.
        checksum: Compare SHA-256.
        limit: Bytes a second to each session.
        concurrency: How many sessions at once.
        timeout: Seconds for each session.
    """

    sources: Annotated[list[CopyPlace], Meta(min_length=1, max_length=10_000)]
    target: CopyPlace
    recurse: bool = False
    preserve: bool = False
    links: Literal["keep", "follow", "skip"] = "keep"
    resume: bool = False
    checksum: bool = False
    limit: Annotated[float, Meta(gt=0)] | None = None
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 10
    timeout: Annotated[float, Meta(gt=0)] | None = None

    def keywords(self) -> dict[str, Any]:
        """The keywords of the service's verb."""
        given = msgspec.structs.asdict(self)
        return {name: value for name, value in given.items() if name not in {"sources", "target"}}


def _input(given: str | Base64) -> str | bytes:
    if isinstance(given, str):
        return given
    return _decoded(given, "input")


def _decoded(given: Base64, name: str) -> bytes:
    try:
        return base64.b64decode(given.base64, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{name}.base64 is no Base64") from None
