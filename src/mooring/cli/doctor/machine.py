"""What the daemon runs on: programs, descriptors, the clock."""

from __future__ import annotations

import ctypes
import platform
import re
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...model.errors import MooringError
from ...store import timekeeping
from .finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.clock import Kept
    from .finding import Finding, Ground

__all__ = ["clock", "descriptors", "programs", "tokens"]

_BESIDES: Final = 256
"""Descriptors for all but sessions: doors, their clients, forwards, the database."""
_FEW: Final = 4096
_USUAL: Final = 65_536
_TIME_ERROR: Final = 5
"""What adjtimex(2) and ntp_adjtime(2) return where nobody keeps the clock right."""
_COMPARE: Final = "compare `date -u` with another machine's"
_BY_IT: Final = "; tokens and certificates end by this clock"
_LATE: Final = 60.0
_DAY: Final = 86_400.0


def programs() -> Iterator[Finding]:
    """Versions, and whether the quick event loop is there."""
    yield ok("python", f"{platform.python_version()}, AsyncSSH {version('asyncssh')}")
    try:
        import_module("uvloop")
    except ImportError as error:
        if sys.platform == "win32":
            yield ok("uvloop", "there is none for Windows, and none is needed")
        else:
            yield fail("uvloop", f"cannot be imported: {error}", "pip install 'mooring[daemon]'")
    else:
        yield ok("uvloop", version("uvloop"))


def descriptors(ground: Ground) -> Finding:
    """Whether a session each can be held: the limit of the daemon where it runs, else that of this shell."""
    if sys.platform == "win32":
        return ok("descriptors", "Windows has no limit")
    import resource  # noqa: PLC0415 - Unix only

    found = _limits(ground.pid)
    whose = f"mooringd, process {ground.pid}," if found else "a program of this shell"
    soft, hard = found or (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2
    if soft == resource.RLIM_INFINITY:
        return ok("descriptors", f"{whose} may have any number")
    needed = ground.many + _BESIDES
    enough = max(_USUAL, 1 << (2 * needed).bit_length())
    hint = f"LimitNOFILE={enough} under [Service] of mooringd.service (`systemctl edit mooringd`), nofile in"
    hint += f" /etc/security/limits.conf, or `--ulimit nofile={enough}` of its container"
    told = f"{whose} may have {soft}" + (f" (hard limit {hard})" if hard != soft else "")
    if soft < needed:
        detail = f"{told}, and {ground.many} sessions and all else may take {needed}"
        return fail("descriptors", detail, hint)
    if soft < _FEW:
        return warn("descriptors", f"{told}, and every session takes one", hint)
    return ok("descriptors", told)


def _limits(pid: int | None) -> tuple[int, int] | None:
    """The soft and the hard limit of a running process (proc(5)); None where it does not run or cannot be looked at."""
    try:
        text = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    found = re.search(r"^Max open files +(\d+|unlimited) +(\d+|unlimited)", text, re.MULTILINE)
    if found is None:
        return None
    soft, hard = (-1 if word == "unlimited" else int(word) for word in found.groups())
    return soft, hard


def clock(ground: Ground) -> Finding:
    """Whether somebody keeps the clock right, whether it has stood later than now, and whether the daemon doubts it."""
    now = time.time()
    future = max(((_changed(file), file) for file in _files(ground.state)), default=None)
    if future is not None and future[0] > now + _LATE:
        told = f"{future[1]} was changed {future[0] - now:.0f} s from now: the clock is behind, or was ahead"
        return fail("clock", told, f"{_COMPARE}{_BY_IT}")
    kept = _kept_time(ground.state)
    if kept is not None and kept.said is not None:
        days = (kept.said - kept.sure) / _DAY
        told = f"mooringd is sure of none of the last {days:.0f} days: the clock was set, or the machine was off"
        return warn("clock", told, f"{_COMPARE}; what is old goes by it after {kept.hours:.0f} more hours of mooringd")
    if _kept() is False:
        return warn("clock", "the system says that nothing keeps its clock right", f"{_set()}{_BY_IT}")
    return ok("clock", "kept right" if _kept() else "whether it is right cannot be known here")


def tokens(ground: Ground) -> Iterator[Finding]:
    """Named tokens that have ended."""
    now = time.time()
    for token in ground.tokens:
        if token["expires"] is not None and token["expires"] <= now:
            name = token["name"]
            yield warn("tokens", f"the token {name} has ended", f"mooring token revoke {name}")


def _set() -> str:
    """How one has it kept right: a container has its host's clock, and nothing that could set it (sd_booted(3))."""
    booted = sys.platform != "linux" or Path("/run/systemd/system").is_dir()
    return "`timedatectl set-ntp true`" if booted else "see that an NTP client runs, on the host if this is a container"


def _kept() -> bool | None:
    """Whether the kernel is told the time by somebody; None where it does not say."""
    if sys.platform == "win32":
        return None
    library = ctypes.CDLL(None)
    ask = getattr(library, "adjtimex", None) or getattr(library, "ntp_adjtime", None)
    if ask is None:
        return None
    state = ask(ctypes.create_string_buffer(512))  # a struct timex of zeros changes nothing
    return None if state < 0 else bool(state != _TIME_ERROR)


def _kept_time(folder: Path) -> Kept | None:
    try:
        return timekeeping.read(folder / timekeeping.FILE)
    except (MooringError, OSError, ValueError):
        return None  # another user's; or damaged, and the next to be written is whole


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return  # the check of the state directory tells why


def _changed(file: Path) -> float:
    try:
        return file.lstat().st_mtime
    except OSError:
        return 0.0
