"""``mooring agent``: its command line, and its process from the first line to the exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import fcntl
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..client.arguments import Parser
from ..model.errors import CredentialError, InvalidInput, InvalidTarget, StateError
from ..model.target import Target
from ..transport.keyfiles import read_private_file
from .agent import Agent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_log: Final = logging.getLogger(__name__)
_PORT: Final = 4334
_VARIABLE: Final = "MOORING_AGENT_TOKEN"
_MOST: Final = 4096
_ARENAS: Final = -8
"""What mallopt(3) calls M_ARENA_MAX."""
_EXAMPLES: Final = """\
It dials HOST:PORT again and again, and whoever holds a trusted key of there may use this host as the user that runs it:
commands, shells, files, and with --allow-forwarding connections. The first time it needs the token that `mooring
agent-token ID` prints on the server: from a file, or less well kept in the variable MOORING_AGENT_TOKEN. From then on
both sides know each other by their keys.

Examples:
  mooring agent --to gateway.example.net:4334 --id web1 --token-file token
  ssh admin@gateway mooring agent-token web1 | mooring agent --to gateway.example.net --id web1 --token-file -
  mooring agent --to gateway.example.net --id web1 --trusted-keys /etc/mooring/servers.pub
"""


def main(words: Sequence[str]) -> int:
    """Be an agent until SIGTERM, and return 0.

    Raises:
        MooringError: It cannot begin.
        KeyboardInterrupt: Ctrl-C ended it.
    """
    options = _parser().take(words)
    _log_to_stderr(options.log_level)
    _share_memory()
    place = _place(options.to)
    token = _token(options.token_file)
    folder = options.state_dir or _state_dir()
    key, trusted = options.host_key or folder / "host_key", options.trusted_keys or folder / "trusted_keys"
    if folder in (key.parent, trusted.parent):
        _make(folder)
    agent = Agent(
        place[0],
        place[1],
        options.id,
        host_key=key,
        trusted_keys=trusted,
        token=token,
        forwarding=options.allow_forwarding,
    )
    agent.prepare()
    _heed_what_is_ignored()
    with _alone(key):
        return asyncio.run(_run(agent))


def _share_memory() -> None:
    """Have all threads take memory from one place: each client of SFTP has a thread, and glibc a heap for each."""
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENAS, 1)


async def _run(agent: Agent) -> int:
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(agent.run())
    told: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        told.append(number)
        running.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not _nothing:
            loop.add_signal_handler(number, end, number)
    try:
        await running
    except asyncio.CancelledError:
        if not told:
            raise
        _log.info("ended: %s", told[0].name)
    return 0


def _heed_what_is_ignored() -> None:
    """Do nothing at a signal that whoever started us has us ignore, as nohup and ``&`` do.

    To be ignored would be inherited, and programs would neither end by Ctrl-C nor with their channel.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _nothing)


def _nothing(_number: int, _frame: object) -> None:
    """A handler, which no program inherits."""


def _parser() -> Parser:
    parser = Parser(
        prog="mooring agent",
        description="Let this host be managed from a server that it dials.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--to", required=True, metavar="HOST[:PORT]", help=f"whom to dial (default port: {_PORT})")
    add("--id", required=True, help="by which the server knows this host")
    add("--token-file", metavar="FILE", help="the token, for the first time; - is standard input")
    add("--host-key", type=_path, metavar="FILE", help="this agent's own key, made where there is none")
    add("--trusted-keys", type=_path, metavar="FILE", help="whom to let in, as authorized_keys of sshd")
    add("--state-dir", type=_path, metavar="DIR", help="where those two are (default: a folder of the user's own)")
    add("--allow-forwarding", action="store_true", help="carry connections from here and to here")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: %(default)s")
    return parser


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _place(text: str) -> tuple[str, int]:
    try:
        target = Target.parse(text)
    except InvalidTarget as error:
        raise InvalidInput(
            f"--to: {error.message}", hint="write HOST or HOST:PORT, an IPv6 address in brackets"
        ) from None
    if target.username is not None or "://" in text:
        raise InvalidInput("--to names a host and a port, and no user", hint="the server logs in here, not we there")
    return target.host, target.port or _PORT


def _token(file: str | None) -> str | None:
    """The token, where there is one.

    The variable is taken away from what this process runs; in ``/proc/PID/environ`` it stays, for this user and root.

    Raises:
        CredentialError: The file cannot be read, or others may read it.
    """
    variable = os.environ.pop(_VARIABLE, None)
    if file is None:
        return variable or None
    data = sys.stdin.buffer.readline(_MOST) if file == "-" else read_private_file(_path(file), f"the token {file}")[0]
    if not data.strip():
        raise CredentialError("no token was given", hint="mooring agent-token prints one, on the server")
    return data.decode("ascii", "replace")


def _state_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/mooring-agent")
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "mooring-agent"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{folder} cannot be made: {error.strerror}", hint="--state-dir names another") from error


@contextlib.contextmanager
def _alone(key: Path) -> Iterator[None]:
    """See that no other agent has this key: the server would take each of them for the other, called anew."""
    with key.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(f"another agent runs with {key}", hint="--state-dir gives this one its own") from None
        yield


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler])
