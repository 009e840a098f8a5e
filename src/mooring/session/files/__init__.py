"""Files over a session: two ends, each a file system, and one engine that copies from the one to the other.

``ends`` says what an end is; ``local`` is this machine and ``remote`` a session's SFTP. ``copying`` moves one file,
``tree`` many, and ``scp`` does what it can where a device has no SFTP. ``names`` (pure) decides what a hostile peer may
have written where, and ``pace`` (pure) how fast.
"""

from __future__ import annotations

from .access import WithFiles

__all__ = ["WithFiles"]
