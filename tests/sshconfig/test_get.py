"""What `get` says, side by side with ``ssh -G``: wherever a configuration changes ssh's answer, `get` must give it."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mooring.sshconfig import Local, SSHConfigFile, loads
from mooring.sshconfig.keywords import keyword_table

from .reference import HAVE_SSH, Dump, Refused, ssh_dump

pytestmark = pytest.mark.skipif(not HAVE_SSH, reason="no ssh on the PATH: install openssh-client")

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.conf"))
ENVIRONMENT = {"HOME": Local.current().home, "USER_TAG": "tag"}
HERE = replace(Local.current(), environment=ENVIRONMENT)
COMPARED = sorted(set(keyword_table({})) - {"ignoreunknown"})  # which ssh -G does not show
ALGORITHMS = frozenset(name for name in COMPARED if name.endswith(("algorithms", "ciphers", "macs")))
SPELT = {"true": "yes", "false": "no", "host-bound": "yes", "unbound": "yes", "DEBUG": "DEBUG1", "SILENT": "QUIET"}
DERIVED = {
    "updatehostkeys": (["no"], ("userknownhostsfile", "verifyhostkeydns")),
    "serveraliveinterval": (["300"], ("batchmode",)),  # Debian's ssh
}
"""Defaults that depend on other keywords: what they become, and by which."""
FROM_ANY_BLOCK = frozenset({"streamlocalbindmask", "syslogfacility"})
"""What ssh takes even from a block that does not apply: a fault of its own."""


@cache
def nothing(host: str) -> Dump:
    """What ssh says of a host of which nothing is said."""
    return lowered(ssh_dump(Path("/dev/null"), host, env=ENVIRONMENT))


def lowered(dump: Dump) -> Dump:
    """One keyword is shown with a capital letter in it."""
    return {name.lower(): values for name, values in dump.items()}


@cache
def algorithms(name: str) -> list[str]:
    """All that this ssh has, those included that it does not use by default."""
    done = subprocess.run(["ssh", "-Q", name], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.split()


def assembled(name: str, value: str, usual: str) -> str:
    """An algorithm list with its prefix and patterns worked out: ssh shows what it comes to."""
    prefix, patterns = (value[0], value[1:].split(",")) if value[0] in "+-^" else ("", value.split(","))
    before = usual.split(",")
    if prefix == "-":
        return ",".join(one for one in before if not any(fnmatchcase(one, pattern) for pattern in patterns))
    fitting = [
        one
        for pattern in patterns
        for one in ([pattern] if not re.search("[*?]", pattern) else sorted(algorithms(name)))
        if fnmatchcase(one, pattern)
    ]
    match prefix:
        case "+":
            return ",".join(dict.fromkeys([*before, *fitting]))
        case "^":
            return ",".join(dict.fromkeys([*fitting, *before]))
    return ",".join(fitting)


def filled_in(value: str, host: str, theirs: Dump) -> str:
    """A value with its tokens, ``~`` and the environment's variables filled in: ssh shows some so, and others not."""
    here, me = socket.gethostname(), HERE.user
    name, port, user = theirs["hostname"][0], theirs["port"][0], theirs["user"][0]
    hashed = hashlib.sha1(f"{here}{name}{port}{user}".encode(), usedforsecurity=False).hexdigest()
    tokens = {
        "%": "%", "C": hashed, "L": here.partition(".")[0],
        "d": HERE.home, "h": name, "i": str(os.getuid()), "k": theirs.get("hostkeyalias", (host,))[0], "l": here,
        "n": host, "p": port, "r": user, "u": me,
    }  # fmt: skip
    value = re.sub("%([%CLdhiklnpru])", lambda found: tokens[found[1]], value)
    value = re.sub(r"\$\{(\w+)\}", lambda found: ENVIRONMENT[found[1]], value)
    return re.sub(r"(^| )~(?=/|$)/?", rf"\1{HERE.home}/", value)


def normal(name: str, values: Sequence[str], host: str, theirs: Dump) -> list[str]:
    """The listed differences: tokens, algorithm lists, forwards' form, and spellings."""
    found = dict.fromkeys(filled_in(SPELT.get(value, value), host, theirs) for value in values)
    if name in ALGORITHMS:
        return [assembled(name, value, nothing(host)[name][0]) for value in found]
    if name == "escapechar":  # a control character, which ssh shows with a backslash before it
        return [value.removeprefix("\\") for value in found]
    if name.endswith("forward"):
        return [re.sub(r"[\[\]]", "", value).removesuffix(" socks:0") for value in found]
    return list(found)


def differences(file: Path, host: str) -> tuple[list[str], int]:
    """What `get` says otherwise than ssh, and for how many keywords the file changes ssh's answer.

    Raises:
        Refused: ssh takes the file for no host, or not for this one.
    """
    theirs, usual = lowered(ssh_dump(file, host, env=ENVIRONMENT)), nothing(host)
    ours: SSHConfigFile = loads(file.read_text(), source=str(file), local=HERE)
    wrong, changed = [], 0
    for name in COMPARED:
        said, default = theirs.get(name, ()), usual.get(name, ())
        value = ours.get(host, name)
        got = [] if value is None else [value] if isinstance(value, str) else value
        changed += said != default
        if not got and (said == default or name in FROM_ANY_BLOCK):
            continue
        expected = normal(name, said, host, theirs)
        if not got and name in DERIVED:
            becomes, by = DERIVED[name]
            if expected == becomes and any(theirs.get(one) != usual.get(one) for one in by):
                continue
        if normal(name, got, host, theirs) != expected and (expected or got != ["none"]):
            wrong.append(f"{name}: ssh says {said}, we say {got}")
    return wrong, changed


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_get_says_what_ssh_says_of_the_corpus(file: Path, tmp_path: Path) -> None:
    for one in file.parent.iterdir():
        copy = tmp_path / one.name
        copy.write_bytes(one.read_bytes().replace(b"@HERE@", str(tmp_path).encode()))
        copy.chmod(0o644)
    compared = 0
    for word in file.read_text().splitlines()[0].removeprefix("# hosts: ").split():
        host = re.sub(r"^.*@|(?<=[a-z]):[0-9]+$", "", word)
        try:
            wrong, changed = differences(tmp_path / file.name, host)
        except Refused:
            continue
        assert wrong == [], host
        compared += changed
    assert compared


FLAGS = [
    "BatchMode", "CheckHostIP", "ClearAllForwardings", "Compression", "EnableEscapeCommandline",
    "EnableSSHKeysign", "ExitOnForwardFailure", "ForwardX11", "ForwardX11Trusted", "GatewayPorts",
    "HashKnownHosts", "HostbasedAuthentication", "IdentitiesOnly", "KbdInteractiveAuthentication",
    "NoHostAuthenticationForLocalhost", "PasswordAuthentication", "PermitLocalCommand", "ProxyUseFdpass",
    "StdinNull", "StreamLocalBindUnlink", "TCPKeepAlive", "VisualHostKey",
]  # fmt: skip
SETTING = st.one_of(
    st.tuples(st.sampled_from(["User", "BindAddress", "HostKeyAlias", "PreferredAuthentications"]),
              st.sampled_from(["a", "b-c", "d.e"])),
    st.tuples(st.just("HostName"), st.sampled_from(["a.example", "B.Example", "10.0.0.1", "::1"])),
    st.tuples(st.just("ProxyCommand"), st.sampled_from(["nc 10.0.0.1 22", "none", "ssh -W [x]:1 y  # z"])),
    st.tuples(st.sampled_from(["Port", "ConnectionAttempts", "ServerAliveCountMax", "NumberOfPasswordPrompts"]),
              st.sampled_from(["1", "22", "4711"])),
    st.tuples(st.sampled_from(["ConnectTimeout", "ServerAliveInterval"]), st.sampled_from(["5", "1m", "1h30m"])),
    st.tuples(st.sampled_from(FLAGS), st.sampled_from(["yes", "no"])),
    st.tuples(st.just("StrictHostKeyChecking"), st.sampled_from(["yes", "accept-new", "off"])),
    st.tuples(st.just("Ciphers"), st.sampled_from(["^aes256-ctr", "-aes*,nothing", "+aes128-cbc", "aes256-cbc"])),
    st.tuples(st.just("HostKeyAlgorithms"), st.sampled_from(["^*25519", "-*-cert-*", "+ssh-rsa", "ecdsa-*"])),
    st.tuples(st.sampled_from(["UserKnownHostsFile", "GlobalKnownHostsFile"]),
              st.sampled_from(["none", "/k/One ~/two", '"/k/a b"'])),
    st.tuples(st.sampled_from(["ControlPath", "IdentityAgent"]), st.sampled_from(["none", "~/%C", "/s/%h-%%"])),
    st.tuples(st.sampled_from(["VerifyHostKeyDNS", "ControlMaster", "CanonicalizeHostname"]),
              st.sampled_from(["yes", "no"])),
    st.tuples(st.just("AddressFamily"), st.sampled_from(["any", "inet", "inet6"])),
    st.tuples(st.just("IPQoS"), st.sampled_from(["af21 cs1", "EF", "none", "0x10 64", "12", "Reliability"])),
    st.tuples(st.just("RekeyLimit"), st.sampled_from(["1G 1h", "default 90", "500M 10m", "1G", "default none"])),
    st.tuples(st.just("AddKeysToAgent"), st.sampled_from(["yes", "confirm 5m", "10m", "ask"])),
    st.tuples(st.just("RemoteCommand"), st.sampled_from(["none", "tmux  new -A # main"])),
    st.tuples(st.sampled_from(["IdentityFile", "CertificateFile"]), st.sampled_from(["/k/a", "/k/b", '"/k/c d"'])),
    st.tuples(st.just("LocalForward"), st.sampled_from(["8080 host:80", "127.0.0.1:81 other:82"])),
    st.tuples(st.just("RemoteForward"), st.sampled_from(["9090 host:80", "9091"])),
    st.tuples(st.just("DynamicForward"), st.sampled_from(["1080", "127.0.0.1:1081"])),
    st.tuples(st.just("SendEnv"), st.sampled_from(["LANG", "LC_* X", "-LC_*"])),
    st.tuples(st.just("SetEnv"), st.sampled_from(["A=1", "A=1 B=2"])),
    st.tuples(st.just("ProxyJump"), st.sampled_from(["none", "hop", "u@hop:2,next"])),
    st.tuples(st.just("LogLevel"), st.sampled_from(["DEBUG", "quiet", "VERBOSE"])),
    st.tuples(st.just("RequestTTY"), st.sampled_from(["yes", "force", "auto"])),
    st.tuples(st.just("EscapeChar"), st.sampled_from(["none", "!"])),
)  # fmt: skip
BLOCK = st.tuples(st.sampled_from(["Host web1", "Host web*", "Host * !web2", "Match host web1", "Match all", "Host x"]),
                  st.lists(SETTING, max_size=6))  # fmt: skip


@pytest.mark.timeout(120)
@settings(max_examples=200)
@example(blocks=[("Host *", [("ProxyJump", "hop"), ("ProxyUseFdpass", "yes")])], host="web1")
@given(blocks=st.lists(BLOCK, max_size=4), host=st.sampled_from(["web1", "web2", "other"]))
def test_get_says_what_ssh_says_of_generated_files(
    blocks: list[tuple[str, list[tuple[str, str]]]], host: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "generated-config"
    file.write_text(
        "".join(f"{head}\n" + "".join(f"  {name} {value}\n" for name, value in body) for head, body in blocks)
    )
    assert differences(file, host)[0] == []
