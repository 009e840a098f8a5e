"""Talk to the calculator ``bc`` line by line: ``python math_client.py [TARGET]``."""

import asyncio
import sys

import mooring


async def main(target: str = "localhost") -> None:
    """Print each problem with its answer."""
    async with mooring.connect(target) as session, await session.process("bc") as calculator:
        for problem in ("2+2", "1*2*3*4", "2^32"):
            calculator.stdin.write(f"{problem}\n")
            print(problem, "=", await calculator.stdout.readline(), end="")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except mooring.MooringError as error:
        sys.exit(str(error))
