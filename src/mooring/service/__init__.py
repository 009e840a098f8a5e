"""The fleet in plain verbs, which every door calls: who asks comes first, and may what ``policy`` says.

Nothing here knows of HTTP, of files or of where the daemon runs.
"""

from __future__ import annotations

from .agents import Agents
from .audit import Audit
from .fleet import Fleet
from .homecoming import Homecoming
from .pulse import Pulse
from .recordings import Recordings
from .reload import Reloaded
from .tokens import Tokens
from .watch import Watch

__all__ = ["Agents", "Audit", "Fleet", "Homecoming", "Pulse", "Recordings", "Reloaded", "Tokens", "Watch"]
