"""Which file systems are this machine's own, so that a call to them comes back: on Linux, from its table of mounts."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["near", "parsed"]

_MOUNTS: Final = "/proc/self/mountinfo"
_OWN: Final = frozenset(
    (
        *("bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfs", "hfsplus", "iso9660", "jfs"),
        *("nilfs2", "ntfs", "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "squashfs", "tmpfs", "udf", "vfat"),
        *("xfs", "zfs", "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts"),
        *("devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "securityfs"),
        *("selinuxfs", "sysfs", "tracefs"),
    )
)


def near() -> Callable[[int], bool]:
    """Says of a device, as ``stat`` has it, whether it is near; reading the table never hangs."""
    try:
        return parsed(Path(_MOUNTS).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return lambda _: False


def parsed(mounts: str) -> Callable[[int], bool]:
    """The same of a table, as proc(5) has it.

    A device that is not in it is a part of one that is, as those of btrfs are: it is near if all are.
    """
    own: dict[str, bool] = {}
    for line in mounts.splitlines():
        with contextlib.suppress(ValueError):
            place, _, system = line.partition(" - ")
            _, _, device, *_ = place.split(" ")
            own[device] = system.partition(" ")[0] in _OWN
    others = bool(own) and all(own.values())
    return lambda device: own.get(f"{os.major(device)}:{os.minor(device)}", others)
