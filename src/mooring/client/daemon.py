"""The daemon as its clients see it: requests, streams and channels."""

from __future__ import annotations

import json
import time

from .. import __version__
from ..model.errors import DaemonError, DaemonMismatch, InvalidInput, MooringError
from .address import Address, find
from .connection import Connection, connect
from .http import Response, answer, exchange, lines, send
from .upgrade import Upgrade

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, Final

    from ..wire.frames import Opening
    from .channel import Channel

__all__ = ["API", "Daemon"]

API: Final = 1
"""The version of the API that is spoken here."""

_CONNECT: Final = 10.0
_ANSWER: Final = 30.0
_SILENCE: Final = 20.0
"""Seconds without a byte after which we look whether the daemon is still there, where an answer may take for ever."""
_UPGRADE_REQUIRED: Final = 426
_EVER: Final = float("inf")  # math costs every start a shared library
_HEARTBEAT: Final = 60.0
"""Seconds without a byte after which a stream of events is dead: the daemon says something every 15."""


class Daemon:
    """A daemon, wherever it is. Making one touches nothing; each call connects, and disconnects when it is done.

    All calls block. They raise what the daemon reports as the error that it is, and besides

    - ``DaemonUnreachable``: none answers there, or it went away meanwhile;
    - ``DaemonMismatch``: what answers there is no daemon, or one whose answer is not understood;
    - ``Unauthenticated``: the socket is another user's.

    Args:
        where: ``http://HOST:PORT``, ``https://HOST:PORT`` or a Unix socket's path. The default is what
            ``MOORING_URL`` or ``MOORING_SOCKET`` say, then the usual places on this machine.
        token: For a TCP door. The default is ``MOORING_TOKEN``, then the token file on this machine.
    """

    def __init__(self, where: str | None = None, token: str | None = None) -> None:
        self._places = find(where, token)

    def __repr__(self) -> str:
        """Where it is looked for."""
        return f"<Daemon at {self._places[0]}>"

    def request(self, method: str, path: str, body: object = None, *, timeout: float | None = _ANSWER) -> Any:  # noqa: ANN401 - JSON
        """Ask for something.

        Args:
            method: The HTTP method.
            path: The path and query, percent-encoded.
            body: Any JSON value; None for no content.
            timeout: Seconds for the answer; None waits for as long as the daemon lives.

        Returns:
            The answer's JSON value; None where it has none.
        """
        with self._connect(timeout) as connection:
            response = self._answered(exchange(connection, method, path, _encoded(body)))
            content = response.content()
        try:
            return json.loads(content) if content else None
        except ValueError:
            raise self._mismatch(f"an answer that is no JSON, with status {response.status}") from None

    def content(
        self, method: str, path: str, body: bytes | None = None, media_type: str = "application/json"
    ) -> Generator[bytes]:
        """Ask for something that is no JSON and yield it as it comes. Closing it ends what was asked for."""
        with self._connect(_ANSWER) as connection:
            connection.allow(_SILENCE, self._look)
            yield from self._answered(exchange(connection, method, path, body, {"content-type": media_type})).parts()

    def lines(self, method: str, path: str, body: object = None) -> Generator[Any]:
        """Ask for a stream of JSON lines and yield their values as they come. Closing it ends what was asked for."""
        with self._connect(_ANSWER) as connection:
            response = self._answered(exchange(connection, method, path, _encoded(body)))
            connection.allow(_SILENCE, self._look)
            for line in lines(response.parts()):
                if line:
                    yield self._value(line)

    def events(self, path: str, *, timeout: float | None = None) -> Generator[tuple[str, Any]]:
        """Ask for server-sent events and yield each one's name and value as it comes, until closed.

        Args:
            path: The path and query, percent-encoded.
            timeout: Seconds after which it waits for no further one and raises ``DaemonUnreachable``; None for as
                long as the daemon lives.
        """
        end = _EVER if timeout is None else time.monotonic() + timeout
        with self._connect(timeout) as connection:
            fields = {"accept": "text/event-stream"}
            response = self._answered(exchange(connection, "GET", path, None, fields))
            name, data = "message", list[bytes]()
            connection.allow(min(_HEARTBEAT, end - time.monotonic()))
            for line in lines(response.parts()):
                connection.allow(min(_HEARTBEAT, end - time.monotonic()))
                field, _, value = line.partition(b":")
                value = value.removeprefix(b" ")
                if field == b"event":
                    name = value.decode("utf-8", "replace")
                elif field == b"data":
                    data.append(value)
                elif not line and data:
                    yield name, self._value(b"\n".join(data))
                if not line:
                    name, data = "message", []

    def channel(self, alias: str, opening: Opening) -> Channel:
        """Open a remote process on a session.

        Args:
            alias: The session.
            opening: What to open.

        Returns:
            The channel; whether the far side starts is told on it.
        """
        with self.upgrade(alias) as upgrade:
            return upgrade.open(opening)

    def upgrade(self, alias: str) -> Upgrade:
        """Ask for a channel and return at once: what is done until it is opened, the daemon's work goes on beside.

        Args:
            alias: The session.
        """
        _check_alias(alias)
        return Upgrade(self._connect(_ANSWER), f"/v1/sessions/{alias}/channel", self._refused)

    def check_ssh(self, alias: str) -> None:
        """Ask whether there is a session for ``ssh``: nothing is begun on it.

        Args:
            alias: The session.
        """
        _check_alias(alias)
        with self._connect(_ANSWER) as connection:
            response = exchange(connection, "GET", f"/v1/sessions/{alias}/ssh")
            if response.status != _UPGRADE_REQUIRED:
                raise self._refused(response)

    def ssh(self, alias: str) -> Connection:
        """A connection on which the gateway speaks SSH, for one session; no login is asked for.

        Args:
            alias: The session.
        """
        _check_alias(alias)
        connection = self._connect(_ANSWER)
        try:
            send(connection, "GET", f"/v1/sessions/{alias}/ssh", None, {"connection": "upgrade", "upgrade": "ssh"})
            response = answer(connection)
            if response.status != 101:
                raise self._refused(response)
        except BaseException:
            connection.close()
            raise
        return connection

    def _refused(self, response: Response) -> MooringError:
        """Why a connection was not turned into what was asked for."""
        if response.status >= 400 and response.status != _UPGRADE_REQUIRED:
            return self._failure(response)
        return self._mismatch(f"status {response.status} and no other protocol")

    def _connect(self, timeout: float | None) -> Connection:
        connection = connect(self._places, _CONNECT)
        if timeout is None:
            connection.allow(_SILENCE, self._look)
        else:
            connection.allow(timeout)
        # From now on this is the place: what follows must not go to another daemon.
        self._places = [connection.address]
        return connection

    def _look(self) -> None:
        """Look whether the daemon answers at all."""
        with self._connect(_ANSWER) as connection:
            exchange(connection, "GET", "/healthz")

    @property
    def tls(self) -> bool:
        """Whether TLS is spoken with it."""
        return self._address.tls

    @property
    def _address(self) -> Address:
        return self._places[0]

    def _answered(self, response: Response) -> Response:
        """The response, unless it tells of an error."""
        if response.status >= 400:
            raise self._failure(response)
        return response

    def _failure(self, response: Response) -> MooringError:
        from ..model.problem import from_problem  # noqa: PLC0415 - on errors only

        try:
            problem = json.loads(response.content())
            error = from_problem(problem) if "code" in problem else None
        except (ValueError, TypeError, AttributeError):
            error = None
        if error is None:
            return self._mismatch(f"status {response.status} without a reason")
        if type(error) is MooringError:
            # A code that we do not know may well mean a resource that it does not know.
            self._check_version()
        return error

    def _value(self, line: bytes) -> Any:  # noqa: ANN401 - JSON
        from ..model.problem import from_problem  # noqa: PLC0415 - after the first bytes have come

        try:
            value = json.loads(line)
        except ValueError:
            raise self._mismatch("a line that is no JSON") from None
        if isinstance(value, dict) and "code" in value and "detail" in value:
            raise from_problem(value)
        return value

    def _mismatch(self, what: str) -> DaemonError:
        """Why an answer is not understood, as far as its version tells."""
        try:
            version = self._check_version()
        except DaemonError as error:
            return error
        return DaemonMismatch(
            f"the daemon at {self._address}, version {version}, gave {what}; this is mooring {__version__}",
            hint="use the same version on both sides",
        )

    def _check_version(self) -> str:
        """Its version.

        Raises:
            DaemonMismatch: It speaks another API, or is no daemon at all.
        """
        with self._connect(_ANSWER) as connection:
            response = exchange(connection, "GET", "/v1/version")
            content = response.content()
        try:
            value = json.loads(content)
            version, api = str(value["version"]), int(value["api"])
        except (ValueError, TypeError, KeyError):
            message = f"what answers at {self._address} is no mooringd"
            raise DaemonMismatch(message, hint=self._address.hint) from None
        if api != API:
            raise DaemonMismatch(
                f"the daemon at {self._address} is version {version} and speaks API {api}; "
                f"this is mooring {__version__}, which speaks API {API}",
                hint="use the same version on both sides, and restart the daemon after an upgrade",
            )
        return version


def _check_alias(alias: str) -> None:
    if not alias.isascii() or not alias.replace(".", "").replace("-", "").replace("_", "").isalnum():
        raise InvalidInput(f"{alias!r} is no alias")


def _encoded(body: object) -> bytes | None:
    return None if body is None else json.dumps(body, separators=(",", ":")).encode("ascii")
