"""Real commands over held sessions, and one that heals: what ``make demo`` runs."""

import asyncio
import sys

from mooring import MooringError
from mooring.simulate.demo import demo

if __name__ == "__main__":
    try:
        asyncio.run(demo())
    except MooringError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
