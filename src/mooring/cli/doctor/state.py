"""The daemon's own files: who may use them, whether there is room, when its certificate ends."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.x509 import load_pem_x509_certificate

from .finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...daemon.config import Tls
    from .finding import Finding, Ground

__all__ = ["disk", "permissions", "tls", "trail"]

_ROOM: Final = 1 << 30
_LITTLE: Final = 64 << 20
_SOON: Final = 14
"""Days."""
_MOST: Final = 10_000
_OURS: Final = re.compile(
    r"(sshpoold/\d+/)?"
    r"((token|key|agent_key|gateway_host_key|mooring|audit|clock)(\.[^/]*)?|lock|recordings(/.*)?|shell_history)"
)
"""What the daemon writes there, with what it has in hand while it does."""


def permissions(ground: Ground) -> Iterator[Finding]:
    """The state directory, the daemon's files in it, and the socket where that is elsewhere: nobody else may use them.

    Other files are their owner's business.
    """
    folder = ground.state
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
        files = sorted(file for file in _below(folder) if _OURS.fullmatch(str(file.relative_to(folder))))
    except FileNotFoundError:
        yield ok("state", f"{folder} is made when mooringd first starts")
        return
    except OSError as error:
        hint = "look as its owner, or name the right one in MOORING_STATE_DIR"
        yield warn("state", f"{folder} cannot be looked at: {error.strerror}", hint)
        return
    bad = []
    if mode & 0o077:
        hint = f"chmod 700 {shlex.quote(str(folder))}"
        bad.append((fail if mode & 0o022 else warn)("state", f"{folder} has mode {mode:04o}", hint))
    socket = Path(ground.socket)
    for file in files if socket.is_relative_to(folder) else [*files, socket]:
        with contextlib.suppress(OSError):  # SQLite's own files come and go, and a socket with its daemon
            mode = stat.S_IMODE(file.lstat().st_mode)
            if mode & 0o077 and not file.is_symlink():
                hint = f"chmod go= {shlex.quote(str(file))}"
                bad.append(fail("state", f"{file} has mode {mode:04o}", hint))
    yield from bad or [ok("state", f"{folder} is for its owner alone")]


def _below(folder: Path) -> Iterator[Path]:
    """What is in a folder, and in its folders."""
    count = 0
    for path, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            count += 1
            if count > _MOST:
                return
            yield Path(path, name)


def _raise(error: OSError) -> None:
    raise error


def disk(ground: Ground, room: int = _ROOM, little: int = _LITTLE) -> Finding:
    """Whether there is room to remember things.

    Args:
        ground: Where the state is.
        room: Bytes that are enough.
        little: Bytes with which it must not go on.
    """
    folder = ground.state
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    told = f"{free >> 20} MiB are free for {ground.state}"
    recordings = None if ground.settings is None else ground.settings.recordings
    if recordings is not None and recordings.enabled and free >> 20 < recordings.free_mib:
        wanted = f"{told}, and free_mib of [recordings] is {recordings.free_mib}: nothing is recorded"
        return fail("disk", wanted, "make room, or let recordings go: `mooring rec list`")
    if free >= room:
        return ok("disk", told)
    hint = f"`df -h {shlex.quote(str(folder))}`; nothing is started or recorded once it is full"
    return (fail if free < little else warn)("disk", told, hint)


def trail(ground: Ground) -> Iterator[Finding]:
    """The audit trail of a daemon that answers: whether it can be written, and holds all that it should."""
    if not ground.trail:
        return
    lost = ground.trail.get('let_go_total{for="size"}', 0.0)
    if ground.trail.get("stuck"):
        hint = (
            f"`df -h {shlex.quote(str(ground.state))}`, and the daemon's log: nothing is done that cannot be recorded"
        )
        yield fail("audit", "the audit trail cannot be written, or its journal is full", hint)
    elif lost:
        told = f"{lost:.0f} records younger than keep_days were let go since mooringd was started: they were too many"
        hint = "`mooring audit` says whose they are; raise keep_mib in [audit], keep them elsewhere, or revoke a token"
        yield warn("audit", told, hint)
    else:
        yield ok("audit", "it can be written, and nothing went from it before its time")


def tls(ground: Ground) -> Iterator[Finding]:
    """The certificate of the TCP door and its key, where it has them."""
    if ground.settings is None or ground.settings.tls is None:
        return
    file = ground.settings.tls.cert
    try:
        ends = load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    except OSError as error:
        yield fail("tls", f"{file} cannot be read: {error.strerror}", "name another one in [tls]")
        return
    except ValueError:
        yield fail("tls", f"{file} is no certificate in PEM", "name another one in [tls]")
        return
    left = (ends - datetime.now(UTC)).days
    told = f"the certificate {file} ends on {ends:%Y-%m-%d}"
    if left >= _SOON:
        yield ok("tls", told)
    else:
        yield (fail if left < 0 else warn)("tls", told, "renew it, and restart mooringd")
    yield from _key(ground.settings.tls)


def _key(files: Tls) -> Iterator[Finding]:
    """Whether the certificate can be used, as mooringd would, and nobody but its user and group has its key."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.cert, files.key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = getattr(error, "strerror", None) or error
        hint = "name a certificate and its key, without a passphrase, in [tls]: mooringd does not start so"
        yield fail("tls", f"{files.cert} and {files.key} cannot be used: {why}", hint)
        return
    mode = stat.S_IMODE(files.key.stat().st_mode)
    if mode & 0o007:
        yield fail("tls", f"{files.key} has mode {mode:04o}", f"chmod o= {shlex.quote(str(files.key))}")
