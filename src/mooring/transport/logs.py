"""AsyncSSH's log, as far as it would tell what nobody may know."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["keep_quiet"]

_TELLING: Final = frozenset({*range(50, 80), 94, 95, 98})
"""Messages that may hold a secret in the clear: those of a login (RFC 4252), and what a channel carries and is asked
for (RFC 4254): the input of ``sudo -S``, the output that shows it, the command and its variables."""


def keep_quiet() -> None:
    """See that AsyncSSH logs no command line and no content of what may hold a secret, whatever level it is set to."""
    logger = logging.getLogger("asyncssh")
    if logger.level == logging.NOTSET:
        # At INFO AsyncSSH logs every command line, and a command line may hold a secret.
        logger.setLevel(logging.WARNING)
    if _without_contents not in logger.filters:
        logger.addFilter(_without_contents)


def _without_contents(record: logging.LogRecord) -> bool:
    """AsyncSSH's debug level 3 appends a dump of the packet to the message: take it off."""
    packet = getattr(record, "packet", None)
    if isinstance(packet, bytes) and packet[:1] and packet[0] in _TELLING:
        record.msg = str(record.msg).partition("\n")[0]
        record.packet = b""
    return True
