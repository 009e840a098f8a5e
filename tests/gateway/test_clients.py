"""Other people's clients through the gateway: to an sshd, dialed and called home, an agent, and a simulated Junos.

What each sees is compared with what it sees without a gateway.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.peers.sshd import Sshd
from tests.pool.homes import PASSWORD

from .door import Done, Door, run
from .targets import SERVERS, Targets

pytestmark = pytest.mark.anyio
PROGRAM = str(Path(__file__).with_name("clients.py"))
TEXT = os.urandom(400_000)
PARAMIKO_SEES = ["err\n", 7, "24 80\r\n", True, ["paramiko"]]


async def python(name: str, *words: object, home: Path) -> Any:  # noqa: ANN401 - JSON
    """What one of ``clients.py`` saw."""
    done = await run(sys.executable, PROGRAM, name, *map(str, words), env={"HOME": str(home)})
    assert done.status == 0, done.err.decode()[-3000:]
    return json.loads(done.out)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def needs(program: str) -> str:
    """A program, or a skipped test."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} here")
    return found


@pytest.mark.parametrize("alias", SERVERS)
async def test_paramiko(targets: Targets, alias: str, home: Path, shared: Path) -> None:
    door, sshd = targets.door, targets.sshd
    through = await python("paramiko", "127.0.0.1", door.port, alias, door.key, shared, door.known_hosts, home=home)
    assert through == [hashlib.sha256(bytes(range(256)) * 4000).hexdigest(), *PARAMIKO_SEES]
    if alias == "home":
        direct = await python(
            "paramiko", "127.0.0.1", sshd.port, sshd.user, sshd.client_key, shared, sshd.known_hosts, home=home
        )
        assert through == direct


@pytest.mark.parametrize("alias", SERVERS)
async def test_netmiko_on_a_shell(targets: Targets, alias: str, home: Path) -> None:
    door = targets.door
    through = await python("netmiko", "127.0.0.1", door.port, alias, door.key, "linux", home=home)
    assert through == ["one\ntwo", "42"]
    if alias == "server":
        sshd = targets.sshd
        words = ("127.0.0.1", sshd.port, sshd.user, sshd.client_key, "linux")
        assert through == await python("netmiko", *words, home=home)


def junos(targets: Targets) -> tuple[object, ...]:
    """How a client reaches the simulated one without a gateway."""
    return "127.0.0.1", targets.junos_port, targets.junos_user, f"password:{PASSWORD}"


async def test_netmiko_on_junos(targets: Targets, home: Path) -> None:
    door = targets.door
    through = await python("netmiko", "127.0.0.1", door.port, "junos", door.key, "juniper_junos", home=home)
    assert "Hostname: device1" in through
    assert through == await python("netmiko", *junos(targets), "juniper_junos", home=home)


async def test_ncclient(targets: Targets, home: Path) -> None:
    door = targets.door
    through = await python("ncclient", "127.0.0.1", door.port, "junos", door.key, home=home)
    capabilities, data, information = through
    assert "urn:ietf:params:netconf:base:1.0" in capabilities
    assert "<data" in data
    assert targets.junos.serial in information
    assert unnumbered(through) == unnumbered(await python("ncclient", *junos(targets), home=home))


def unnumbered(seen: object) -> str:
    """What was seen, without the ids that a client gives its messages by chance."""
    return re.sub(r"urn:uuid:[0-9a-f-]+", "", json.dumps(seen))


async def test_pyez(targets: Targets, home: Path) -> None:
    door = targets.door
    through = await python("pyez", "127.0.0.1", door.port, "junos", door.key, home=home)
    assert through[:2] == ["device1", targets.junos.serial]
    assert through == await python("pyez", *junos(targets), home=home)


async def test_ssh_to_junos(targets: Targets) -> None:
    done = await targets.door.ssh("junos", "--", "show version")
    async with asyncssh.connect(
        "127.0.0.1", targets.junos_port, username="admin", password=PASSWORD, known_hosts=None, config=None
    ) as direct:
        result = await direct.run("show version")
    assert done == Done(result.exit_status or 0, str(result.stdout).encode(), str(result.stderr).encode())
    assert b"device1" in done.out
    hello = (await targets.door.ssh("junos", "-s", "--", "netconf", stdin=b"]]>]]>")).out
    assert b"<hello" in hello


@pytest.mark.parametrize("alias", SERVERS)
async def test_ssh_scp_and_sftp(targets: Targets, alias: str, shared: Path) -> None:
    door = targets.door
    assert await door.ssh(alias, "--", "cat; exit 9", stdin=TEXT) == Done(9, TEXT, b"")
    through = await copies([*door.options(), "-P", str(door.port)], f"{alias}@127.0.0.1", shared)
    if alias == "server":
        assert through == await copies(directly(targets.sshd), f"{targets.sshd.user}@127.0.0.1", shared)
    (shared / "from").write_bytes(TEXT)
    pipe = f"tar c -C {shared} from | {' '.join(door.ssh_command(alias))} 'tar x -O' | cmp - {shared}/from"
    assert await run("sh", "-c", pipe) == Done(0, b"", b"")


async def copies(options: list[str], who: str, shared: Path) -> list[Done]:
    """Copy a file there and back by scp's two protocols and sftp, and see that it is the same."""
    (shared / "from").write_bytes(TEXT)
    (shared / "from").chmod(0o644)
    seen = []
    for words in (["-O"], ["-s"]):
        seen.append(await run("scp", *words, *options, str(shared / "from"), f"{who}:{shared}/to"))
        assert (seen[-1].status, seen[-1].err) == (0, b"")
        assert (shared / "to").read_bytes() == TEXT
    batch = f"put {shared}/from {shared}/put\nls -1 {shared}\nget {shared}/put {shared}/got\nrm {shared}/put\n"
    done = await run("sftp", "-b", "-", *options, who, stdin=batch.encode())
    assert (done.status, done.err) == (0, b"")
    listed = [line for line in done.out.splitlines() if line.startswith(bytes(shared))]
    assert sorted(listed) == [bytes(shared / name) for name in ("from", "put", "to")]
    assert (shared / "got").read_bytes() == TEXT
    assert not (shared / "put").exists()
    for name in ("from", "to", "got"):
        (shared / name).unlink()
    return [*seen, done]


def directly(sshd: Sshd) -> list[str]:
    """What an OpenSSH client is told of the sshd without a gateway."""
    known = ["-o", f"UserKnownHostsFile={sshd.known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    port = ["-o", f"Port={sshd.port}", "-o", "LogLevel=ERROR"]
    return ["-F", "none", *port, *known, "-i", str(sshd.client_key), "-o", "IdentitiesOnly=yes"]


@pytest.mark.parametrize("alias", SERVERS)
async def test_rsync(targets: Targets, alias: str, shared: Path, tmp_path: Path) -> None:
    program = needs("rsync")
    door = targets.door
    tree = tmp_path / "tree"
    (tree / "folder with spaces").mkdir(parents=True)
    (tree / "folder with spaces" / "file").write_bytes(TEXT)
    (tree / "link").symlink_to("folder with spaces/file")
    remote = " ".join(["ssh", *door.options(), "-p", str(door.port)])
    there = f"{alias}@127.0.0.1:{shared}/a copy"
    assert (await run(program, "-a", "--delete", "-e", remote, f"{tree}/", there)).status == 0
    back = tmp_path / "back"
    assert (await run(program, "-a", "-e", remote, f"{there}/", str(back))).status == 0
    assert await run("diff", "-r", str(tree), str(back)) == Done(0, b"", b"")
    if alias == "server":
        direct = " ".join(["ssh", *directly(targets.sshd)]), there.replace(alias, targets.sshd.user, 1)
        words, tree = ("-ain", "--delete"), tree / "folder with spaces"
        seen = [await run(program, *words, "-e", way, f"{tree}/", at) for way, at in ((remote, there), direct)]
        assert seen[0] == seen[1]
        assert b"*deleting   link" in seen[0].out
    door.allow(*(_only_files(door)))
    assert (await run(program, "-a", "-e", remote, f"{there}/", str(tmp_path / "again"))).status == 0


def _only_files(door: Door) -> Any:  # noqa: ANN401 - a user
    from mooring.model.access import Action  # noqa: PLC0415

    from .door import user  # noqa: PLC0415

    return [user("ann", door.key, [Action.FILES])]


async def plink(port: int, host_key: asyncssh.SSHKey, who: str, private: Path, command: str) -> Done:
    """PuTTY's own client, which wants keys in a format of its own."""
    folder = private.parent
    program, ppk = needs("plink"), folder / f"{port}.ppk"
    made = await run(needs("puttygen"), str(private), "-o", str(ppk))
    assert made.status == 0, made
    words = ["-ssh", "-batch", "-P", str(port), "-i", str(ppk), "-hostkey", host_key.get_fingerprint()]
    return await run(program, *words, f"{who}@127.0.0.1", command, stdin=TEXT, env={"HOME": str(folder)})


@pytest.mark.parametrize("alias", SERVERS)
async def test_plink(targets: Targets, alias: str) -> None:
    door, sshd = targets.door, targets.sshd
    command = "cat; echo err >&2; exit 5"
    through = await plink(door.port, door.gateway.host_key, alias, door.key, command)
    assert (through.status, through.out) == (5, TEXT)
    host_key = asyncssh.read_public_key(f"{sshd.host_keys[0]}.pub")
    direct = await plink(sshd.port, host_key, sshd.user, sshd.client_key, command)
    assert (through.status, through.out) == (direct.status, direct.out)
    assert through.err.splitlines()[-1] == b"err"


@pytest.mark.parametrize("alias", SERVERS)
async def test_pscp_and_psftp(targets: Targets, alias: str, shared: Path) -> None:
    door, ppk = targets.door, shared / "ann.ppk"
    made = await run(needs("puttygen"), str(door.key), "-o", str(ppk))
    assert made.status == 0, made
    words = ["-batch", "-P", str(door.port), "-i", str(ppk), "-hostkey", door.gateway.host_key.get_fingerprint()]
    home = {"HOME": str(shared)}
    (shared / "from").write_bytes(TEXT)
    for protocol in ("-sftp", "-scp"):
        to = f"{alias}@127.0.0.1:{shared}/{protocol}"
        done = await run(needs("pscp"), protocol, "-q", *words, str(shared / "from"), to, env=home)
        assert (done.status, (shared / protocol).read_bytes()) == (0, TEXT), done
    (shared / "batch").write_text(f"get {shared}/from {shared}/got\nrm {shared}/from\n")
    done = await run(needs("psftp"), "-b", str(shared / "batch"), *words, f"{alias}@127.0.0.1", env=home)
    assert (done.status, (shared / "got").read_bytes()) == (0, TEXT), done
    assert not (shared / "from").exists()


async def test_plink_to_junos(targets: Targets) -> None:
    door = targets.door
    done = await plink(door.port, door.gateway.host_key, "junos", door.key, "show version")
    assert (done.status, done.out) == (0, (await door.ssh("junos", "--", "show version")).out)


COLLECTIONS = Path(sys.prefix) / "collections"
"""Ansible's, as `make collections` fetches them."""


class Ansible:
    """Ansible, with the gateway's sessions as its inventory."""

    def __init__(self, door: Door, folder: Path) -> None:
        self.inventory = folder / "hosts"
        ssh = " ".join([*door.options(), "-o", "ControlMaster=auto", "-o", "ControlPersist=20"])
        shared = f"ansible_host=127.0.0.1 ansible_port={door.port} ansible_ssh_private_key_file={door.key}"
        lines = [f"{alias} {shared} ansible_user={alias}" for alias in (*SERVERS, "junos")]
        self.inventory.write_text("\n".join([*lines, "[all:vars]", f"ansible_ssh_common_args={ssh}", ""]))
        self._variables = {
            "HOME": str(folder),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_PYTHON_INTERPRETER": shutil.which("python3", path="/usr/bin:/bin") or "python3",
            "ANSIBLE_NOCOLOR": "1",
        }
        self._program = Path(sys.executable).with_name("ansible")

    async def __call__(self, *words: str) -> Done:
        return await run(
            str(self._program), "-i", str(self.inventory), *words, env={**self._variables, "LC_ALL": "C.UTF-8"}
        )


async def test_ansible(targets: Targets, shared: Path) -> None:
    ansible = Ansible(targets.door, shared)
    done = await ansible("server,home,agent", "-o", "-m", "ping")
    assert done.status == 0, done.out.decode()
    assert done.out.count(b'"ping": "pong"') == 3
    done = await ansible("server,home,agent", "-o", "-m", "command", "-a", "echo here")
    assert done.out.count(b"(stdout) here") == 3, done
    (shared / "from").write_bytes(TEXT)
    done = await ansible(
        "server,home,agent", "-m", "copy", "-a", f"src={shared}/from dest={shared}/{{{{ inventory_hostname }}}}"
    )
    assert done.status == 0, done
    assert [(shared / alias).read_bytes() == TEXT for alias in SERVERS] == [True] * 3


async def test_ansible_netconf_get(targets: Targets, shared: Path) -> None:
    if not COLLECTIONS.is_dir():
        pytest.skip("no ansible.netcommon: `make collections` fetches it")
    ansible = Ansible(targets.door, shared)
    words = ["-e", "ansible_connection=ansible.netcommon.netconf", "-e", "ansible_network_os=auto"]
    done = await ansible("junos", *words, "-m", "ansible.netcommon.netconf_get", "-a", "source=running")
    assert done.status == 0, done
    assert b"<data" in done.out
