"""Set variables of a command's environment: ``python set_environment.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Print the environment; a server drops variables that its AcceptEnv does not name."""
    async with mooring.connect(target) as session:
        result = await session.run("env", env={"LANG": "en_GB", "LC_COLLATE": "C"})
        print(result.stdout, end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
