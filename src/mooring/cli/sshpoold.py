"""``sshpoold``: sshpool's daemon, which is ``mooringd`` under sshpool's flags, log lines and habits.

As sshpool it keeps nothing: its sessions are gone when it ends. Its directory, one for each port, holds its token,
its lock and its Unix socket.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.arguments import Parser

__all__ = ["main"]


def main() -> int:
    """Run the daemon until it is told to stop, say ``done!``, and return its exit code."""
    from ..client.hidden import command_line  # noqa: PLC0415 - a password goes off the command line before all else

    words = command_line()
    try:
        return _run(words)
    except KeyboardInterrupt:  # before there was anything to end
        return 130


def _run(words: Sequence[str]) -> int:
    from .sshpoolctl import is_loopback, sshpoold_dir  # noqa: PLC0415 - likewise

    program = _parser()
    said = program.take(words)
    if not is_loopback(said.host):
        program.error("--host must be an address of this machine alone: beyond it, mooringd serves TLS")
    if any("://" not in text for text in said.channel):
        program.error("--channel takes alias://user:pass@host:port")
    from ..client import paths  # noqa: PLC0415 - likewise
    from ..daemon import Options, run  # noqa: PLC0415
    from .sshpoold_log import channels_in, start, telling  # noqa: PLC0415

    start()
    directory = sshpoold_dir(said.port)
    options = Options(
        config=os.devnull,  # mooringd's own file is not for us
        channels=(*channels_in(said.config), *said.channel),
        host=said.host,
        port=said.port,
        socket=paths.socket_path(directory),
        state_dir=directory,
        authenticate=not said.no_auth,
        remember=False,
    )
    code = run(options, "sshpoold", beside=telling)
    if code == 0:
        sys.stdout.write("done!\n")
    return code


def _parser() -> Parser:
    from ..client.arguments import Parser  # noqa: PLC0415 - as above
    from .sshpoolctl import port_number  # noqa: PLC0415 - as above

    program = Parser(prog="sshpoold", add_help=False, allow_abbrev=False)
    add = program.add_argument_group("optional arguments").add_argument
    add("-h", "--help", action="help", help="show this help message and exit")
    add("--channel", action="append", default=[], help="alias://user:pass@host:port")
    add("--config", help="file of channels, one per line")
    add("--host", default="127.0.0.1", help="SSHPool interface (default: 127.0.0.1)")
    add("--port", default=8877, type=port_number, help="SSHPool listening port (default: 8877)")
    add("--no-auth", action="store_true", help="ask nobody on this machine for a token")
    return program


if __name__ == "__main__":
    sys.exit(main())
