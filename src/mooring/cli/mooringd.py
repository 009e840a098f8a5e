"""``mooringd``: the daemon's program."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the daemon until it is told to stop, and return its exit code."""
    from ..client.hidden import command_line  # noqa: PLC0415 - a password goes off the command line before all else

    words = command_line()
    try:
        from ..daemon import main as run  # noqa: PLC0415 - likewise
    except KeyboardInterrupt:
        return 130
    return run(words)


if __name__ == "__main__":
    sys.exit(main())
