"""Commands that only carry files: the far ends of scp and of rsync, as their clients ask for them.

They are given to the user's shell at the far side. So one counts only if that shell does nothing with it but start the
program: no substitution, no second command, no option that starts another program.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_transfer"]

_WORD: Final = re.compile(
    rb"""((?:[A-Za-z0-9_@%+=:,./~*?\[\]^\x80-\xff-]|(?<![\x80-\xff])\\[^\n]|'[^'\n]*'|"[^"$`\\!\n]*")+)(?:[ ]+|\Z)"""
)
"""No braces: bash makes several words of one. Behind a byte beyond ASCII a backslash may be half of a letter."""
_PATH: Final = re.compile(rb"""(?:''|"")*(?:\Z|[A-Za-z0-9_@%+=:,./~\x80-\xff]|\\[^-]|'[^'-]|"[^"-])""")
"""How a word begins that is no option, whatever the shell makes of the rest: a pattern at its beginning may become
the name of a file that somebody has called ``--daemon``."""
_SCP_OPTION: Final = re.compile(rb"-[vrpdq]*[tf]?[vrpdq]*")
# No -s: rsync would read more options from its input. No -M: they are for another rsync.
_RSYNC_SHORT: Final = re.compile(rb"-[a-df-rt-zA-LN-Z]*(?:e[0-9]*\.[a-zA-Z]*)?")
_RSYNC_LONG: Final = frozenset(
    b"append backup-dir block-size bwlimit checksum-choice checksum-seed compare-dest compress-choice compress-level "
    b"copy-dest copy-unsafe-links delay-updates delete delete-after delete-before delete-delay delete-during "
    b"delete-excluded delete-missing-args existing fake-super files-from force from0 fsync fuzzy group groupmap "
    b"hard-links iconv ignore-errors ignore-existing ignore-missing-args ignore-times info inplace link-dest links "
    b"list-only log-format max-alloc max-delete max-size min-size mkpath modify-window munge-links new-compress no-r "
    b"no-implied-dirs no-inc-recursive no-relative no-specials numeric-ids old-compress one-file-system open-noatime "
    b"owner partial partial-dir perms preallocate recursive remove-sent-files remove-source-files safe-links sender "
    b"server size-only skip-compress specials stats suffix super temp-dir timeout times use-qsort usermap".split()
)


def is_transfer(command: bytes) -> bool:
    """Whether a command line starts the far end of scp or rsync, and cannot do anything else."""
    words = _words(command)
    if words[:1] == [b"scp"]:
        return _is_scp(words[1:])
    return words[:2] == [b"rsync", b"--server"] and _is_rsync(words[1:])


def _words(command: bytes) -> list[bytes]:
    """The words of a line in which the shell finds nothing to do; none where it would."""
    words, place = [], 0
    while place < len(command):
        found = _WORD.match(command, place)
        if found is None:
            return []
        words.append(found[1])
        place = found.end()
    return words


def _is_scp(words: list[bytes]) -> bool:
    ends = 0
    for index, word in enumerate(words):
        if word == b"--":
            return ends == 1 and len(words) > index + 1
        if not word.startswith(b"-"):
            return ends == 1 and all(map(_PATH.match, words[index:]))
        if _SCP_OPTION.fullmatch(word) is None:
            return False
        ends += b"t" in word or b"f" in word
    return False


def _is_rsync(words: list[bytes]) -> bool:
    for index, word in enumerate(words):
        if not word.startswith(b"-"):  # a dot, and then paths
            return word == b"." and all(map(_PATH.match, words[index:]))
        if word.startswith(b"--"):
            if word[2:].partition(b"=")[0] not in _RSYNC_LONG:
                return False
        elif _RSYNC_SHORT.fullmatch(word) is None:
            return False
    return False
