"""A TCP link that fails on demand: put it between a client and a server, and break it in the middle of anything.

Shipped with the package, because what holds connections wants to be tried against links that fail, in its own
tests and in those of the programs that use it.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, Literal, Self

from ..model.errors import WaitTimeout
from .lane import Lane
from .pair import Pair
from .ports import ReservedPort

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType

    from .lane import Direction
    from .pair import Lanes

__all__ = ["FaultyLink"]


class FaultyLink:
    """A TCP proxy on loopback that delays, slices, silences and cuts what passes through it.

    Attributes may be set at any time and hold from then on, for connections that live and for new ones; the methods
    that break something are immediate. The connection's order of bytes is always kept, and a slow reader slows its
    writer down, as on a real link. What either end does to its socket reaches the other one: FIN as FIN, RST as RST.

    Args:
        host: The server's address.
        port: The server's port.
        listen_port: The link's own port on 127.0.0.1; 0 lets the system choose one.
        rng: The dice behind the jitter.

    Attributes:
        latency: Seconds that every byte is late, one way.
        jitter: The latency varies by up to so many seconds either way.
        slice_bytes: Forward in writes of at most so many bytes; None as it comes.
        accepted: Connections accepted in all.
        peak: The highest number of connections that lived at once.
    """

    host: Final = "127.0.0.1"

    def __init__(self, host: str, port: int, *, listen_port: int = 0, rng: random.Random | None = None) -> None:
        self.latency = 0.0
        self.jitter = 0.0
        self.slice_bytes: int | None = None
        self.accepted = 0
        self.peak = 0
        self._server = (host, port)
        self._listen_port = listen_port
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._pairs: set[Pair] = set()
        self._clients: set[Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._failure: OSError | None = None
        self._waiters: dict[asyncio.Future[None], Callable[[], bool]] = {}

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._lanes: Lanes = {"to_client": Lane(self.changed), "to_server": Lane(self.changed)}
        self._light = asyncio.Event()
        self._light.set()
        self._port = ReservedPort(self.host, self._listen_port)
        self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._port.close()
        for lane in self._lanes.values():
            lane.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._until(lambda: not self._pairs, 10.0, "the end of every connection")
        if self._failure is not None and kind is None:
            raise self._failure

    def __repr__(self) -> str:
        state = "dark" if self.dark else "refusing" if self._listener is None else "open"
        return f"<FaultyLink {self.host}:{self.port} {state}, {self.connections} of {self.accepted} connections>"

    @property
    def port(self) -> int:
        """The port to connect to. It stays the link's own, also while it refuses."""
        return self._port.port

    @property
    def connections(self) -> int:
        """Clients connected now: from the accept until the client's own end, FIN or RST, was seen."""
        return len(self._clients)

    @property
    def bytes_to_client(self) -> int:
        """Bytes forwarded from the server, over all connections."""
        return self._lanes["to_client"].passed

    @property
    def bytes_to_server(self) -> int:
        """Bytes forwarded from clients, over all connections."""
        return self._lanes["to_server"].passed

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second that each direction carries, shared fairly by the connections; None without limit."""
        return self._lanes["to_client"].bandwidth

    @bandwidth.setter
    def bandwidth(self, value: float | None) -> None:
        for lane in self._lanes.values():
            lane.bandwidth = value

    def stop_after(self, count: int, direction: Direction | Literal["both"] = "both") -> None:
        """Forward exactly ``count`` more bytes, counted over all connections, then fall silent.

        Connections stay open on both sides. With ``both``, each direction has a count of its own.
        """
        for way, lane in self._lanes.items():
            if direction in (way, "both"):
                lane.budget = count
        self._pump()

    def corrupt(self, offset: int = 0, direction: Direction = "to_client") -> None:
        """Flip one bit of the byte that is ``offset`` bytes further on, counted over all connections."""
        self._lanes[direction].corrupt_at = offset

    def reset(self) -> None:
        """End every live connection with a RST on both sides. New ones are accepted."""
        for pair in list(self._pairs):
            pair.reset()

    def fin(self, direction: Direction) -> None:
        """Half-close every live connection: a FIN that way after what is under way; the other way goes on.

        What is sent that way afterwards is read and dropped.
        """
        for pair in list(self._pairs):
            pair.pipes[direction].feed_eof()

    def blackhole(self) -> None:
        """Forward nothing from now on, no FIN and no RST either. New connections are accepted and never answered."""
        self._light.clear()

    def half_open(self) -> None:
        """Stop reading from both sides of the connections that live now; they stay, and their windows fill."""
        for pair in self._pairs:
            for pipe in pair.pipes.values():
                pipe.freeze()

    def refuse(self) -> None:
        """Stop listening: who connects is refused. Live connections go on."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self.refuse()
        self.reset()

    def heal(self) -> None:
        """Be an ordinary link again, at full speed. Connections that were silenced go on where they stopped."""
        self.latency = self.jitter = 0.0
        self.slice_bytes = None
        for lane in self._lanes.values():
            lane.clear()
        if self._listener is None:
            self._listen()
        self._light.set()
        for pair in self._pairs:
            for pipe in pair.pipes.values():
                pipe.frozen = False
        self._pump()

    async def wait_connections(self, count: int, *, timeout: float = 10.0) -> None:
        """Wait until exactly ``count`` connections live, if only for a moment. Cancelling is safe.

        Args:
            count: The number awaited.
            timeout: Seconds.

        Raises:
            WaitTimeout: It did not come to that in time.
        """
        await self._until(lambda: self.connections == count, timeout, f"{count} connections")

    async def wait_bytes(self, count: int, direction: Direction, *, timeout: float = 10.0) -> None:
        """Wait until ``count`` bytes in all, from the link's beginning, have passed that way. Cancelling is safe.

        Args:
            count: Bytes; ``link.bytes_to_client + 100`` waits for a hundred more.
            direction: Which way.
            timeout: Seconds.

        Raises:
            WaitTimeout: So many did not pass in time.
        """
        lane = self._lanes[direction]
        await self._until(lambda: lane.passed >= count, timeout, f"{count} bytes {direction}")

    @property
    def dark(self) -> bool:
        """Whether the link is a black hole."""
        return not self._light.is_set()

    def delay(self) -> float:
        """Seconds that what arrives now is to be late: the dice are thrown."""
        if not self.jitter:
            return self.latency
        return max(0.0, self.latency + self._rng.uniform(-self.jitter, self.jitter))

    def changed(self) -> None:
        """Tell those who wait that a number has changed."""
        for waiter, reached in list(self._waiters.items()):
            if not waiter.done() and reached():
                waiter.set_result(None)

    def left(self, pair: Pair) -> None:
        """The client ended its side."""
        self._clients.discard(pair)
        self.changed()

    def forget(self, pair: Pair) -> None:
        """Both sockets of a connection are closed."""
        self._pairs.discard(pair)
        self.left(pair)

    def _pump(self) -> None:
        for pair in list(self._pairs):
            for pipe in pair.pipes.values():
                pipe.pump()

    def _listen(self) -> None:
        self._listener = self._port.listen()
        self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # out of descriptors: trying again at once would only spin
            self._failure = error
            self.refuse()
            return
        sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
        pair = Pair(self, self._lanes, sock)
        self._pairs.add(pair)
        self._clients.add(pair)
        self.accepted += 1
        self.peak = max(self.peak, self.connections)
        pair.task = task = self._loop.create_task(pair.open(self._server, self._light))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.changed()

    async def _until(self, reached: Callable[[], bool], timeout: float, what: str) -> None:
        if reached():
            return
        waiter = self._loop.create_future()
        self._waiters[waiter] = reached
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            raise WaitTimeout(f"{what} did not come within {timeout} s: {self!r}") from None
        finally:
            del self._waiters[waiter]
