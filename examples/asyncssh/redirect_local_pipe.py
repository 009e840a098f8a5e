"""Pipe a program of this machine into a remote one: ``python redirect_local_pipe.py [TARGET]``."""

import asyncio
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec

import mooring


async def main(target: str = "localhost") -> None:
    """Print the lines of the one in the order of the other."""
    async with mooring.connect(target) as session:
        local = await create_subprocess_exec("printf", r"1\n2\n3\n", stdout=PIPE)
        result = await session.run("tac || tail -r", stdin=local.stdout, check=True)
        print(result.stdout, end="")
        await local.wait()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
