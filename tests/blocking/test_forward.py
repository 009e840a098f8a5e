"""Forwards, used synchronously."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from mooring import ForwardState, InvalidInput, Origin, Place, UnknownForward, WaitTimeout, blocking

from .conftest import Peer


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what one read takes, once for each connection; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if (data := connection.recv(100)) == b"end":
                        return
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with socket.create_connection(server.getsockname()) as last:
            last.sendall(b"end")
        thread.join()


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"hello")
        return connection.recv(100)


def test_forwards(peer: Peer, echo: int) -> None:
    def lead(origin: Origin) -> Place | None:
        return Place("127.0.0.1", echo) if origin.host == "127.0.0.1" else None

    with blocking.connect(peer.dsn, **peer.alone) as session:
        with session.forward_local(0, f"127.0.0.1:{echo}", name="web") as forward:
            assert ask(forward.get_port()) == b"hello"
            assert (forward.name, forward.state, forward.status().accepted) == ("web", ForwardState.STANDING, 1)
            assert [one.name for one in session.forwards] == ["web"]
            assert session.forwards["web"].get_port() == forward.get_port()
            with pytest.raises(UnknownForward):
                session.forwards["other"]
            with pytest.raises(WaitTimeout, match=r"web was not closed within 0\.01 s"):
                forward.wait_closed(0.01)
        forward.wait_closed()
        assert forward.state is ForwardState.CLOSED
        with session.forward_remote(0, policy=lead) as forward:
            assert ask(forward.get_port()) == b"hello"
        with session.forward_socks(0) as forward:
            assert repr(forward).startswith("<Forward socks of edge1: socks 127.0.0.1:")
        with pytest.raises(InvalidInput):
            session.forward_local("nowhere", "db:1")
        left = session.forward_local(0, "127.0.0.1:1")
    assert left.state is ForwardState.CLOSED
    left.close()
