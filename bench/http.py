"""One kind of POST request, made by many callers at once as fast as the server answers.

``python -m bench.http NAME CALL`` answers lines on its stdin by lines of JSON: ``ready`` when it has warmed up, and
``CONCURRENCY SECONDS`` by a Burst. It ends with stdin. Each caller has a connection of its own and keeps it, where the
server does; whatever the library, it costs this process the same.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvloop

from bench.burst import by_tasks

if TYPE_CHECKING:
    from bench.burst import Burst

__all__ = ["Call"]


@dataclass(frozen=True)
class Call:
    """What is asked for.

    Attributes:
        host: An address.
        port: The server's.
        path: With a leading slash.
        fields: Header fields, further to those that HTTP needs.
        body: The content.
        proof: A text that every good answer has in it.
    """

    host: str
    port: int
    path: str
    fields: dict[str, str]
    body: str
    proof: str

    def request(self) -> bytes:
        """The whole request."""
        fields = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(self.body)), **self.fields}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


class _Caller:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._request = call.request()
        self._proof = call.proof.encode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._call.host, self._call.port)
        reader, writer = self._streams
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        content = await reader.readexactly(length)
        if b" 200 " not in head.split(b"\r\n", 1)[0] or self._proof not in content:
            msg = f"{head!r} {content!r}"
            raise RuntimeError(msg)
        if b"connection: close" in head or head.startswith(b"http/1.0"):
            self.close()
        return 0

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _measure(call: Call, concurrency: int, seconds: float) -> Burst:
    callers = [_Caller(call) for _ in range(concurrency)]
    idle = list(callers)

    async def run() -> int:
        caller = idle.pop()
        try:
            return await caller.post()
        finally:
            idle.append(caller)

    try:
        return await by_tasks(run, concurrency, seconds)
    finally:
        for caller in callers:
            caller.close()


def main() -> None:
    """Be one of them."""
    call = Call(**json.loads(sys.argv[2]))
    for line in sys.stdin:
        match line.split():
            case ["ready"]:
                uvloop.run(_measure(call, 16, 0.3))
                print("true", flush=True)
            case [concurrency, seconds]:
                burst = uvloop.run(_measure(call, int(concurrency), float(seconds)))
                print(json.dumps(dataclasses.asdict(burst)), flush=True)


if __name__ == "__main__":
    main()
