"""``mooring rpc``, ``get-config``, ``edit-config`` and ``subscribe``, as their users call them, at real servers."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from mooring.client import Daemon
from tests.cli.calling import MOORING, mooring
from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers import netconfd as yuma
from tests.peers import sshd as openssh
from tests.peers.account import Account
from tests.peers.ending import ending
from tests.peers.keys import Keyring
from tests.peers.netconfd import Netconfd
from tests.peers.sshd import Sshd

SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"
CONTACT = f'<system xmlns="{SYSTEM}"><contact/></system>'


@pytest.fixture(scope="module")
def environment(
    keyring: Keyring, login: Account, peers_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """A daemon that holds ``edge1`` and ``edge2``, a server each, ``plain`` without NETCONF, and has ``down``."""
    if reason := yuma.missing() or openssh.missing():
        pytest.skip(reason)
    config = '[sessions.down]\nhost = "127.0.0.1"\nport = 1\nusername = "x"\nhost_key = "off"\n'
    with ExitStack() as stack:
        for alias in ("edge1", "edge2", "plain"):
            sshd = Sshd(keyring, login, peers_folder, {"MaxSessions": 100})
            if alias != "plain":
                netconfd = stack.enter_context(Netconfd(login.name, sshd.port))
                sshd.config["Subsystem"] = netconfd.subsystem
            stack.enter_context(sshd)
            config += table(alias, sshd) + ('label = ["site:ams"]\n' if alias != "plain" else "")
        daemon = stack.enter_context(RunningDaemon(tmp_path_factory.mktemp("d"), config=config))
        daemon.wait_state("edge1", "edge2", "plain")
        daemon.wait_state("down", state="backoff")
        yield daemon.environment()


def change(folder: Path, text: str) -> str:
    path = folder / "change.xml"
    path.write_text(f'<system xmlns="{SYSTEM}"><contact>{text}</contact></system>')
    return str(path)


def contact(alias: str, environment: Mapping[str, str]) -> str | None:
    done = mooring("get-config", alias, "--filter", CONTACT, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    found = re.search("<contact>(.*?)</contact>", done.stdout)
    return found[1] if found else None


def wait_contact(alias: str, wanted: str | None, environment: Mapping[str, str]) -> None:
    """Ask until it is so: nothing tells of it."""
    deadline = time.monotonic() + 60
    while (found := contact(alias, environment)) != wanted:
        assert time.monotonic() < deadline, f"{found} and not {wanted}"


@pytest.mark.parametrize("how", ["name", "xml", "file", "stdin"])
def test_a_request(environment: Mapping[str, str], tmp_path: Path, how: str) -> None:
    xml = '<get-my-session xmlns="http://netconfcentral.org/ns/yuma-mysession"/>'
    (tmp_path / "request.xml").write_text(xml)
    word = {"name": "discard-changes", "xml": xml, "file": f"@{tmp_path}/request.xml", "stdin": "-"}[how]
    done = subprocess.run(
        [*MOORING, "rpc", "edge1", word], env=environment, input=xml, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "<rpc-reply" in done.stdout
    assert ("<ok/>" if how == "name" else "linesize") in done.stdout


def test_a_request_on_a_terminal_is_indented_and_coloured(environment: Mapping[str, str]) -> None:
    words = [
        *MOORING,
        "get-config",
        "edge1",
        "--filter",
        '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"/>',
    ]

    class Raw(OnTerminal):
        def _plain(self) -> str:
            return self._seen.decode()

    with Raw(words, {name: text for name, text in environment.items() if name != "NO_COLOR"}) as terminal:
        code, seen = terminal.end()
    assert code == 0
    assert "\033[36mdata\033[0m" in seen
    assert "\r\n  \033[2m<" in seen
    with Raw(words, {**environment, "NO_COLOR": "1"}) as terminal:
        code, seen = terminal.end()
    assert (code, "\033" in seen) == (0, False)
    assert "\r\n  <data" in seen


def test_several_at_once(environment: Mapping[str, str], tmp_path: Path) -> None:
    done = mooring("rpc", "site:ams", "discard-changes", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(re.findall("<!-- (.*?) -->", done.stdout)) == {"edge1", "edge2"}
    assert done.stdout.count("<ok/>") == 2
    done = mooring("get-config", "site:ams,down", "-o", str(tmp_path / "out"), environment=environment)
    assert done.returncode == 1
    assert "mooring get-config: down: " in done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{tmp_path}/out/{alias}.xml" for alias in ("edge1", "edge2")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["edge1.xml", "edge2.xml"]
    assert "</rpc-reply>" in (tmp_path / "out" / "edge1.xml").read_text()


def test_json(environment: Mapping[str, str]) -> None:
    done = mooring("rpc", "edge1,plain", "discard-changes", "--json", environment=environment)
    told = {line["alias"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, done.stderr) == (1, "")
    assert "<ok/>" in told["edge1"]["xml"]
    assert told["plain"]["error"]["code"] == "channel-refused"


def test_an_error_of_the_device_is_told_with_its_list(environment: Mapping[str, str]) -> None:
    done = mooring("rpc", "edge1", "no-such-thing", environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mooring rpc: edge1 answered: unknown-element")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("rpc", "nobody", "get"), 255, "no session is called nobody"),
        (("rpc", "down", "get"), 255, "mooring start ALIAS"),
        (("rpc", "plain", "get"), 255, "830"),
        (("rpc", "edge1", "two words"), 2, "is no request"),
        (("rpc", "edge1", "<open>"), 2, "this is not XML"),
        (("rpc", "edge1", "@/no/such/file"), 2, "cannot be read"),
        (("rpc", "edge1", "lock"), 2, "would bind the NETCONF channel"),
        (("rpc", "edge1"), 2, "Missing argument"),
        (("rpc", "edge1", "get", "--timeout", "0"), 2, "--timeout"),
        (("get-config", "edge1", "--source", "elsewhere"), 2, "no datastore"),
        (("get-config", "edge1", "--xpath", "/a:b", "--ns", "a"), 2, "PREFIX=URI"),
        (("get-config", "edge1", "--filter", "<a/>", "--xpath", "/b"), 2, "not both"),
        (("edit-config", "edge1", "/no/such/file"), 2, "cannot be read"),
        (("edit-config", "edge1", os.devnull), 2, "no change"),
        (("edit-config", "edge1", os.devnull, "--dry-run", "--confirmed", "9"), 2, "nothing to confirm"),
        (("subscribe", "nobody"), 255, "no session is called nobody"),
        (("subscribe", "edge1", "--stop", "2026-01-01T00:00:00Z"), 2, "start_time"),
    ],
)
def test_what_cannot_be_done(environment: Mapping[str, str], words: tuple[str, ...], code: int, told: str) -> None:
    done = mooring(*words, environment=environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr


def test_a_dry_run_changes_nothing(environment: Mapping[str, str], tmp_path: Path) -> None:
    before = contact("edge1", environment)
    done = mooring("edit-config", "edge1", change(tmp_path, "dry"), "--dry-run", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("--- running\n+++ candidate\n")
    assert re.search(r"^\+ *<contact>dry</contact>$", done.stdout, re.MULTILINE)
    assert contact("edge1", environment) == before
    done = mooring("edit-config", "edge1", change(tmp_path, "dry"), "--dry-run", "--json", environment=environment)
    told = json.loads(done.stdout)
    assert (told["alias"], told["outcome"]) == ("edge1", "valid")
    assert any("dry" in line for line in told["difference"])


def test_a_change(environment: Mapping[str, str], tmp_path: Path) -> None:
    done = mooring("edit-config", "site:ams", change(tmp_path, "changed"), environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["edge1  changed", "edge2  changed"]
    assert {contact(alias, environment) for alias in ("edge1", "edge2")} == {"changed"}
    done = mooring("edit-config", "edge1", change(tmp_path, "changed"), "--dry-run", environment=environment)
    assert (done.returncode, done.stdout) == (0, "edge1  nothing would change\n")


def test_what_get_config_prints_can_be_given_back(environment: Mapping[str, str], tmp_path: Path) -> None:
    mooring("edit-config", "edge1", change(tmp_path, "from edge1"), environment=environment)
    printed = mooring("get-config", "edge1", "--filter", CONTACT, environment=environment).stdout
    done = subprocess.run(
        [*MOORING, "edit-config", "edge2", "-"],
        env=environment,
        input=printed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "edge2  changed\n", "")
    assert contact("edge2", environment) == "from edge1"


def test_a_change_that_is_refused_leaves_nothing(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_text('<nothing xmlns="urn:such"/>')
    before = contact("edge1", environment)
    for flags in ((), ("--dry-run",), ("--confirmed", "60")):
        done = mooring("edit-config", "edge1", str(tmp_path / "bad.xml"), *flags, environment=environment)
        assert (done.returncode, done.stdout) == (1, "")
        assert "edge1 answered: " in done.stderr
    done = mooring("edit-config", "edge1", change(tmp_path, "good"), "--dry-run", environment=environment)
    assert done.returncode == 0  # nobody holds a lock
    assert contact("edge1", environment) == before


def test_a_lock_of_another_caller_is_told(environment: Mapping[str, str], tmp_path: Path) -> None:
    daemon = Daemon(f"{environment['MOORING_STATE_DIR']}/mooring.sock")
    path = "/v1/sessions/edge1/netconf"
    with closing(daemon.events(f"{path}/channel")) as events:
        _, own = next(events)
        lock = b"<lock><target><candidate/></target></lock>"
        b"".join(daemon.content("POST", f"{path}/rpc?channel={own['channel']}", lock, "application/xml"))
        done = mooring("edit-config", "edge1", change(tmp_path, "locked out"), environment=environment)
        assert (done.returncode, done.stdout) == (1, "")
        assert "lock-denied" in done.stderr
    assert mooring("edit-config", "edge1", change(tmp_path, "let in"), environment=environment).returncode == 0


def test_a_confirmed_change_is_kept_when_all_still_answer(environment: Mapping[str, str], tmp_path: Path) -> None:
    words = ("edit-config", "site:ams", change(tmp_path, "confirmed"), "--confirmed", "60")
    done = mooring(*words, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["edge1  confirmed", "edge2  confirmed"]
    assert contact("edge1", environment) == "confirmed"


def test_a_confirmed_change_is_taken_back_where_one_device_fails(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    before = contact("edge1", environment)
    words = ("edit-config", "edge1,plain", change(tmp_path, "not kept"), "--confirmed", "60")
    done = mooring(*words, environment=environment)
    assert (done.returncode, done.stdout) == (1, "edge1  taken back\n")
    assert contact("edge1", environment) == before


@pytest.mark.parametrize("answer", ["y", "n", "killed"])
def test_a_person_is_asked(environment: Mapping[str, str], tmp_path: Path, answer: str) -> None:
    before = contact("edge1", environment)
    words = [*MOORING, "edit-config", "edge1", change(tmp_path, answer), "--confirmed", "60"]
    with OnTerminal(words, environment) as terminal:
        terminal.expect("Keep it? [y/N]")
        assert contact("edge1", environment) == answer
        if answer == "killed":
            terminal.process.send_signal(signal.SIGKILL)
            terminal.process.wait(30)
        else:
            terminal.type(f"{answer}\r")
            code, seen = terminal.end()
            assert code == (0 if answer == "y" else 1)
            assert ("edge1  confirmed" if answer == "y" else "edge1  taken back") in seen
    if answer == "killed":
        wait_contact("edge1", before, environment)  # the daemon sees by itself that it is gone
    assert contact("edge1", environment) == (answer if answer == "y" else before)
    done = mooring("edit-config", "edge1", change(tmp_path, "after"), "--dry-run", environment=environment)
    assert done.returncode == 0  # the lock is free


@contextmanager
def changing(selector: str, environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Change devices again and again, inside the block: nothing tells when a subscription stands."""
    over = threading.Event()

    def edit() -> None:
        for number in itertools.count():
            mooring("edit-config", selector, change(folder, f"again {number}"), environment=environment)
            if over.is_set():
                return

    editor = threading.Thread(target=edit, daemon=True)
    editor.start()
    try:
        yield
    finally:
        over.set()
        editor.join()


def test_notifications(environment: Mapping[str, str], tmp_path: Path) -> None:
    for number in range(2):
        mooring("edit-config", "edge1", change(tmp_path, f"notified {number}"), environment=environment)
    words = [*MOORING, "subscribe", "edge1,edge2", "--json"]
    with (
        ending(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)) as process,
        changing("site:ams", environment, tmp_path),
    ):
        assert process.stdout is not None
        seen: set[str] = set()
        while seen != {"edge1", "edge2"}:
            told = json.loads(process.stdout.readline())
            assert "<notification" in told["xml"]
            seen.add(told["alias"])
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 0


def test_notifications_on_a_terminal(environment: Mapping[str, str], tmp_path: Path) -> None:
    words = [*MOORING, "subscribe", "edge1"]
    with OnTerminal(words, environment) as terminal:
        with changing("edge1", environment, tmp_path):
            terminal.expect("<netconf-config-change", timeout=60)
        terminal.type("\x03")
        code, _ = terminal.end()
    assert code == 0
