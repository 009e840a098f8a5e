"""The daemon's command line, and its process from the first line to the exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..client.arguments import Parser
from ..model.errors import CredentialError, InvalidInput, MooringError
from .config import Options, load
from .logs import FORMATS, LEVELS, start

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from .compose import Beside
    from .config import Settings

    Work = Callable[[Options, Settings], Coroutine[object, object, None]]

__all__ = ["main", "run"]

_USAGE: Final = 2
_FAILED: Final = 1
_INTERRUPTED: Final = 130
_CYCLES: Final = 10_000
"""Objects that are made, beyond those that go, before Python looks for cycles among them."""

_EXAMPLES: Final = """\
Holds SSH sessions for whoever is let in: over a Unix socket for this user and root, over TCP with a token.

Examples:
  mooringd                                       the sessions it remembers, and those of the configuration file
  mooringd --channel web1://deploy@10.0.0.5      and this one
  mooringd --port 0 --state-dir /tmp/try         a throwaway one, on any free port

SIGTERM ends it within five seconds. SIGHUP reads the configuration file again and touches only what changed.
"""


def parser() -> Parser:
    """The command line."""
    program = Parser(
        prog="mooringd",
        usage="%(prog)s [OPTION]...",
        description=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = program.add_argument
    add("--config", metavar="FILE", help="the TOML file (MOORING_CONFIG)")
    add("--channel", action="append", default=[], metavar="DSN", help="hold this session too; repeatable")
    add("--host", help="the address of the TCP door (default: 127.0.0.1); off loopback it needs [tls]")
    add("--port", type=_port, help="its port (default: 8877); 0 is any free one")
    add("--socket", metavar="PATH", help="the path of the Unix door (MOORING_SOCKET)")
    add("--call-home", action="append", default=[], metavar="HOST:PORT", help="let devices call home here; repeatable")
    add("--gateway", action="append", default=[], metavar="HOST:PORT", help="let SSH clients in here; repeatable")
    add("--state-dir", metavar="DIR", help="the directory of what it must remember (MOORING_STATE_DIR)")
    add("--log", choices=FORMATS, help="lines of text or of JSON (default: text)")
    add("--rotate-key", action="store_true", help="seal the stored passwords with a new key, and end")
    add("--log-level", choices=LEVELS, help="what is worth a line (default: info)")
    return program


def main(arguments: Sequence[str]) -> int:
    """``mooringd``: read the command line and run until told to stop; returns the exit code."""
    said = parser().take(arguments)
    options = Options(
        config=said.config,
        channels=tuple(said.channel),
        host=said.host,
        port=said.port,
        socket=said.socket,
        state_dir=said.state_dir,
        call_home=tuple(said.call_home),
        gateway=tuple(said.gateway),
        log=said.log,
        log_level=said.log_level,
    )
    return run(options, work=_rotate_key if said.rotate_key else None)


def run(options: Options, program: str = "mooringd", *, beside: Beside | None = None, work: Work | None = None) -> int:
    """Run a daemon until it is told to stop.

    Args:
        options: What its command line said.
        program: Its name, for errors on stderr.
        beside: Entered with the fleet and the doors' URLs once they are open, and left before they are closed.
        work: What to do in place of serving.

    Returns:
        0 after an ordered end, 1 where it could not start or go on, 2 where what it was told cannot be meant, 130 on
        Ctrl-C before it had begun.
    """
    _fill_standard_streams()
    # Until somebody listens to it: its default is our end.
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        settings = load(options)
        start(settings.log, settings.log_level)
        _raise_descriptor_limit()
        import uvloop  # noqa: PLC0415 - a wrong call is answered before half a second of imports

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(options, settings) if work is not None else _serve(options, settings, beside))
    except MooringError as error:
        _complain(program, str(error))
        return _USAGE if isinstance(error, InvalidInput) else _FAILED
    except KeyboardInterrupt:  # before there was anything to end in order
        return _INTERRUPTED
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mooring"):
            raise
        missing = (error.name or "a library").partition(".")[0]
        _complain(program, f"{missing} is not installed (pip install 'mooring[daemon]')")
        return _FAILED
    finally:
        signal.signal(signal.SIGHUP, hangup)  # whatever this process starts afterwards would ignore it, too
    return 0


def _fill_standard_streams() -> None:
    """Have descriptors 0, 1 and 2, which whoever started us may have closed: libuv aborts when another gets one."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as we live


def _complain(program: str, words: str) -> None:
    """Say on stderr why it ends, after what the log has to say."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.write(f"{program}: {words}\n")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


def _raise_descriptor_limit() -> None:
    """Every session is a descriptor, and the usual soft limit is 1,024."""
    import resource  # noqa: PLC0415 - Unix only

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(options: Options, settings: Settings, beside: Beside | None) -> None:
    from .compose import serve  # noqa: PLC0415 - as above

    # Requests and commands leave no cycles, and what is loaded stays: looking for some took a twentieth of the time.
    gc.freeze()
    gc.set_threshold(_CYCLES)
    await serve(options, settings, beside)


async def _rotate_key(options: Options, settings: Settings) -> None:
    from ..store import rotate_key  # noqa: PLC0415 - as above
    from .lock import own  # noqa: PLC0415 - as above

    del options
    with own(settings.state_dir):
        lost = await rotate_key(settings.state_dir)
    if lost:
        raise CredentialError(
            f"the key is new, but what the old one sealed could not be opened for {', '.join(lost)}",
            hint="start these sessions again, with their passwords",
        )
