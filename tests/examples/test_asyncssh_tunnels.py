"""The gallery's programs on connections, through a real sshd to servers of ours."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mooring.simulate.ports import ReservedPort

from .gallery import Gallery

HEAD = b"HEAD / HTTP/1.0\r\n\r\n"


class Pages(BaseHTTPRequestHandler):
    """A web server that has nothing to say but its name."""

    def version_string(self) -> str:
        return "the one behind"

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:  # quiet
        pass


@pytest.fixture
def web() -> Iterator[int]:
    """The port of a web server."""
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nobody has."""
    reserved = ReservedPort()
    yield reserved.port
    reserved.close()


def ask(port: int, text: bytes = HEAD, origin: str = "127.0.0.1") -> bytes:
    """Say something and its end to who listens, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=40, source_address=(origin, 0)) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.read()


def test_local_forwarding_client_listens_where_it_is_told(gallery: Gallery, edge: str, web: int, port: int) -> None:
    with gallery.running("local_forwarding_client", edge, port, f"localhost:{web}") as told:
        assert f"local 127.0.0.1:{port} to localhost:{web}, standing" in told.readline()
        assert b"Server: the one behind\r\n" in ask(port)


def test_local_forwarding_client2_tells_its_port(gallery: Gallery, edge: str, web: int) -> None:
    with gallery.running("local_forwarding_client2", edge, f"localhost:{web}") as told:
        found = re.fullmatch(r"Listening on port (\d+)\.\.\.\n", told.readline())
        assert found is not None
        assert b"Server: the one behind\r\n" in ask(int(found[1]))


def test_remote_forwarding_client_has_the_far_side_listen(gallery: Gallery, edge: str, web: int, port: int) -> None:
    with gallery.running("remote_forwarding_client", edge, port, f"127.0.0.1:{web}") as told:
        assert f"remote localhost:{port} to 127.0.0.1:{web}, standing" in told.readline()
        assert b"Server: the one behind\r\n" in ask(port)


def test_remote_forwarding_client2_lets_only_the_far_machine_in(
    gallery: Gallery, edge: str, web: int, port: int
) -> None:
    with gallery.running("remote_forwarding_client2", edge, port, f"127.0.0.1:{web}") as told:
        assert f"remote *:{port}, standing" in told.readline()
        assert b"Server: the one behind\r\n" in ask(port)
        try:
            answer = ask(port, origin="127.0.0.2")
        except ConnectionError:
            answer = b""
        assert answer == b""
        assert b"Server: the one behind\r\n" in ask(port)


@pytest.mark.parametrize("program", ["direct_client", "stream_direct_client"])
def test_direct_client_prints_the_answer(program: str, gallery: Gallery, edge: str, web: int) -> None:
    ran = gallery.run(program, edge, "localhost", web)
    assert (ran.stderr, ran.status) == ("", 0)
    first, *rest = ran.stdout.splitlines()
    assert first == "HTTP/1.0 200 OK"
    assert "Server: the one behind" in rest


@pytest.mark.parametrize("program", ["direct_client", "stream_direct_client"])
def test_direct_client_says_why_nobody_answers(program: str, gallery: Gallery, edge: str, port: int) -> None:
    ran = gallery.run(program, edge, "localhost", port)
    assert (ran.stdout, ran.status) == ("", 1)
    assert "edge1 refused the channel: Connection refused" in ran.stderr


@pytest.mark.parametrize("program", ["listening_client", "stream_listening_client"])
def test_listening_client_echoes(program: str, gallery: Gallery, edge: str, port: int) -> None:
    with gallery.running(program, edge, port) as told:
        assert told.readline() == f"Listening on port {port}...\n"
        for text in ("hello\n", "grüß dich " * 1000):
            assert ask(port, text.encode()) == text.encode()
            assert re.fullmatch(r"Connection received from 127\.0\.0\.1, port \d+\n", told.readline())


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens already, at every address of ``localhost``."""
    with contextlib.ExitStack() as listeners:
        port: int = listeners.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        with contextlib.suppress(OSError):  # no IPv6 here
            listeners.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6))
        yield port


@pytest.mark.parametrize("program", ["local_forwarding_client", "remote_forwarding_client", "listening_client"])
def test_a_port_that_is_taken_is_told(program: str, gallery: Gallery, edge: str, taken: int) -> None:
    ran = gallery.run(program, edge, taken)
    assert (ran.stdout, ran.status) == ("", 1)
    assert re.search(r"taken|listens", ran.stderr)
