"""``mooring.blocking.connect``: a pool of one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..pool.connect import connect as connect_async
from .loop import loop_thread
from .session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from ..model.target import Target
    from ..pool.pool import ConfigFiles
    from .loop import LoopThread

__all__ = ["connect"]


def connect(target: str | Target, *, config: ConfigFiles = (), **keywords: Any) -> AbstractContextManager[Session]:
    """Hold one session for the length of the block: ``with mooring.blocking.connect("edge1") as session:``.

    Arguments and errors are those of ``mooring.connect``.
    """
    return _Connect(target, config, keywords)


class _Connect(AbstractContextManager[Session]):
    def __init__(self, target: str | Target, config: ConfigFiles, keywords: dict[str, Any]) -> None:
        self._context = connect_async(target, config=config, **keywords)
        self._thread: LoopThread | None = None

    def __enter__(self) -> Session:
        self._thread = loop_thread()
        return Session(self._thread.enter(self._context, "connect"), self._thread)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.leave(self._context, "connect")
