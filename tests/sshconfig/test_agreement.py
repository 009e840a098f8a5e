"""Our reading and that of ``ssh -G``, side by side, over a folder of realistic files."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mooring.model.errors import ConfigError
from mooring.sshconfig import Local, SSHConfig

from .reference import HAVE_SSH, Refused, compare, ssh_dump

pytestmark = pytest.mark.skipif(not HAVE_SSH, reason="no ssh on the PATH: install openssh-client")

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.conf"))


def environment(local: Local) -> dict[str, str]:
    return {"HOME": local.home, "USER_TAG": "tag"}


@pytest.fixture(scope="module")
def local() -> Local:
    here = Local.current()
    return replace(here, environment=environment(here))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The corpus, where no other user may write to it."""
    for file in CORPUS[0].parent.iterdir():
        copy = tmp_path / file.name
        copy.write_bytes(file.read_bytes().replace(b"@HERE@", str(tmp_path).encode()))
        copy.chmod(0o644)
    return tmp_path


def targets(file: Path) -> list[tuple[str | None, str, int | None]]:
    """The hosts named in the first line of a file: ``[user@]host[:port]``."""
    first = file.read_text().splitlines()[0]
    assert first.startswith("# hosts: ")
    found = []
    for word in first.removeprefix("# hosts: ").split():
        user, _, place = word.rpartition("@")
        host, _, port = place.rpartition(":")
        numeric = not re.fullmatch("[0-9]+", port) or ":" in host or not host
        found.append((user or None, place if numeric else host, None if numeric else int(port)))
    return found


@pytest.mark.parametrize("name", [file.name for file in CORPUS])
def test_every_field_is_what_ssh_says(name: str, folder: Path, local: Local) -> None:
    config = SSHConfig.load([folder / name], local=local)
    for user, host, port in targets(folder / name):
        if '"' in host:
            continue
        dump = ssh_dump(folder / name, host, user=user, port=port, env=environment(local))
        assert compare(config.lookup(host, user, port), dump, host, local) == [], (user, host, port)


def test_the_corpus_is_not_empty() -> None:
    assert len(CORPUS) >= 12
    assert all(len(targets(file)) >= 2 for file in CORPUS)


def test_expanded_paths_and_commands_are_what_ssh_uses(tmp_path: Path, local: Local) -> None:
    """``ssh -G`` shows these unexpanded; ``ssh -v`` shows them as it uses them."""
    file = tmp_path / "config"
    file.write_text("""
        Host name
            HostName %h.example
            HostKeyAlias Alias
        Host *
            User someone
            Port 2022
            IdentityFile ~/keys/%%-%C-%d-%h-%i-%k
            IdentityFile /keys/%L-%l-%n-%p-%r-%u-${USER_TAG}
            IdentityFile ~root/relative
            CertificateFile ~/certs/%h-%k
            ProxyCommand true %% %h %n %p %r '%h' # %h
    """)
    for host in ("name", "other"):
        ours = SSHConfig.load([file], local=local).lookup(host)
        shown = subprocess.run(
            ["ssh", "-v", "-F", file, host],
            capture_output=True,
            text=True,
            check=False,
            env=environment(local),
            timeout=30,
        ).stderr
        for path in ours.identity_files:
            assert f"identity file {path} type" in shown
        for path in ours.certificate_files:
            assert f"certificate file {path} type" in shown
        assert f"Executing proxy command: exec {ours.proxy_command}\n" in shown.replace("\r", "")


REFUSED = [
    "Port 0",
    "Port 65536",
    "Port -1",
    "Port twenty",
    "Port",
    "Port 22 23",
    'Port ""',
    'User "open',
    "User 'open",
    "Prot 22",
    "Host x\n  Prot 22",
    "Host other\n  Prot 22",
    "ConnectTimeout 10x",
    "ConnectTimeout -1",
    "ConnectTimeout 99999999999",
    "ConnectTimeout 4000w",
    "ServerAliveCountMax many",
    "ServerAliveCountMax 2147483648",
    "StrictHostKeyChecking maybe",
    "PasswordAuthentication 1",
    "Compression true",
    "AddressFamily ipv4",
    "LogLevel loud",
    "SyslogFacility mail",
    "Ciphers aes999",
    "Ciphers +aes999",
    "Ciphers +",
    "HostName == odd",
    "MACs none",
    "KexAlgorithms nothing",
    "HostKeyAlgorithms rsa",
    "HostKeyAlgorithms zzz*",
    "SendEnv A=1",
    "SetEnv A",
    "SetEnv A=1 B",
    "ProxyJump ,a",
    "ProxyJump a,",
    "ProxyJump a:b",
    "ProxyJump @a",
    "ProxyJump a:0",
    "ProxyJump ssh://a/path",
    "ProxyJump ssh://-a",
    "UserKnownHostsFile /a none",
    "UserKnownHostsFile none /a",
    'UserKnownHostsFile /a ""',
    "LocalForward 8080",
    "LocalForward 0 a:1",
    "LocalForward x a:1",
    "LocalForward 8080 a",
    "LocalForward 8080 a:1 extra",
    "RemoteForward x",
    "DynamicForward a:b:c",
    "RemoteForward [/s",
    "PermitRemoteOpen *",
    "PermitRemoteOpen a:b",
    "PermitRemoteOpen any a:1",
    "IPQoS fast",
    "RekeyLimit 5",
    "RekeyLimit lots",
    "RekeyLimit 1G x",
    "EscapeChar ab",
    "TunnelDevice a:b",
    "StreamLocalBindMask 9",
    "StreamLocalBindMask 1000",
    "FingerprintHash crc",
    "AddKeysToAgent maybe",
    "AddKeysToAgent yes 5m",
    "ControlPersist sometimes",
    "ControlMaster maybe",
    "RequestTTY maybe",
    "SessionType odd",
    "Tunnel maybe",
    "CanonicalDomains -bad",
    "CanonicalDomains a..b",
    "CanonicalDomains none a",
    "CanonicalizeHostname maybe",
    "CanonicalizePermittedCNAMEs a",
    "CanonicalizePermittedCNAMEs a:",
    "PubkeyAuthentication maybe",
    "VerifyHostKeyDNS maybe",
    "IdentityAgent ${NOT_SET}",
    "Host other\n  IdentityAgent ${NOT_SET}",
    "IdentityAgent ${OPEN",
    "IdentityAgent $A-B",
    'Host "" x',
    "Match user",
    "Match",
    "Match nothing x",
    "Match all user x",
    "Match user x host y all",
    "Match host x user",
    "Match host x user #",
    "Match # comment",
    "Match host 1==1",
    "Match all == x",
    'Match exec "%q"',
    'Host other\nMatch exec "x %q"',
    "Include ~nobody-has-this-name/x\nPort 0",
    "ConnectionAttempts 0",
    "HostName %p",
    "HostName %",
    "ProxyJump x",
    "ProxyJump root@x:22",
    "RemoteCommand %q",
    "ControlPath %q",
    "UserKnownHostsFile %q",
    "UserKnownHostsFile ${NOT_SET}",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_ssh_refuses_is_refused_on_the_same_line(text: str, tmp_path: Path, local: Local) -> None:
    file = tmp_path / "config"
    file.write_text(text + "\n")
    with pytest.raises(Refused) as theirs:
        ssh_dump(file, "x", user="root", env=environment(local))
    with pytest.raises(ConfigError) as ours:
        SSHConfig.load([file], local=local).lookup("x", "root", run_exec=lambda _: False)
    if theirs.value.where:
        assert (ours.value.source, ours.value.line) in theirs.value.where
    else:  # ssh finds it when the file is long closed, and does not say where
        assert ours.value.line is not None
