"""``python -m mooring.simulate``: simulated hosts as a program."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.errors import MooringError
from .hosts import SimulatedHosts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAX_PORT = 65_535
_EXAMPLES = """\
Examples:
  mooring simulate hosts                           one host, open to everybody
  mooring simulate hosts --count 3 --port 2201     three hosts, on ports 2201 to 2203
  mooring simulate hosts --count 1000 --one-port   a thousand hosts on one port, told apart by user name
  mooring simulate hosts --user admin --password secret --latency 0.2

Simulated hosts answer: true, false, hostname, uptime, echo TEXT, stderr TEXT, cat, sleep SECONDS, exit STATUS,
bytes COUNT, show version. When they listen, one line of JSON on stdout says where, and which host key they show.
They end at SIGTERM, at SIGINT, and, if stdin is a pipe, when it is closed.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    program = argparse.ArgumentParser(
        prog="mooring simulate", description=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = program.add_subparsers(dest="what", required=True, metavar="hosts")
    hosts = commands.add_parser(
        "hosts",
        help="hosts that answer commands",
        usage="%(prog)s [OPTION]...",
        description=_EXAMPLES,
        formatter_class=program.formatter_class,
    )
    add = hosts.add_argument
    add("--count", type=_positive, default=1, metavar="N", help="how many (default: 1)")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="the address to listen on (default: %(default)s)")
    add("--port", type=_port, default=0, help="the first host's port; the others follow (default: any free ones)")
    add("--one-port", action="store_true", help="one listener for all; the user name says which host is meant")
    add("--user", help="let in this user only (default: anybody)")
    add("--password", help="ask for this password")
    add("--authorized-keys", type=Path, metavar="FILE", help="let in by these public keys")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="wait before each answer (default: 0)")
    add("--max-sessions", type=_positive, metavar="N", help="channels open at once on a connection (default: any)")
    return program


async def serve(hosts: SimulatedHosts) -> None:
    """Run the hosts until a signal, or the end of a piped stdin, and say on stdout when they listen."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with hosts:
        with await _watch_stdin(ended.set):
            ready = {
                "pid": os.getpid(),
                "host_key": hosts.public_key,
                "known_hosts": hosts.known_hosts.splitlines(),
                "hosts": [
                    {"name": host.name, "host": host.address, "port": host.port, "user": host.user} for host in hosts
                ],
            }
            print(json.dumps(ready), flush=True)
            await ended.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    options = parser().parse_args(arguments)
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    _raise_descriptor_limit()
    try:
        keys = options.authorized_keys.read_text() if options.authorized_keys else ""
        hosts = SimulatedHosts(
            count=options.count,
            address=options.host,
            port=options.port,
            one_port=options.one_port,
            user=options.user,
            password=options.password,
            authorized_keys=keys,
            latency=options.latency,
            max_sessions=options.max_sessions,
        )
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(hosts))
    except (MooringError, OSError, UnicodeError) as error:
        print(f"mooring.simulate: {error}", file=sys.stderr)
        return 1
    return 0


class _StdinEnd(asyncio.Protocol):
    """Calls when stdin ends."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended()


async def _watch_stdin(ended: Callable[[], None]) -> contextlib.AbstractContextManager[object]:
    """Notice that whoever started us is gone. A terminal and /dev/null tell nothing of that."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # there is no stdin
        return contextlib.nullcontext()
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return contextlib.nullcontext()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: _StdinEnd(ended), sys.stdin)
    return contextlib.closing(transport)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to {_MAX_PORT}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _raise_descriptor_limit() -> None:
    """A thousand hosts need more descriptors than the usual soft limit of 1,024."""
    try:
        import resource  # noqa: PLC0415 - Unix only
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        soft = hard
    elif soft != resource.RLIM_INFINITY:
        soft = max(soft, 10_240)  # the most that macOS takes
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster loop where there is one: in a benchmark the peer should not be the cost."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
