"""``sshpoolctl``: sshpool's interactive shell, over ``/channels`` of ``sshpoold`` or ``mooringd``."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import ipaddress
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..client import listener, paths
from ..model.errors import DaemonMismatch, DaemonUnreachable, MooringError, Unauthenticated
from ..model.login import Login
from .console import Channel, Commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Ctl", "Rest", "is_loopback", "main", "port_number", "sshpoold_dir", "token_places"]

_CONNECT_TIMEOUT: Final = 10.0
"""Seconds to reach the daemon, which is on this machine; a command may then take as long as it wants."""


class Rest:
    """``/channels`` over HTTP.

    Args:
        host: The daemon's address.
        port: Its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._tokens = [None, *_tokens(port)] if is_loopback(host) else [None]

    def status(self, alias: str) -> list[Channel]:
        """The channel of this alias, or all of them for an empty one."""
        found = self._json("GET", alias)
        try:
            return [_channel(name, meta) for name, meta in ({alias: found} if alias else found).items()]
        except (AttributeError, KeyError, TypeError):
            raise self._mismatch() from None

    def start(self, dsn: str) -> str:
        """Start a channel."""
        return self._ask("POST", "", dsn)

    def run(self, alias: str, command: str) -> str:
        """Run a command, its blanks collapsed, as sshpool sends it."""
        done = self._json("POST", alias, " ".join(command.split()))
        try:
            if "exception" in done:
                raise MooringError(str(done["exception"]))
            return str(done["stdout"] if done["exit_code"] == 0 else done["stderr"])
        except (KeyError, TypeError):
            raise self._mismatch() from None

    def stop(self, alias: str) -> str:
        """Stop a channel."""
        return self._ask("DELETE", alias)

    def _json(self, method: str, alias: str, body: str | None = None) -> Any:  # noqa: ANN401 - as JSON has it
        try:
            return json.loads(self._ask(method, alias, body))
        except ValueError:
            raise self._mismatch() from None

    def _mismatch(self) -> DaemonMismatch:
        return DaemonMismatch(f"what answers at http://{self._host}:{self._port}/ is no sshpoold")

    def _ask(self, method: str, alias: str, body: str | None = None) -> str:
        path = f"/channels/{quote(alias, safe='')}" if alias else "/channels"
        while True:
            status, text = self._send(method, path, body, self._tokens[0])
            if status != http.HTTPStatus.UNAUTHORIZED or len(self._tokens) == 1:
                break
            self._tokens.pop(0)
        if status == http.HTTPStatus.UNAUTHORIZED:
            raise Unauthenticated("401", hint=f"no token opened it; looked for {', '.join(token_places(self._port))}")
        if status != http.HTTPStatus.OK:
            raise MooringError(str(status))
        return text

    def _send(self, method: str, path: str, body: str | None, token: str | None) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_CONNECT_TIMEOUT)
        try:
            with contextlib.closing(connection):
                connection.connect()
                connection.sock.settimeout(None)
                connection.request(method, path, None if body is None else body.encode(), headers)
                answer = connection.getresponse()
                return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DaemonUnreachable(
                f"http://{self._host}:{self._port}/: {reason}", hint="start it: sshpoold"
            ) from error


class Ctl(Commands):
    """The shell.

    Args:
        host: The daemon's address.
        port: Its port.
    """

    intro = "==> Press Ctrl-C to exit <=="
    prompt = "sshpool> "

    def __init__(self, host: str, port: int) -> None:
        super().__init__(Rest(host, port), "sshpoolctl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sshpoolctl`` until it is left, and return 0."""
    program = argparse.ArgumentParser(prog="sshpoolctl", add_help=False)
    options = program.add_argument_group("optional arguments")
    options.add_argument("-h", "--help", action="help", help="show this help message and exit")
    options.add_argument("--host", default=paths.HOST, help="SSHPool interface (default: 127.0.0.1)")
    options.add_argument("--port", default=paths.PORT, type=port_number, help="SSHPool listening port (default: 8877)")
    said = program.parse_args(arguments)
    ctl = Ctl(said.host, said.port)
    try:
        ctl.cmdloop()
    except KeyboardInterrupt:
        ctl.out("done!")
    return 0


def port_number(text: str) -> int:
    """A port as a command line has it."""
    if not text.isascii() or not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: a token goes nowhere else in clear."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sshpoold_dir(port: int) -> str:
    """The state directory of the ``sshpoold`` on this port: its lock, its socket and its token."""
    return str(Path(paths.state_dir(), "sshpoold", str(port)))


def token_places(port: int) -> list[str]:
    """The files where the token of a daemon on this port may be: that of ``sshpoold``, then that of ``mooringd``."""
    return [paths.token_file(sshpoold_dir(port)), paths.token_file()]


def _tokens(port: int) -> Iterator[str]:
    if said := os.environ.get("MOORING_TOKEN"):
        yield said
        return
    for place in token_places(port):
        with contextlib.suppress(OSError):
            if listener.is_of(port, Path(place).stat().st_uid):
                yield Path(place).read_text(encoding="ascii", errors="replace").strip()


def _channel(alias: str, meta: dict[str, Any]) -> Channel:
    login = Login(meta["user"], meta["pass"], meta["host"], meta["port"])
    return Channel(alias, login, meta["is_alive"], meta["start_time"])


if __name__ == "__main__":
    sys.exit(main())
