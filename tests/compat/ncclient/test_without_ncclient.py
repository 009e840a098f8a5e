"""Sessions, listeners and errors where ncclient is not installed."""

from __future__ import annotations

import subprocess
import sys

from .conftest import HOST, Junos

PROGRAM = """
import sys
sys.modules["ncclient"] = None  # an import of it fails
from mooring import blocking
from mooring.compat.ncclient import install
from mooring.compat.ncclient.transport import *

class Listener(SessionListener):
    heard = []
    def callback(self, root, raw):
        self.heard.append(root)
        if "get-system" in raw or "system-information" in raw:
            print(root[1]["message-id"], "device1" in raw, type(raw).__name__)
            session.close()
    def errback(self, ex):
        print(type(ex).__name__)

session = SSHSession()
assert isinstance(session, Session) and issubclass(SSHUnknownHostError, NCClientError)
assert "urn:ietf:params:netconf:base:1.1" in session.client_capabilities
listener = Listener()
session.add_listener(listener)
assert session.get_listener_instance(Listener) is listener
login = {"username": "admin", "allow_agent": False, "look_for_keys": False}
for options in ({"hostkey_verify": False, "password": "wrong"}, {"hostkey": KEY[:-8] + "AAAAAAAA"}):
    try:
        session.connect(HOST, PORT, **login, **options)
    except TransportError as error:
        print(type(error).__name__, str(error).partition(" [")[0].partition(":")[0])
session.connect(HOST, PORT, **login, password="juniper123", hostkey=KEY)
assert ":candidate" in session.server_capabilities
assert "urn:ietf:params:netconf:capability:candidate:1.0" in session.server_capabilities
assert session.take_notification(block=False) is None
session.send('<rpc message-id="7"><get-system-information/></rpc>')
session.join(30)
try:
    session.send("<rpc/>")
except TransportError as error:
    print(error)
try:
    SSHSession().connect(None)
except SSHError as error:
    print(error)
print(SessionCloseError(b"in", b"out"))
try:
    install()
except ImportError:
    print("not installed")
session.remove_listener(listener)
blocking.shutdown()
"""

SAID = """\
AuthenticationError admin@HOST
SSHUnknownHostError Unknown host key
7 True str
Not connected to NETCONF server
Missing host, socket or socket fd
Unexpected session close
IN_BUFFER: `b'in'` OUT_BUFFER: `b'out'`
not installed
"""


def test_program(junos: Junos) -> None:
    names = f"HOST, PORT, KEY = {HOST!r}, {junos.port}, {junos.device.public_key!r}\n"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", names + PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )
    said = "\n".join(line.replace(f"@{HOST}", "@HOST") for line in done.stdout.split("\n"))
    told = [line for line in done.stderr.splitlines() if not line.startswith("Executing ")]  # a slow machine's step
    assert (said, told) == (SAID, [])
