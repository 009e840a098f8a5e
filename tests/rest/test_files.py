"""``/v1/sessions/{alias}/files``: read, written and listed, against a real sshd."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from mooring.simulate import FaultyLink
from tests.peers.sshd import Sshd

from .door import READER, Running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def held(door: Running, sshd: Sshd) -> Running:
    """A door over ``web1``, a real sshd."""
    await door.hold_sshd("web1", sshd)
    return door


@pytest.fixture
def far(peers_folder: Path) -> Iterator[Path]:
    """A folder at the far end."""
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        Path(name).chmod(0o777)
        yield Path(name)


def at(path: Path | str, **more: str) -> str:
    query = "&".join(f"{name}={text}" for name, text in {"path": quote(os.fsencode(path)), **more}.items())
    return f"/v1/sessions/web1/files?{query}"


async def test_written_and_read(held: Running, far: Path) -> None:
    content = os.urandom(20_000_000)  # more than any other body may have
    name = far / os.fsdecode(b"a b%\xff")
    answer = await held.ask("PUT", at(name, mode="640"), content)
    assert (answer.status, answer.value["size"], answer.value["kind"]) == (201, 20_000_000, "file")
    assert (answer.value["mode"], answer.value["name"]) == (0o640, r"a b%\udcff")
    answer = await held.ask("GET", at(name))
    assert (answer.status, answer.headers["content-length"]) == (200, "20000000")
    assert answer.body == content
    assert answer.headers["last-modified"].endswith("GMT")
    assert os.listdir(os.fsencode(far)) == [b"a b%\xff"]  # noqa: PTH208 - bytes
    await held.idle()


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=2-4", 206, (2, 5)),
        ("bytes=7-", 206, (7, 10)),
        ("bytes=-3", 206, (7, 10)),
        ("bytes=-30", 200, (0, 10)),
        ("bytes=5-100", 206, (5, 10)),
        ("bytes=0-", 200, (0, 10)),
        ("bytes=10-", 416, (0, 0)),
        ("bytes=-0", 416, (0, 0)),
        (f"bytes={'9' * 5000}-", 416, (0, 0)),
        (f"bytes=-{'9' * 5000}", 200, (0, 10)),
        (f"bytes=4-{'9' * 5000}", 206, (4, 10)),
        ("bytes=4-2", 200, (0, 10)),
        ("bytes=0-1,3-4", 200, (0, 10)),
        ("lines=1-2", 200, (0, 10)),
    ],
    ids=range(14),
)
async def test_ranges(held: Running, far: Path, wanted: str, status: int, part: tuple[int, int]) -> None:
    (far / "a").write_bytes(b"0123456789")
    answer = await held.ask("GET", at(far / "a"), headers={"Range": wanted})
    assert answer.status == status
    if status == 416:
        answer.problem(416, "range-not-satisfiable")
    else:
        assert answer.body == b"0123456789"[slice(*part)]
    told = {206: f"bytes {part[0]}-{part[1] - 1}/10", 416: "bytes */10"}.get(status)
    assert answer.headers.get("content-range") == told


async def test_what_there_is(held: Running, far: Path) -> None:
    (far / "a").write_bytes(b"12345")
    (far / "folder").mkdir()
    (far / "link").symlink_to("a")
    listing = (await held.ask("GET", at(far, view="list"))).value
    assert listing["more"] is False
    assert {entry["name"]: entry["kind"] for entry in listing["files"]} == {
        "a": "file",
        "folder": "folder",
        "link": "link",
    }
    entry = (await held.ask("GET", at(far / "a", view="info"))).value
    assert (entry["name"], entry["size"], entry["modified"]) == ("a", 5, int((far / "a").stat().st_mtime))
    assert (await held.ask("GET", at(far / "link", view="info"))).value["kind"] == "link"


async def test_errors(held: Running, far: Path) -> None:
    (await held.ask("GET", at(far / "none"))).problem(404, "file-missing")
    (await held.ask("GET", at(far / "none", view="info"))).problem(404, "file-missing")
    (await held.ask("GET", at(far / "none", view="list"))).problem(404, "file-missing")
    (await held.ask("GET", at(far))).problem(502, "file-error")
    (await held.ask("PUT", at(far), b"x")).problem(502, "file-error")
    (await held.ask("PUT", at(far / "none" / "a"), b"x")).problem(404, "file-missing")
    (await held.ask("PUT", at(far / "a", mode="9"), b"x")).problem(400, "invalid-input")
    (await held.ask("GET", at(far / "a", view="all"))).problem(400, "invalid-input")
    (await held.ask("GET", "/v1/sessions/web1/files?path=%00")).problem(400, "invalid-input")
    if held.pool["web1"].status().username != "root":
        (await held.ask("GET", at("/etc/shadow"))).problem(403, "file-refused")
    assert list(far.iterdir()) == []
    await held.idle()


async def test_only_where_nothing_is(held: Running, far: Path) -> None:
    (far / "link").symlink_to("nothing")
    (far / "folder").mkdir()
    fresh = {"If-None-Match": "*"}
    assert (await held.ask("PUT", at(far / "a"), b"first", headers=fresh)).status == 201
    for name in ("a", "link", "folder"):
        (await held.ask("PUT", at(far / name), b"second", headers=fresh)).problem(412, "file-exists")
    assert ((far / "a").read_bytes(), (far / "link").is_symlink()) == (b"first", True)
    assert (await held.ask("PUT", at(far / "a"), b"third")).status == 201
    assert ((far / "a").read_bytes(), len(list(far.iterdir()))) == (b"third", 3)
    await held.idle()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("*",), 412),
        (("  *\t",), 412),
        (('"tag"',), 201),
        (('"*"',), 201),
        (('W/"a,b"', ', "", "\xff" ,,'), 201),
        (("",), 400),
        ((",",), 400),
        (("**",), 400),
        (("*,",), 400),
        (('*, "a"',), 400),
        (('"a", *',), 400),
        (("W/*",), 400),
        (('w/"a"',), 400),
        (("*;q=1",), 400),
        (('"a" "b"',), 400),
        (('"a b"',), 400),
        (("tag",), 400),
        (('"x"', "*"), 400),
        (("*", "*"), 400),
    ],
    ids=str,
)
async def test_what_is_no_condition_is_refused(held: Running, far: Path, lines: tuple[str, ...], status: int) -> None:
    (far / "a").write_bytes(b"first")
    names = ("If-None-Match", "if-none-match")  # two lines of one header
    answer = await held.ask("PUT", at(far / "a"), b"second", headers=dict(zip(names, lines, strict=False)))
    if status == 201:
        assert answer.status == 201
    else:
        answer.problem(status, {400: "invalid-input", 412: "file-exists"}[status])
    assert (far / "a").read_bytes() == (b"second" if status == 201 else b"first")


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since"])
@pytest.mark.parametrize("value", ["*", '"tag"', "Sun, 06 Nov 1994 08:49:37 GMT"])
async def test_conditions_that_are_not_heeded_are_refused(held: Running, far: Path, name: str, value: str) -> None:
    (far / "a").write_bytes(b"first")
    for file in ("a", "none"):
        answer = await held.ask("PUT", at(far / file), b"second", headers={name: value})
        assert name in answer.problem(400, "invalid-input")["detail"]
    assert [file.read_bytes() for file in far.iterdir()] == [b"first"]


async def test_it_takes_files(held: Running, far: Path) -> None:
    headers = {"Authorization": f"Bearer {READER}"}
    for method in ("GET", "PUT"):
        (await held.ask(method, at(far / "a"), headers=headers)).problem(403, "not-allowed")


async def test_a_client_that_leaves_changes_nothing(held: Running, far: Path) -> None:
    (far / "a").write_text("as it was")
    async with held.client() as client:
        await client.send("PUT", at(far / "a"), b"x" * 100_000, {"Content-Length": "1000000"})
        client.abort()
    await held.idle()
    assert [path.read_text() for path in far.iterdir()] == ["as it was"]


async def test_a_reader_that_leaves_ends_the_reading(held: Running, far: Path) -> None:
    (far / "a").write_bytes(bytes(50_000_000))
    async with held.client() as client:
        await client.send("GET", at(far / "a"))
        assert (await client.head()).status == 200
        client.abort()
    await held.idle()


async def test_a_lost_session_cuts_the_answer(door: Running, sshd: Sshd, far: Path) -> None:
    (far / "a").write_bytes(bytes(50_000_000))
    async with FaultyLink(sshd.host, sshd.port) as link:
        await door.hold_sshd("web1", sshd, link.port)
        async with door.client() as client:
            await client.send("GET", at(far / "a"))
            assert (await client.head()).status == 200
            link.cut()
            with pytest.raises((EOFError, ConnectionError)):
                await client.reader.readexactly(50_000_000)
        await door.pool.stop("web1")
