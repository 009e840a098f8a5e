"""Python's SSH clients as a program: ``python clients.py NAME HOST PORT USER KEY ...`` prints what it saw, as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

HOST, PORT, USER, KEY, *REST = sys.argv[2:]
PASSWORD = KEY.removeprefix("password:") if KEY.startswith("password:") else None
"""A device that is reached without a gateway may want one, in the key's place."""
TEXT = bytes(range(256)) * 4000


def with_paramiko() -> Any:  # noqa: ANN401 - JSON
    """Commands, a terminal, files."""
    import paramiko  # noqa: PLC0415 - of several, the one that is asked for

    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.RejectPolicy)
        client.load_host_keys(REST[1])
        client.connect(HOST, int(PORT), USER, key_filename=KEY, allow_agent=False, look_for_keys=False)
        stdin, stdout, stderr = client.exec_command("cat; echo err >&2; exit 7")
        stdin.write(TEXT)
        stdin.channel.shutdown_write()
        out = stdout.read(), stderr.read(), stdout.channel.recv_exit_status()
        _, terminal, _ = client.exec_command("stty size", get_pty=True)
        size = terminal.read().decode()
        path = f"{REST[0]}/paramiko"
        with client.open_sftp() as sftp:
            with sftp.open(path, "wb") as file:
                file.write(TEXT)
            with sftp.open(path, "rb") as file:
                back = file.read()
            listed = sorted(sftp.listdir(REST[0]))
            sftp.remove(path)
    return [hashlib.sha256(out[0]).hexdigest(), out[1].decode(), out[2], size, back == TEXT, listed]


def with_netmiko() -> Any:  # noqa: ANN401 - JSON
    """A conversation with a shell or a command line."""
    from netmiko import ConnectHandler  # noqa: PLC0415

    kind = REST[0]
    shown = {"use_keys": True, "key_file": KEY} if PASSWORD is None else {"password": PASSWORD}
    login = {"username": USER, "allow_agent": False, **shown}
    with ConnectHandler(device_type=kind, host=HOST, port=int(PORT), conn_timeout=20, **login) as connection:
        if kind == "juniper_junos":
            return connection.send_command("show version")
        return [connection.send_command("echo one; echo two"), connection.send_command("expr 6 \\* 7")]


def with_ncclient() -> Any:  # noqa: ANN401 - JSON
    """NETCONF."""
    from ncclient import manager  # noqa: PLC0415

    with manager.connect(
        host=HOST,
        port=int(PORT),
        username=USER,
        key_filename=None if PASSWORD else KEY,
        password=PASSWORD,
        hostkey_verify=False,
        allow_agent=False,
        look_for_keys=False,
        device_params={"name": "junos"},
    ) as session:
        found = session.get_config("running").data_xml
        return [sorted(session.server_capabilities), found, str(session.rpc("<get-system-information/>"))]


def with_pyez() -> Any:  # noqa: ANN401 - JSON
    """Facts and an RPC."""
    from jnpr.junos import Device  # noqa: PLC0415

    shown = {"ssh_private_key_file": KEY} if PASSWORD is None else {"password": PASSWORD}
    with Device(host=HOST, port=int(PORT), user=USER, ssh_config=os.devnull, **shown) as device:
        return [device.facts["hostname"], device.facts["serialnumber"], device.facts["model"]]


CLIENTS = {"paramiko": with_paramiko, "netmiko": with_netmiko, "ncclient": with_ncclient, "pyez": with_pyez}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    Path(os.environ.get("HOME", "/nonexistent")).joinpath(".ssh").mkdir(parents=True, exist_ok=True)
    sys.stdout.write(json.dumps(CLIENTS[sys.argv[1]]()))
