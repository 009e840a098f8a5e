"""What people log in with, and what they know servers by: ssh_config, known hosts, the agent, key files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...client import paths
from ...model.errors import ConfigError, CredentialError
from ...sshconfig import SSHConfig
from .finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...transport.lookover import KeyFacts
    from .finding import Ground

__all__ = ["agent", "key_files", "known_hosts", "password_files", "ssh_config"]

_USUAL: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
_SHORT: Final = 2048
_SOON: Final = 86_400.0
_FOR_EVER: Final = 1 << 63
_KNOW: Final = "put it there, or name another one as `known_hosts` of the session"
_NEW: Final = "ssh-keygen -t ed25519, and put its public half where the old one is"


def ssh_config(ground: Ground) -> Finding:
    """The ssh_config files of the daemon."""
    try:
        SSHConfig.load(ground.ssh_config)
    except ConfigError as error:
        return fail("ssh_config", error.message, error.hint or "mend the line: no host can be looked up")
    return ok("ssh_config", "read as ssh reads it")


def known_hosts(ground: Ground) -> Iterator[Finding]:
    """The files of known hosts: of this user, and those that sessions name."""
    from ...transport.lookover import unread_lines  # noqa: PLC0415 - brings AsyncSSH, a quarter of a second

    named = {target.known_hosts for target in ground.targets if target.known_hosts}
    bad = []
    for name in ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts", *sorted(named)):
        file = Path(name).expanduser()
        try:
            bad += [
                warn("known_hosts", f"{place} cannot be read, and is passed over", "mend or remove the line")
                for place in unread_lines(file)
            ]
        except OSError as error:
            detail = f"{file} cannot be read: {error.strerror}"
            bad.append(fail("known_hosts", detail, f"it must be a file that uid {os.geteuid()} may read"))
        if name in named and not file.exists():
            bad.append(warn("known_hosts", f"{file} is not there, so no host in it is known", _KNOW))
    yield from bad or [ok("known_hosts", "every line can be read")]


async def agent() -> Finding:
    """The agent of this shell."""
    from ...transport.agent import Agent  # noqa: PLC0415 - as above

    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return ok("agent", "none in this shell (SSH_AUTH_SOCK is not set)")
    held = Agent(path)
    try:
        count = len(await held.keys())
    except CredentialError as error:
        return warn("agent", error.message, error.hint or "start one: eval `ssh-agent`, then ssh-add")
    finally:
        await held.aclose()
    if not count:
        return warn("agent", f"the agent at {path} holds no key", "ssh-add adds one")
    keys = "1 key" if count == 1 else f"{count} keys"
    return ok("agent", f"{keys} at {path}; mooringd has them if it was started with this SSH_AUTH_SOCK")


def key_files(ground: Ground) -> Iterator[Finding]:
    """Private keys: the usual ones, those that sessions and devices name, and the daemon's own."""
    usual = [file for file in (Path("~/.ssh").expanduser() / name for name in _USUAL) if file.exists()]
    own = [file for file in (ground.state / paths.GATEWAY_KEY, ground.state / paths.AGENT_KEY) if _there(file)]
    named = {Path(name).expanduser() for target in ground.peers for name in target.identity or ()}
    files = dict.fromkeys([*usual, *sorted(named), *own])
    if not files:
        yield ok("keys", "none of the usual ones in ~/.ssh, and none named")
    for file in files:
        yield from _key(file, named=file in named)


def password_files(ground: Ground) -> Iterator[Finding]:
    """The files that hold passwords for sessions and devices."""
    from ...transport.keyfiles import read_private_file  # noqa: PLC0415 - as above

    for reference in sorted({target.password_from for target in ground.peers if target.password_from}):
        scheme, _, name = reference.partition(":")
        if scheme == "file":
            try:
                read_private_file(Path(name).expanduser(), f"the password file {name}")
            except CredentialError as error:
                yield fail("passwords", error.message, error.hint or "write it there, for this user alone")


def _there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        return False  # another user's


def _key(file: Path, *, named: bool) -> Iterator[Finding]:
    from ...transport.lookover import key_facts  # noqa: PLC0415 - as above

    try:
        facts = key_facts(file)
    except CredentialError as error:
        if named and not _there(file):
            yield fail("keys", error.message, "put it there, or name another one as `identity`")
        else:
            yield warn("keys", error.message, error.hint or "ssh-add gives its key to the agent")
        return
    if facts.kind == "ssh-dss":
        yield fail("keys", f"{file} is a DSA key, which servers refuse", _NEW)
    elif facts.bits is not None and facts.bits < _SHORT:
        yield warn("keys", f"{file} has {facts.bits} bits, which servers may refuse", _NEW)
    else:
        yield ok("keys", f"{file} can be used: {facts.kind}")
    yield from _certificates(file, facts)


def _certificates(file: Path, facts: KeyFacts) -> Iterator[Finding]:
    now = time.time()
    hint = "have its authority sign it anew"
    for begins, ends in facts.certificates:
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(min(ends, _FOR_EVER >> 24)))
        if now >= ends:
            yield fail("keys", f"the certificate of {file} ended on {when}", hint)
        elif now < begins:
            detail = f"the certificate of {file} does not count yet, or the clock is behind"
            yield fail("keys", detail, "compare `date -u` with another machine's")
        elif ends - now < _SOON:
            yield warn("keys", f"the certificate of {file} ends on {when}", hint)
