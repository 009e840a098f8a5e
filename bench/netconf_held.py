"""Many sessions with NETCONF up: ``python -m bench.netconf_held COUNT`` prints bytes of memory and threads of each.

The other side is a program of its own (``serve``), which says hello and no more.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import subprocess
import sys
import threading

import asyncssh
import psutil

import mooring

HELLO = (
    '<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>{}</capabilities>'
    "<session-id>1</session-id></hello>]]>]]>"
).format(
    "".join(
        f"<capability>{uri}</capability>"
        for uri in (
            "urn:ietf:params:netconf:base:1.0",
            "urn:ietf:params:netconf:base:1.1",
            *(f"urn:example:yang:module-{number}?module=m{number}&amp;revision=2026-01-01" for number in range(40)),
        )
    )
)


class Device(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return not username

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return Netconf()


class Netconf(asyncssh.SSHServerSession[bytes]):
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "netconf"

    def session_started(self) -> None:
        self._channel.write(HELLO.encode())


async def serve() -> None:
    """Serve until stdin ends."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    listener = await asyncssh.listen("127.0.0.1", 0, server_factory=Device, server_host_keys=[key], encoding=None)
    print(json.dumps([listener.get_port(), key.export_public_key().decode().strip()]), flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def hold(count: int, port: int, pin: str) -> dict[str, float]:
    """Hold so many, and say what each costs."""
    usual = {"username": "bench", "host_key": pin, "agent_path": None, "identity": "none", "handshakes": 64}
    async with mooring.Pool(config=None) as pool:
        held = []

        async def one(number: int) -> None:
            session = await pool.start(f"s{number}://127.0.0.1:{port}", **usual)
            await session.wait_up(120)
            held.append(await session.netconf(timeout=120).__aenter__())

        await asyncio.gather(*map(one, range(20)))  # what all of them share
        gc.collect()
        before, threads = psutil.Process().memory_info().rss, threading.active_count()
        await asyncio.gather(*map(one, range(20, 20 + count)))
        gc.collect()
        after = psutil.Process().memory_info().rss
        more = threading.active_count() - threads
        await asyncio.gather(*(nc.close_session() for nc in held))
    return {"memory": (after - before) / count, "threads": more / count}


def main() -> None:
    """Measure, or serve."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    if sys.argv[1] == "serve":
        asyncio.run(serve())
        return
    command = [sys.executable, "-m", "bench.netconf_held", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None  # noqa: S101 - both are pipes
        port, pin = json.loads(server.stdout.readline())
        print(json.dumps(asyncio.run(hold(int(sys.argv[1]), port, pin))), flush=True)
        assert server.stdin is not None  # noqa: S101 - likewise
        server.stdin.close()


if __name__ == "__main__":
    main()
