"""Names: which ones a peer may tell us, where its links may lead, and what a file is called until it is whole. Pure."""

from __future__ import annotations

import hashlib
import posixpath
import secrets
from typing import Final

from ...model.errors import UnsafePath

__all__ = ["DEEPEST", "MOST", "check_link", "check_name", "partial", "remote_path"]

DEEPEST: Final = 128
"""Folders inside one another that are followed: a peer may tell of endless ones, and a link may lead into itself."""
MOST: Final = 250_000
"""Names of one transfer that are kept until its end: each takes half a kilobyte, and a peer may tell of ever more."""

_RESERVED: Final = frozenset('<>:"|?*\\')


def check_name(name: str, folder: str, where: str, *, windows: bool) -> None:
    """That a name a peer told is one, and nothing that leads elsewhere.

    Raises:
        UnsafePath: It is empty, ``.``, ``..``, or holds what separates names here or ends them.
    """
    bad = not name or name in {".", ".."} or "/" in name or "\0" in name
    if windows:
        bad = bad or not _RESERVED.isdisjoint(name) or name[-1] in ". " or any(ord(char) < 32 for char in name)
    if bad:
        raise UnsafePath(f"the peer names a file {UnsafePath.shown(name)!r} in it", path=folder, where=where)


def check_link(target: str, depth: int, path: str, where: str) -> None:
    """That a link from a peer leads nowhere out of the tree that is being written.

    ``..`` may stand at its beginning only, where it means what is real: behind another name it could go up from
    wherever that, a link itself, leads.

    Args:
        target: Where it leads, as the peer tells.
        depth: Folders between the top of the tree and the link.
        path: The link's, for the message.
        where: The peer.

    Raises:
        UnsafePath: It is absolute, or goes up too far, or up from a name.
    """
    parts = [part for part in target.split("/") if part not in {"", "."}]
    up = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    if target.startswith("/") or not parts or up > depth or ".." in parts[up:] or "\\" in target or ":" in target:
        raise UnsafePath(
            f"it is a link to {UnsafePath.shown(target)!r}, which may lead out of the destination",
            path=path,
            where=where,
            hint="links='skip' leaves links out, links='follow' copies what they lead to",
        )


def partial(origin: str = "") -> str:
    """What a file is called until it is whole.

    Args:
        origin: What it is a copy of, in every respect that may change, where the next attempt must find it; otherwise
            no two transfers have the same.
    """
    known = hashlib.sha256(origin.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f".mooring-{known if origin else secrets.token_hex(8)}.part"


def remote_path(path: str) -> str:
    """A peer's path as SFTP knows it: relative to the home, which has no name there (as scp, ``~/`` means it)."""
    if path in {"", "~", "~/"}:
        return "."
    path = path.removeprefix("~/")
    return path if path.rstrip("/") else posixpath.normpath(path)[:1]
