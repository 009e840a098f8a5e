"""How files are copied: the options that every copy takes, and what one transfer keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, get_args

from ...model.errors import FileError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model.errors import MooringError
    from ...model.files import Progress

__all__ = ["Copied", "CopyOptions", "How", "Links"]

Links = Literal["keep", "follow", "skip"]


class Copied(NamedTuple):
    """A file that was copied.

    Attributes:
        where: Whose session it is on; empty for this machine.
        path: Where it is there.
        to: Where its copy is.
        size: Its bytes.
        sha256: Of them, in hexadecimal digits; None where not all passed here.
    """

    where: str
    path: str
    to: str
    size: int
    sha256: str | None


class CopyOptions(TypedDict, total=False):
    """The keywords that all copies share.

    Attributes:
        recurse: Copy folders with what is in them; by default they are refused.
        preserve: Give copies the source's permission bits and times, in whole seconds.
        links: What becomes of symbolic links in folders: ``keep``, the default, makes links, and refuses a peer's that
            lead out of the folder; ``follow`` copies what they lead to; ``skip`` leaves them out. SCP follows.
        resume: What is there of a file when this breaks off is kept, and gone on with by the next attempt that
            says the same. Two processes at once would write into each other's. SCP begins anew.
        checksum: Compare the SHA-256 of each copy with the source's, by ``sha256sum`` there, or by reading it
            once more.
        limit: Bytes a second at most; None, the default, for as fast as it goes.
        progress: Called on the loop with each step; it must not block.
        on_error: Called with each file's error, and the rest goes on; None, the default, raises the first.
    """

    recurse: bool
    preserve: bool
    links: Links
    resume: bool
    checksum: bool
    limit: float | None
    progress: Callable[[Progress], object] | None
    on_error: Callable[[MooringError], object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How the files of one transfer are copied; see CopyOptions.

    Attributes:
        seen: Called with each file that was copied over SFTP; it has its bytes hashed.
    """

    recurse: bool = False
    preserve: bool = False
    links: Links = "keep"
    resume: bool = False
    checksum: bool = False
    limit: float | None = None
    progress: Callable[[Progress], object] | None = None
    on_error: Callable[[MooringError], object] | None = None
    seen: Callable[[Copied], None] | None = None
    _given: set[str] = field(init=False, default_factory=set, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            InvalidInput: ``links`` or ``limit`` is none.
        """
        if self.links not in get_args(Links):
            raise InvalidInput(f"links is {self.links!r}, and may be 'keep', 'follow' or 'skip'")
        limit: object = self.limit
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0):
            raise InvalidInput(f"limit is {limit!r}, and must be more than 0 bytes a second")

    def give(self, place: str, source: str, where: str) -> None:
        """Give a place to what was named as a source.

        Raises:
            FileError: Another source of this transfer has it already.
        """
        if place in self._given:
            raise FileError(
                "another source has its name, and would be replaced by it",
                path=source,
                where=where,
                hint="copy it under another name",
            )
        self._given.add(place)
