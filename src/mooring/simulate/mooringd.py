"""A daemon for a few minutes: on any free port, with a state directory of its own, gone at the end with all it knew."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["ThrowawayDaemon"]


class ThrowawayDaemon:
    """A real mooringd from entering to leaving.

    Args:
        config: Tables of its configuration file, in TOML; ``[daemon]`` is ours.

    Attributes:
        folder: Its state directory, and the place of its socket and token.
        environment: For programs that shall find it, and no other one.

    Raises:
        ConfigError: It does not start; the message says why.
    """

    def __init__(self, config: str = "") -> None:
        self._config = config
        self._program = Program("mooringd")

    async def __aenter__(self) -> Self:
        """Start it and wait until it is ready."""
        self.folder = Path(tempfile.mkdtemp(prefix="mooringd-"))
        self.environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MOORING_")},
            "MOORING_STATE_DIR": str(self.folder),
        }
        config = self.folder / "config.toml"
        config.write_text(f"[daemon]\nssh_config = []\n{self._config}", encoding="utf-8")
        config.chmod(0o600)
        words = (sys.executable, "-m", "mooring.cli.mooringd", "--port", "0", "--config", str(config))
        try:
            await self._program.start(*words, until=b" ready: ", environment=self.environment)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it and remove its files."""
        await self.aclose()

    async def aclose(self) -> int | None:
        """End it, remove its files and return its exit code. Safe to call twice."""
        try:
            return await self._program.aclose()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
