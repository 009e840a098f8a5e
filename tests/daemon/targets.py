"""Targets that lead to a real sshd."""

from __future__ import annotations

from tests.peers.sshd import Sshd


def dsn(alias: str, sshd: Sshd) -> str:
    """A session by key."""
    return f"{alias}://{sshd.user}@{sshd.host}:{sshd.port}?identity={sshd.client_key}&known_hosts={sshd.known_hosts}"


def table(alias: str, sshd: Sshd, **further: str) -> str:
    """The same as a table of the configuration file."""
    lines = {
        "host": f'"{sshd.host}"',
        "port": str(sshd.port),
        "username": f'"{sshd.user}"',
        "identity": f'"{sshd.client_key}"',
        "known_hosts": f'"{sshd.known_hosts}"',
        **{name: f'"{value}"' for name, value in further.items()},
    }
    return f"[sessions.{alias}]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())
