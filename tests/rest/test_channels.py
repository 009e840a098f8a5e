"""``/channels``: sshpool's dialect, to the byte, as sshpool 0.1.2 under Flask 1.1 was seen to speak it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx
import pytest

from mooring import Pool
from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.secret import MASK, Secret
from mooring.rest import Access, make_app
from mooring.service import Fleet
from tests.peers.fixtures import StartSshd
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd

pytestmark = pytest.mark.anyio

FORM = "application/x-www-form-urlencoded"
HTML = "text/html; charset=utf-8"
TOKENS = {
    "root": Actor(name="root", door="tcp", grants=(ADMIN,)),
    "reader": Actor(name="reader", door="tcp", grants=(Grant(selector="all", actions=frozenset({Action.READ})),)),
    "runner": Actor(
        name="runner", door="tcp", grants=(Grant(selector="loc", actions=frozenset({Action.READ, Action.RUN})),)
    ),
}


class Api(httpx.AsyncClient):
    """A client of the application, as the user with all rights."""

    def __init__(self, fleet: Fleet) -> None:
        door = make_app(fleet, Access([(Secret(name * 4), actor) for name, actor in TOKENS.items()]), version="0")

        async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has them
            scope["state"] = {}  # the daemon's server has put one there
            await door(scope, receive, send)

        super().__init__(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=self.bearer("root"), timeout=30.0
        )

    @staticmethod
    def bearer(name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {name * 4}"}

    async def send_text(self, path: str, text: str | bytes, kind: str | None = None) -> httpx.Response:
        return await self.post(path, content=text, headers={} if kind is None else {"content-type": kind})


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with Pool(config=None) as pool:
        fleet = Fleet(pool, None)
        await fleet.restore([])
        yield fleet


@pytest.fixture
async def api(fleet: Fleet) -> AsyncIterator[Api]:
    async with Api(fleet) as client:
        yield client


def dsn(server: Sshd, alias: str = "loc", options: str = "") -> str:
    """A DSN that leads into a server."""
    key = quote(public_line(server.host_keys[0]))
    return f"{alias}://{server.user}@127.0.0.1:{server.port}?identity={server.client_key}&host_key={key}{options}"


async def up(api: Api, server: Sshd, alias: str = "loc") -> None:
    """Have a channel that is alive."""
    assert (await api.send_text("/channels", dsn(server, alias))).text == "OK"

    async def alive() -> None:
        while not (await api.get(f"/channels/{alias}")).json()["is_alive"]:  # noqa: ASYNC110 - as a client of sshpool
            await asyncio.sleep(0.01)

    await asyncio.wait_for(alive(), 20)


def told(answer: httpx.Response) -> tuple[int, str, bytes]:
    return answer.status_code, answer.headers["content-type"], answer.content


async def test_no_channels(api: Api) -> None:
    assert told(await api.get("/channels")) == (200, "application/json", b"{}\n")


async def test_meta_information(api: Api, sshd: Sshd) -> None:
    before = time.time()
    await up(api, sshd)
    status, kind, body = told(await api.get("/channels/loc"))
    assert (status, kind) == (200, "application/json")
    shape = rb'{"host":"127.0.0.1","is_alive":true,"pass":null,"port":%d,"start_time":(\d+\.\d+),"user":"%s"}\n'
    match = re.fullmatch(shape % (sshd.port, sshd.user.encode()), body)
    assert match
    assert before < float(match[1]) < time.time()
    assert told(await api.get("/channels")) == (200, "application/json", b'{"loc":' + body.strip() + b"}\n")


async def test_user_and_port_are_those_in_use(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host edge\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile {sshd.client_key}\n  UserKnownHostsFile {sshd.known_hosts}\n"
    )
    async with Pool(config=config) as pool, Api(fleet := Fleet(pool, None)) as api:
        await fleet.restore([])
        await api.send_text("/channels", "loc://edge")
        await api.send_text("/channels/loc", "true")
        meta = (await api.get("/channels/loc")).json()
    assert (meta["user"], meta["host"], meta["port"]) == (sshd.user, "edge", sshd.port)


async def test_aliases_are_sorted_and_kept_as_written(api: Api) -> None:
    for alias in ("b_1", "Aa", "a"):
        await api.send_text("/channels", f"{alias}://127.0.0.1:1")
    assert list((await api.get("/channels")).json()) == ["Aa", "a", "b_1"]


async def test_a_password_is_masked(api: Api) -> None:
    await api.send_text("/channels", "a://u:p%40ss@127.0.0.1:1")
    await api.send_text("/channels", "b://u@127.0.0.1:1?password_from=env:NO_SUCH")
    answer = await api.get("/channels")
    assert [channel["pass"] for channel in answer.json().values()] == [MASK, MASK]
    assert "p%40ss" not in answer.text
    assert "p@ss" not in answer.text


@pytest.mark.parametrize("kind", [None, "text/plain", FORM, "application/json", "text/plain; charset=utf-8"])
async def test_a_channel_is_started_whatever_the_body_is_said_to_be(api: Api, kind: str | None) -> None:
    assert told(await api.send_text("/channels", "a://u:p%40w+x@127.0.0.1:1", kind)) == (200, HTML, b"OK")
    assert (await api.get("/channels/a")).json()["user"] == "u"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (quote("a://u@127.0.0.1:1", safe=""), FORM),
        (urlencode({"dsn": "a://u@127.0.0.1:1"}), FORM),
        ("dsn=a://u@127.0.0.1:1", FORM),
        (urlencode({"a://u@127.0.0.1:1": ""}), FORM),
        ('"a://u@127.0.0.1:1"', "application/json"),
        ('{"dsn": "a://u@127.0.0.1:1"}', "application/json; charset=utf-8"),
        ("a://u@127.0.0.1:1\n", None),
    ],
)
async def test_a_channel_is_started_by_every_form_of_its_dsn(api: Api, body: str, kind: str | None) -> None:
    assert (await api.send_text("/channels", body, kind)).text == "OK"
    assert (await api.get("/channels/a")).json()["port"] == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("nodsn", None),
        ("", None),
        ("://127.0.0.1", None),
        ("a://", None),
        ("a b://127.0.0.1", None),
        ("all://127.0.0.1", None),
        ("a://127.0.0.1:1?nonsense=1", None),
        ("a://u:********@127.0.0.1", None),
        (b"a://\xff", None),
        ("dsn=a://127.0.0.1&dsn=b://127.0.0.1", FORM),
        ("--x\r\n\r\na://127.0.0.1\r\n--x--", "multipart/form-data; boundary=x"),
    ],
)
async def test_what_is_no_dsn_changes_nothing(api: Api, body: str, kind: str | None) -> None:
    assert told(await api.send_text("/channels", body, kind)) == (400, HTML, b"BAD REQUEST")
    assert (await api.get("/channels")).json() == {}


async def test_a_bad_dsn_is_logged_without_its_password(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await api.send_text("/channels", "a://u:hunter2@host:port")
    assert "Unable to start SSH channel due to InvalidTarget(" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("echo hi; echo err >&2; exit 3", b'{"exit_code":3,"stderr":"err\\n","stdout":"hi\\n"}\n'),
        ("kill -9 $$", b'{"exit_code":-1,"stderr":"","stdout":""}\n'),
        ("printf 'h\\303\\251<&>'", b'{"exit_code":0,"stderr":"","stdout":"h\\u00e9<&>"}\n'),
        ("printf 'a\\377'", b'{"exit_code":0,"stderr":"","stdout":"a\\\\xff"}\n'),
        ("echo é+%41", b'{"exit_code":0,"stderr":"","stdout":"\\u00e9+%41\\n"}\n'),
    ],
)
@pytest.mark.parametrize("kind", [None, "text/plain", FORM, "application/json"])
async def test_a_command(api: Api, sshd: Sshd, command: str, body: bytes, kind: str | None) -> None:
    await up(api, sshd)
    assert told(await api.send_text("/channels/loc", command, kind)) == (200, "application/json", body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (quote("echo a=b+c", safe=""), FORM),
        (quote_plus("echo a=b+c"), FORM),
        (urlencode({"command": "echo a=b+c"}), FORM),
        ('{"command": "echo a=b+c"}', "application/json"),
        ('"echo a=b+c"', "application/json"),
    ],
)
async def test_a_command_in_every_form(api: Api, sshd: Sshd, body: str, kind: str) -> None:
    await up(api, sshd)
    assert (await api.send_text("/channels/loc", body, kind)).json()["stdout"] == "a=b+c\n"


async def test_much_on_standard_error_does_not_stop_it(api: Api, sshd: Sshd) -> None:
    await up(api, sshd)
    answer = (await api.send_text("/channels/loc", "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo done")).json()
    assert (len(answer["stderr"]), answer["stdout"], answer["exit_code"]) == (5_000_000, "done\n", 0)


async def test_too_much_output_is_said_to_be(api: Api, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.rest.channels.MAX_OUTPUT", 1000)
    await up(api, sshd)
    for command in ("head -c 1001 /dev/zero", "head -c 1001 /dev/zero >&2"):
        answer = (await api.send_text("/channels/loc", command)).json()
        assert list(answer) == ["exception"]
        assert answer["exception"].startswith("the command ended with 0, and printed too much: ")
    assert (await api.send_text("/channels/loc", "head -c 1000 /dev/zero")).json()["exit_code"] == 0


async def test_commands_on_one_channel_run_side_by_side(api: Api, sshd: Sshd) -> None:
    await up(api, sshd)
    waiting = "until [ -e $HOME/met ]; do sleep 0.02; done; rm $HOME/met; echo a"
    first = asyncio.create_task(api.send_text("/channels/loc", waiting))
    second = await api.send_text("/channels/loc", "touch $HOME/met; echo b")
    assert second.json()["stdout"] == "b\n"
    assert (await first).json()["stdout"] == "a\n"


async def test_a_command_may_follow_at_once(api: Api, sshd: Sshd) -> None:
    await api.send_text("/channels", dsn(sshd))
    assert (await api.send_text("/channels/loc", "echo hi")).json()["stdout"] == "hi\n"


async def test_a_command_for_a_channel_that_is_down_connects_first(api: Api, start_sshd: StartSshd) -> None:
    server = start_sshd()
    await up(api, server)
    server.stop()
    await _dead(api)
    server.start()
    assert (await api.send_text("/channels/loc", "echo again")).json()["stdout"] == "again\n"


async def _dead(api: Api) -> None:
    async with asyncio.timeout(30):
        while (await api.get("/channels/loc")).json()["is_alive"]:  # noqa: ASYNC110 - as a client of sshpool
            await asyncio.sleep(0.01)


async def test_a_command_for_a_dead_host_has_an_exception(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.rest.channels.WAIT", 0.3)
    assert (await api.send_text("/channels", "loc://127.0.0.1:1")).text == "OK"
    answer = await api.send_text("/channels/loc", "true")
    assert told(answer)[:2] == (200, "application/json")
    assert re.fullmatch(r'\{"exception":"SessionNotUp\(.*\)"\}\n', answer.text)
    assert (await api.get("/channels/loc")).json()["is_alive"] is False


async def test_a_command_for_a_parked_channel_does_not_try_again(api: Api, start_sshd: StartSshd) -> None:
    server = start_sshd()
    await api.send_text(
        "/channels", f"loc://{server.user}@127.0.0.1:{server.port}?host_key=SHA256:{'A' * 43}&identity=none"
    )
    for _ in range(2):
        answer = (await api.send_text("/channels/loc", "true")).json()
        assert list(answer) == ["exception"]
        assert answer["exception"].startswith("SessionParked(")
    assert server.log().count("Connection from") == 1


async def test_an_empty_command_has_an_exception(api: Api, sshd: Sshd) -> None:
    await up(api, sshd)
    assert (await api.send_text("/channels/loc", " ")).json()["exception"].startswith("InvalidInput(")


async def test_a_held_alias_is_replaced(api: Api, sshd: Sshd) -> None:
    await api.send_text("/channels", "loc://127.0.0.1:1")
    await up(api, sshd)
    assert (await api.get("/channels/loc")).json()["port"] == sshd.port
    assert (await api.send_text("/channels", "loc://127.0.0.1:bad")).status_code == 400
    assert (await api.send_text("/channels/loc", "echo still")).json()["stdout"] == "still\n"


async def test_a_channel_is_terminated(api: Api) -> None:
    await api.send_text("/channels", "loc://127.0.0.1:1")
    await api.send_text("/channels", "other://127.0.0.1:1")
    assert told(await api.delete("/channels/loc")) == (200, HTML, b"OK")
    assert list((await api.get("/channels")).json()) == ["other"]
    assert told(await api.delete("/channels/loc")) == (404, HTML, b"NOT FOUND")


@pytest.mark.parametrize("alias", ["all", "*", "a,b", "oth*", "nope"])
async def test_only_an_alias_is_meant(api: Api, alias: str) -> None:
    await api.send_text("/channels", "other://127.0.0.1:1")
    path = f"/channels/{quote(alias, safe='')}"
    for answer in (await api.get(path), await api.delete(path), await api.send_text(path, "true")):
        assert told(answer) == (404, HTML, b"NOT FOUND")
    assert list((await api.get("/channels")).json()) == ["other"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/channels", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/channels", "GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/channels/x", "DELETE, GET, HEAD, OPTIONS, POST"),
    ],
)
async def test_other_methods(api: Api, method: str, path: str, allowed: str) -> None:
    answer = await api.request(method, path)
    assert told(answer) == (
        405,
        HTML,
        (
            b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<title>405 Method Not Allowed</title>\n'
            b"<h1>Method Not Allowed</h1>\n<p>The method is not allowed for the requested URL.</p>\n"
        ),
    )
    assert answer.headers["allow"] == allowed


async def test_head_has_the_headers_of_get(api: Api) -> None:
    answer = await api.head("/channels")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(
    ("who", "statuses"), [("reader", (200, 403, 403, 403)), ("runner", (200, 200, 403, 403)), ("nobody", (401,) * 4)]
)
async def test_what_is_not_granted_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, who: str, statuses: tuple[int, ...]
) -> None:
    monkeypatch.setattr("mooring.rest.channels.WAIT", 0.05)
    await api.send_text("/channels", "loc://127.0.0.1:1")
    api.headers.update(api.bearer(who))
    answers = [
        await api.get("/channels/loc"),
        await api.send_text("/channels/loc", "true"),
        await api.send_text("/channels", "new://127.0.0.1:1"),
        await api.delete("/channels/loc"),
    ]
    assert tuple(answer.status_code for answer in answers) == statuses


async def test_what_may_not_be_seen_is_not_there(api: Api) -> None:
    await api.send_text("/channels", "secret://127.0.0.1:1")
    api.headers.update(api.bearer("runner"))
    assert (await api.get("/channels")).json() == {}
    assert (await api.send_text("/channels/secret", "true")).status_code == 404
