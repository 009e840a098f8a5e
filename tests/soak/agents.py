"""A thousand agents in one process: what a test of them starts. It reads their tokens, and ends with its input."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from mooring.agent import Agent
from mooring.agent.account import Account


async def main(port: int, folder: Path) -> None:
    """Run them until nobody wants them any more."""
    tokens: dict[str, str] = json.loads(await asyncio.to_thread(sys.stdin.readline))
    account = Account(Account.own().name, str(folder), "/bin/sh")
    async with AsyncExitStack() as stack:
        for name, token in tokens.items():
            agent = Agent(
                "127.0.0.1",
                port,
                name,
                host_key=folder / f"{name}_key",
                trusted_keys=folder / f"{name}_trusted",
                token=token,
                account=account,
                keepalive=60.0,
            )
            await stack.enter_async_context(agent)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    logging.disable()  # a thousand complaints when they are cut off
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
