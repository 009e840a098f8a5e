"""The old README as a program of its own: what it prints, in which order, and how the process ends."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mooring.blocking.loop import loop_thread
from mooring.simulate import SimulatedDevices
from mooring.simulate.ports import ReservedPort
from tests.peers.ending import ending

TIMEOUT = 40

CREATE = """\
from mooring.compat.junospyez_ossh_server import OutboundSSHServer

server = OutboundSSHServer('0.0.0.0', port=9000, login_user='admin', login_password='juniper123')
"""
CALLBACK = """
import json

def dump_device_facts(device, facts):
    print("GOT FACTS: ", json.dumps(facts, indent=3))
"""
LOGGING = """
import logging

server.logger.setLevel(logging.INFO)
server.logger.addHandler(logging.StreamHandler())
"""
START = """
server.start(on_device=dump_device_facts)
"""
STOP = """
server.stop()
"""
WAIT = """
import sys
sys.stdin.readline()
"""

FACTS = r"""\{
   "os_version": "15\.1X53-D59\.3",
   "hostname": "device1",
   "device_sn": "JX0000000001",
   "device_model": "EX2300-48T",
   "mgmt_interface": "vme",
   "mgmt_ipaddr": "(192\.168\.\d+\.\d+)",
   "mgmt_macaddr": "f0:4b:3a:[0-9a-f:]{8}"
\}
"""
STARTED = "outbound-ssh-server: started\n"
"""Printed by who started it, while the first device may be there already: its place is not told."""
TRANSCRIPT = rf"""outbound-ssh-server: starting on 127\.0\.0\.1:PORT
outbound-ssh-server: accepted connection from (127\.0\.0\.1:\d+)
establishing netconf to device via: \1
gathering basic facts from device via: \1
{FACTS}completed device with management IP address: \2
GOT FACTS:  {FACTS}"""


@contextmanager
def running(program: str, *, device: bool = True) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program that listens on a port of its own, and a device that calls it until it is there."""
    reserved = ReservedPort()
    text = program.replace("'0.0.0.0', port=9000", f"'127.0.0.1', port={reserved.port}")
    with contextlib.ExitStack() as stack:
        stack.callback(reserved.close)
        devices, thread = SimulatedDevices("127.0.0.1", reserved.port, reconnect=0.1), loop_thread()
        if device:
            thread.enter(devices, "devices")
        stack.callback(thread.leave, devices, "devices")
        process = subprocess.Popen(
            [sys.executable, "-u", "-W", "ignore", "-c", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        yield stack.enter_context(ending(process)), reserved.port


def read_until(process: subprocess.Popen[str], ended: Callable[[str], bool]) -> str:
    """What it prints, up to a line."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if ended(text):
            break
    return text


def told(text: str) -> bool:
    """Whether the callback has printed all."""
    return "GOT FACTS" in text and text.endswith("}\n")


def test_the_readme_as_written() -> None:
    program = CREATE + CALLBACK + LOGGING + START + WAIT + STOP
    with running(program) as (process, port):
        text = read_until(process, told)
        assert STARTED in text
        assert re.fullmatch(TRANSCRIPT.replace("PORT", str(port)), text.replace(STARTED, "")), text
        rest, _ = process.communicate("\n", timeout=TIMEOUT)
        assert (rest, process.returncode) == ("outbound-ssh-server: stopped\n", 0)


def test_a_program_may_end_with_start() -> None:
    with running(CREATE + CALLBACK + START) as (process, _):
        assert told(read_until(process, told))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)


def test_stop_in_a_callback_ends_such_a_program() -> None:
    callback = "\ndef dump_device_facts(device, facts):\n    server.stop()\n    print('done')\n"
    with running(CREATE + callback + START) as (process, _):
        assert process.communicate(timeout=TIMEOUT)[0] == "done\n"
        assert process.returncode == 0


@pytest.mark.parametrize("daemon", ["server.daemon = True", "sys.ps1 = '>>> '"])
def test_what_does_not_hold_the_process_up(daemon: str) -> None:
    before, after = ("", daemon) if daemon.startswith("server") else (f"import sys; {daemon}\n", "")
    with running(before + CREATE + CALLBACK + after + START + "print('over')", device=False) as (process, _):
        assert process.communicate(timeout=TIMEOUT)[0] == "over\n"
        assert process.returncode == 0


def test_it_ends_with_a_device_logged_in() -> None:
    with running(CREATE + CALLBACK + "server.daemon = True" + START + WAIT) as (process, _):
        assert told(read_until(process, told))
        assert process.communicate("\n", timeout=TIMEOUT)[0] == ""
        assert process.returncode == 0
