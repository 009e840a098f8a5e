"""``mooring.connect``: a pool of one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ..model.status import SessionState
from .pool import Pool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..model.target import Target
    from ..session import Session
    from .pool import ConfigFiles

__all__ = ["connect"]


@contextlib.asynccontextmanager
async def connect(target: str | Target, *, config: ConfigFiles = (), **keywords: Any) -> AsyncGenerator[Session]:
    """Hold one session for the length of the block: ``async with mooring.connect("edge1") as session:``.

    The first attempt must succeed: its error is raised at once. From then on the session is supervised, and
    comes back by itself when its connection is lost. Cancelling is safe: nothing is left open.

    Args:
        target: A DSN, ``[user@]host[:port]`` or a ``Host`` of ssh_config.
        config: As Pool has it.
        keywords: Fields of Target, and AsyncSSH's connection keywords, under their names: ``username``,
            ``password``, ``client_keys``, ``known_hosts`` and so on.

    Raises:
        InvalidTarget, ConfigError: What was passed cannot be meant.
        ConnectError: The first attempt failed; its class says how.
    """
    async with Pool(config=config) as pool:
        session = await pool.start(target, **keywords)
        if session.state is SessionState.CONNECTING:
            await session.wait_change()
        if session.error is not None:
            raise session.error
        yield session
