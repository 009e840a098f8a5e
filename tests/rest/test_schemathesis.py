"""schemathesis reads ``/schema/openapi.json`` of a real daemon, and asks for whatever that allows, and forbids."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from mooring.simulate.ports import ReservedPort
from mooring.wire.frames import Kind, Opening, Terminal
from tests.cli.fleet import simulated
from tests.daemon.running import RunningDaemon
from tests.peers.process import HOST

TREE: Final = str(Path(__file__).parents[2])
DOOMED: Final = "doomed"
QUIET: Final = ("--warnings", "off", "--no-color", "--continue-on-failure", "--request-timeout", "30")
STREAMS: Final = {
    "/v1/events": "it goes on until its reader leaves",
    "/v1/sessions/{alias}/netconf/channel": "likewise",
    "/v1/sessions/{alias}/netconf/notifications": "likewise",
}
"""What is not asked for, and why. The WebSocket at ``.../channel`` is described as what plain HTTP gets there."""
CHECKS: Final = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "fails_as_described",
    "lines_are_as_described",
)
"""All but these: ``not_a_server_error``, since a peer that fails is a described 5xx (``fails_as_described`` is
stricter with the rest), and ``positive_data_acceptance``, since what a selector is no schema says."""


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[RunningDaemon, str]]:
    """A host that answers commands, a device that speaks NETCONF and one that waits, and one of what there may be."""
    folder = Path(tempfile.mkdtemp(prefix="mooringd-"))
    nobody = ReservedPort(HOST)
    try:
        with simulated("--count", "1") as hosts:
            sections = [
                f'[sessions.{alias}]\nhost = "{HOST}"\nport = {port}\nhost_key = "{hosts["host_key"]}"\n'
                for alias, port in (("web1", hosts["hosts"][0]["port"]), (DOOMED, nobody.port))
            ]
            config = "".join((*sections, "[recordings]\nenabled = true\nfree_mib = 1\n"))
            with RunningDaemon(folder, config=config, arguments=["--call-home", f"{HOST}:0"]) as daemon:
                daemon.wait_state("web1")
                _give(daemon)
                port = daemon.log().partition(f"devices may call home at {HOST}:")[2].partition("\n")[0]
                with simulated("--call-home", f"{HOST}:{port}", "--reconnect", "0.1", "--count", "2", what="junos"):
                    yield daemon, _let_in(daemon)
    finally:
        nobody.close()
        shutil.rmtree(folder)


def _give(daemon: RunningDaemon) -> None:
    """One of everything, and one of what may be taken away."""
    ask = daemon.client.request
    forward = {"alias": "web1", "kind": "local", "listen": 0, "destination": "x:1"}
    token = {"actions": ["read"], "selector": "all", "expires_in": None}
    for name in ("one", DOOMED):
        ask("POST", "/v1/forwards", forward | {"name": name})
        ask("POST", "/v1/tokens", token | {"name": name})
        ask("POST", "/v1/agent-tokens", {"agent_id": name, "alias": f"agent-{name}"})
    opening = Opening("terminal", "sleep 600", term=Terminal("xterm", 80, 24), name="one")
    with daemon.client.channel("web1", opening) as seat:  # which is recorded, and goes on without
        while not seat.opened:
            assert select.select([seat], [], [], 30.0)[0]
            assert not [frame for frame in seat.receive() if frame.kind is Kind.ERROR]


def _let_in(daemon: RunningDaemon) -> str:
    """Of two devices that call, let one in and wait until it is up; the id of the other."""
    seen: list[dict[str, Any]] = []
    for _ in daemon.client.events("/v1/events"):  # one for each that comes, and a snapshot before them
        seen = daemon.client.request("GET", "/v1/pending")["pending"]
        if len(seen) == 2:
            break
    first, other = seen
    approved = {"alias": "nc1", "username": "admin", "password": "juniper123"}
    daemon.client.request("POST", f"/v1/pending/{first['id']}/approve", approved)
    daemon.wait_state("nc1")
    return str(other["id"])


def _ask_everything(asked: tuple[RunningDaemon, str], folder: Path, *options: str) -> None:
    """Have schemathesis ask; what it says is the failure."""
    daemon, pending = asked
    (recording,) = daemon.client.request("GET", "/v1/recordings")["recordings"]
    schema: dict[str, Any] = daemon.client.request("GET", "/schema/openapi.json")
    file = folder / "openapi.json"
    file.write_text(json.dumps(schema))
    excluded = [word for path in STREAMS for word in ("--exclude-path", path)]
    assert set(STREAMS) <= set(schema["paths"])
    program, token = str(Path(sys.executable).with_name("schemathesis")), f"Authorization: Bearer {daemon.token}"
    done = subprocess.run(
        [
            program,
            "run",
            file,
            "--url",
            daemon.url,
            "-H",
            token,
            *excluded,
            "--checks",
            ",".join(CHECKS),
            *QUIET,
            *options,
        ],
        cwd=folder,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.rest.schemathesis_hooks",
            "PENDING": pending,
            "RECORDING": recording["id"],
            "PYTHONPATH": TREE,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=290,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in daemon.log()
    read = daemon.client.request("GET", "/v1/audit?what=admin.recording.read&outcome=done&limit=1")
    assert read["records"]  # it was seen what there is, and not what is said of none


@pytest.mark.timeout(300)
def test_every_answer_is_as_described(asked: tuple[RunningDaemon, str], tmp_path: Path) -> None:
    _ask_everything(
        asked, tmp_path, "--phases", "coverage,fuzzing", "--max-examples", "2", "--generation-deterministic"
    )


@pytest.mark.soak
def test_every_answer_of_many_and_of_some_in_a_row(asked: tuple[RunningDaemon, str], tmp_path: Path) -> None:
    limits = ["--max-examples", "30", "--max-time", "50", "--generation-database", "none"]
    _ask_everything(asked, tmp_path, "--phases", "coverage,fuzzing,stateful", *limits)
