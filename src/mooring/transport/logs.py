"""AsyncSSH's log, as far as it would tell what nobody may know."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["keep_quiet"]

_AUTHENTICATION: Final = range(50, 80)
"""Message numbers of RFC 4252 and its methods; the packets of a login hold passwords in the clear."""


def keep_quiet() -> None:
    """See that AsyncSSH logs no command line and no packet of a login, whatever level it is set to."""
    logger = logging.getLogger("asyncssh")
    if logger.level == logging.NOTSET:
        # At INFO AsyncSSH logs every command line, and a command line may hold a secret.
        logger.setLevel(logging.WARNING)
    if _without_logins not in logger.filters:
        logger.addFilter(_without_logins)


def _without_logins(record: logging.LogRecord) -> bool:
    """AsyncSSH's debug level 3 appends a dump of the packet to the message: take it off."""
    packet = getattr(record, "packet", None)
    if isinstance(packet, bytes) and packet[:1] and packet[0] in _AUTHENTICATION:
        record.msg = str(record.msg).partition("\n")[0]
        record.packet = b""
    return True
