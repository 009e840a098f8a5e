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
from .device import SimulatedDevices
from .hosts import SimulatedHosts
from .profile import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAX_PORT = 65_535
_LONGEST = 86_400.0
_EXAMPLES = """\
Examples:
  mooring simulate hosts                           one host, open to everybody
  mooring simulate hosts --count 3 --port 2201     three hosts, on ports 2201 to 2203
  mooring simulate hosts --count 1000 --one-port   a thousand hosts on one port, told apart by user name
  mooring simulate hosts --user admin --password secret --latency 0.2

  mooring simulate junos --count 3 --call-home 127.0.0.1:4334 --secret s3cret
  mooring simulate junos --call-home 127.0.0.1:4334 --profile junos --profile my-replies/

Simulated hosts answer: true, false, hostname, uptime, echo TEXT, stderr TEXT, cat, sleep SECONDS, exit STATUS,
bytes COUNT, show version. When they listen, one line of JSON on stdout says where, and which host key they show.
Junos devices dial instead, again and again, and answer show commands and NETCONF; the line says who they are.
They end at SIGTERM, at SIGINT, and, if stdin is a pipe, when it is closed.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    program = argparse.ArgumentParser(
        prog="mooring simulate", description=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = program.add_subparsers(dest="what", required=True, metavar="hosts|junos")
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
    add("--latency", type=_seconds, default=0.0, metavar="SECONDS", help="wait before each answer (default: 0)")
    add("--max-sessions", type=_positive, metavar="N", help="channels open at once on a connection (default: any)")
    _add_junos(commands.add_parser("junos", help="devices that call home", usage="%(prog)s [OPTION]..."))
    return program


def _add_junos(junos: argparse.ArgumentParser) -> None:
    add = junos.add_argument
    add("--count", type=_positive, default=1, metavar="N", help="how many (default: 1)")
    add("--call-home", type=_place, required=True, metavar="HOST:PORT", help="whom they dial")
    add("--name", default="device", help="their ids are this and a number (default: %(default)s)")
    add("--secret", help="the secret of outbound-ssh, by which they prove their ids")
    add("--no-preamble", action="store_true", help="say nothing before SSH, as devices that follow RFC 8071")
    add("--user", default="admin", help="who may log in (default: %(default)s)")
    add("--password", default="juniper123", help="by which password (default: %(default)s)")
    add(
        "--profile",
        action="append",
        metavar="NAME",
        help="what they answer: junos (default), netconf, or a folder of reply files, RPC-TAG.xml or show-WHAT.txt;"
        " given again, its files are added",
    )
    add("--reconnect", type=_seconds, default=15.0, metavar="SECONDS", help="until they call again (default: 15)")


async def serve(hosts: SimulatedHosts | SimulatedDevices) -> None:
    """Run the hosts until a signal, or the end of a piped stdin, and say on stdout when they listen."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with hosts:
        with await _watch_stdin(ended.set):
            print(json.dumps({"pid": os.getpid(), **_told(hosts)}), flush=True)
            await ended.wait()


def _told(hosts: SimulatedHosts | SimulatedDevices) -> dict[str, object]:
    """What others need to know of them."""
    if isinstance(hosts, SimulatedDevices):
        devices = [
            {"device_id": each.device_id, "serial": each.serial, "host_key": each.public_key} for each in hosts.devices
        ]
        return {"devices": devices}
    return {
        "host_key": hosts.public_key,
        "known_hosts": hosts.known_hosts.splitlines(),
        "hosts": [{"name": host.name, "host": host.address, "port": host.port, "user": host.user} for host in hosts],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    options = parser().parse_args(arguments)
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    _raise_descriptor_limit()
    try:
        hosts = _devices(options) if options.what == "junos" else _hosts(options)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(hosts))
    except (MooringError, OSError, UnicodeError) as error:
        print(f"mooring.simulate: {error}", file=sys.stderr)
        return 1
    return 0


def _hosts(options: argparse.Namespace) -> SimulatedHosts:
    keys = options.authorized_keys.read_text() if options.authorized_keys else ""
    return SimulatedHosts(
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


def _devices(options: argparse.Namespace) -> SimulatedDevices:
    host, port = options.call_home
    return SimulatedDevices(
        host,
        port,
        count=options.count,
        name=options.name,
        preamble=not options.no_preamble,
        secret=options.secret,
        user=options.user,
        password=options.password,
        profile=Profile(*options.profile or ()),
        reconnect=options.reconnect,
    )


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


def _place(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise argparse.ArgumentTypeError(f"{text} is not HOST:PORT")
    return host.strip("[]"), _port(port)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(text)) <= _LONGEST:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")


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
