"""What is said when a host key is refused: what was seen, where the known ones stand, and the next command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.errors import HostKeyChanged, HostKeyError, UnknownHostKey
from .known_hosts import new_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncssh

    from .hostfiles import Known, Trust

__all__ = [
    "changed",
    "foreign",
    "places",
    "revoked",
    "swapped",
    "text",
    "too_small",
    "unknown",
    "unpinned",
    "unsound",
    "words",
]


def words(key: asyncssh.SSHKey) -> str:
    """A key as people compare it: type and fingerprint."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def text(key: asyncssh.SSHKey) -> str:
    """A key as OpenSSH writes it: type and base64."""
    return " ".join(key.export_public_key().decode("ascii").split()[:2])


def places(known: Iterable[Known]) -> str:
    """Where keys stand: ``ssh-ed25519 in FILE:LINE``."""
    return ", ".join(f"{each.line.algorithm} in {each.line.place}" for each in known)


def unknown(trust: Trust, key: asyncssh.SSHKey, file: Path | None) -> UnknownHostKey:
    """Nothing is known of the host. ``file`` is where the hint's command writes; without one it names the pin."""
    skipped = f"; lines that could not be read: {', '.join(trust.skipped)}" if trust.skipped else ""
    return UnknownHostKey(
        f"no host key is known for {trust.name}, which shows {words(key)}{skipped}",
        host=trust.name,
        fingerprint=key.get_fingerprint(),
        key_type=key.get_algorithm(),
        key=text(key),
        hint=f"compare the fingerprint with the one on the host's console, then trust it: {_command(trust, key, file)}",
    )


def changed(trust: Trust, key: asyncssh.SSHKey, file: Path | None) -> HostKeyChanged:
    """Other keys, or authorities alone, are known for the host."""
    if not trust.keys:
        return _changed(
            trust,
            key,
            f"{trust.name} shows {words(key)} without a certificate; trusted for it: {places(trust.authorities)}",
            f"if it is to go without one, trust the key: {_command(trust, key, file)}",
            would_do=True,
        )
    return _changed(
        trust,
        key,
        f"the host key of {trust.name} changed: it shows {words(key)}; known for it: "
        f"{places((*trust.keys, *trust.authorities))}",
        f"an attack, or a new host; if it is new, forget the old: {_forget(trust)}",
        would_do=True,
    )


def foreign(trust: Trust, key: asyncssh.SSHKey) -> HostKeyChanged:
    """The host's certificate is of another authority than those known for it."""
    return _changed(
        trust,
        key,
        f"{trust.name} shows a certificate of an unknown authority, {words(key)}; known for it: "
        f"{places((*trust.authorities, *trust.keys))}",
        "an attack, or a new authority; trust that with a line @cert-authority",
    )


def unpinned(trust: Trust, key: asyncssh.SSHKey, pin: asyncssh.SSHKey | str) -> HostKeyChanged:
    """The target allows one key alone, and this is another."""
    allowed = pin if isinstance(pin, str) else pin.get_fingerprint()
    hint = "an attack, or a new host; if it is new, change host_key="
    if isinstance(pin, str):
        hint += "; if it has keys of several kinds, write the public key there, since a fingerprint tells no kind"
    return _changed(trust, key, f"{trust.name} shows {words(key)}; the target allows {allowed} alone", hint)


def revoked(trust: Trust, key: asyncssh.SSHKey) -> HostKeyChanged:
    """The key, or the authority, is one that nobody may show any more."""
    where = places(known for known in trust.revoked if known.key == key)
    hint = "its private half may be in other hands: find out before you take that line out"
    return _changed(trust, key, f"{trust.name} shows {words(key)}, which is revoked by {where}", hint)


def swapped(trust: Trust, key: asyncssh.SSHKey) -> HostKeyChanged:
    """The host showed another key before, on the same connection."""
    return _changed(trust, key, f"{trust.name} changed its host key within one connection, to {words(key)}", None)


def too_small(trust: Trust, key: asyncssh.SSHKey, bits: int) -> HostKeyError:
    """An RSA key of too few bits."""
    return _unfit(trust, key, f"an RSA key of fewer than {bits} bits", "RequiredRSASize in ssh_config sets the least")


def unsound(trust: Trust, key: asyncssh.SSHKey) -> HostKeyError:
    """An authority that signs with what may not be signed with."""
    sentence = "a certificate of an authority whose signatures are not allowed"
    return _unfit(trust, key, sentence, "CASignatureAlgorithms in ssh_config names those that are")


def _unfit(trust: Trust, key: asyncssh.SSHKey, what: str, hint: str) -> HostKeyError:
    return HostKeyError(
        f"{trust.name} shows {what}: {words(key)}",
        host=trust.name,
        fingerprint=key.get_fingerprint(),
        key_type=key.get_algorithm(),
        hint=hint,
    )


def _changed(
    trust: Trust, key: asyncssh.SSHKey, message: str, hint: str | None, *, would_do: bool = False
) -> HostKeyChanged:
    return HostKeyChanged(
        message,
        host=trust.name,
        fingerprint=key.get_fingerprint(),
        key_type=key.get_algorithm(),
        key=text(key) if would_do else None,
        hint=hint,
    )


def _command(trust: Trust, key: asyncssh.SSHKey, file: Path | None) -> str:
    """A shell command that trusts this key, and no other."""
    if file is None or file == Path(os.devnull):
        return f"host_key={key.get_fingerprint()}"
    line, quoted = shlex.quote(new_line(trust.name, key)), shlex.quote(str(file))
    if not file.parent.is_dir():
        return f"mkdir -p -m 700 {shlex.quote(str(file.parent))} && echo {line} >> {quoted}"
    return f"printf '\\n%s\\n' {line} >> {quoted}" if _unended(file) else f"echo {line} >> {quoted}"


def _unended(file: Path) -> bool:
    """Whether a file's last line has no end, so that what is appended would become part of it."""
    try:
        data = file.read_bytes()
    except OSError:
        return False
    return bool(data) and not data.endswith(b"\n")


def _forget(trust: Trust) -> str:
    """How to take a host's keys out: by command, unless another host would lose its key by it."""
    lines = [known.line for known in trust.keys]
    if not all(line.names.startswith("|") or (line.plain and "," not in line.names) for line in lines):
        return f"edit {', '.join(line.place for line in lines)}"
    files = dict.fromkeys(str(line.file) for line in lines)
    return " && ".join(f"ssh-keygen -R {shlex.quote(trust.name)} -f {shlex.quote(file)}" for file in files)
