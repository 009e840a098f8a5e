"""What ``ssh -G`` says of a configuration, and how it compares with what we say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from mooring.sshconfig import HostConfig, Local

__all__ = ["HAVE_SSH", "Dump", "Refused", "compare", "ssh_dump"]

HAVE_SSH = shutil.which("ssh") is not None
YES_NO = {True: ("yes", "true"), False: ("no", "false")}

Dump = Mapping[str, tuple[str, ...]]


class Refused(Exception):
    """What ssh printed instead of a configuration.

    Attributes:
        where: The ``(file, line)`` of each complaint; empty where ssh gave up before the end of the file.
    """

    def __init__(self, printed: str) -> None:
        super().__init__(printed)
        found = re.findall(r"^(\S+?):? line (\d+):", printed, re.MULTILINE) if "terminating" in printed else []
        self.where = [(name, int(line)) for name, line in found]


def ssh_dump(
    file: Path | None,
    host: str,
    *,
    user: str | None = None,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Dump:
    """Run ``ssh -G``; each keyword with the values of all its lines."""
    command = ["ssh", "-G"]
    command += ["-F", str(file)] if file is not None else []
    command += ["-l", user] if user is not None else []
    command += ["-p", str(port)] if port is not None else []
    environment = {"PATH": os.environ["PATH"], **(env or {})}
    done = subprocess.run(
        [*command, "--", host], capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL, timeout=20
    )
    if done.returncode:
        raise Refused(done.stderr.decode("utf-8", "replace"))
    dump: dict[str, tuple[str, ...]] = {}
    for line in done.stdout.decode("utf-8", "surrogateescape").split("\n"):
        keyword, _, value = line.partition(" ")
        dump[keyword] = (*dump.get(keyword, ()), value)
    return dump


@cache
def defaults() -> Dump:
    """What ssh says of a host of which nothing is said."""
    return ssh_dump(Path("/dev/null"), "anything")


def _flag(value: object) -> tuple[str, ...]:
    return YES_NO[bool(value)]


def _text(value: object) -> tuple[str, ...]:
    return (str(value),)


def _seconds(value: object) -> tuple[str, ...]:
    assert isinstance(value, float)
    return (str(int(value)),)


# Field to the keyword of the dump, and how the dump may spell a value.
_PLAIN: Mapping[str, tuple[str, Callable[[object], tuple[str, ...]]]] = {
    "port": ("port", _text),
    "user": ("user", _text),
    "identities_only": ("identitiesonly", _flag),
    "identity_agent": ("identityagent", _text),
    "host_key_alias": ("hostkeyalias", _text),
    "check_host_ip": ("checkhostip", _flag),
    "hash_known_hosts": ("hashknownhosts", _flag),
    "connect_timeout": ("connecttimeout", _seconds),
    "server_alive_interval": ("serveraliveinterval", _seconds),
    "server_alive_count_max": ("serveralivecountmax", _text),
    "tcp_keep_alive": ("tcpkeepalive", _flag),
    "bind_address": ("bindaddress", _text),
    "address_family": ("addressfamily", _text),
    "compression": ("compression", _flag),
    "password_authentication": ("passwordauthentication", _flag),
    "kbd_interactive_authentication": ("kbdinteractiveauthentication", _flag),
    "remote_command": ("remotecommand", _text),
    "connection_attempts": ("connectionattempts", _text),
    "required_rsa_size": ("requiredrsasize", _text),
    "proxy_command": ("proxycommand", _text),
}
_LISTS = {
    "ciphers": "ciphers",
    "macs": "macs",
    "kex_algorithms": "kexalgorithms",
    "host_key_algorithms": "hostkeyalgorithms",
    "pubkey_accepted_algorithms": "pubkeyacceptedalgorithms",
    "ca_signature_algorithms": "casignaturealgorithms",
}
_CHOICES = {
    "strict_host_key_checking": "stricthostkeychecking",
    "request_tty": "requesttty",
    "update_host_keys": "updatehostkeys",
    "log_level": "loglevel",
}
_KNOWN_HOSTS = {
    "user_known_hosts_files": "userknownhostsfile",
    "global_known_hosts_files": "globalknownhostsfile",
}
_KEYS = {"identity_files": "identityfile", "certificate_files": "certificatefile"}
_SPELLINGS = {
    "yes": ("yes", "true"),
    "no": ("no", "false"),
    "DEBUG1": ("DEBUG", "DEBUG1"),
    "SILENT": ("SILENT", "QUIET"),
    "QUIET": ("SILENT", "QUIET"),
}


def compare(ours: HostConfig, dump: Dump, host: str, local: Local) -> list[str]:
    """Where the two differ, field by field; a field that we leave unset must be ssh's default."""
    comparison = _Comparison(ours, dump, host, local)
    comparison.names()
    comparison.plain()
    comparison.algorithms()
    comparison.words()
    comparison.files()
    comparison.environment_and_agent()
    return comparison.wrong


class _Comparison:
    def __init__(self, ours: HostConfig, dump: Dump, host: str, local: Local) -> None:
        self.wrong: list[str] = []
        self._ours = ours
        self._dump = dump
        self._host = host
        self._local = local

    def _said(self, keyword: str) -> str | None:
        return self._dump.get(keyword, (None,))[0]

    def _usual(self, keyword: str) -> str | None:
        return defaults().get(keyword, (None,))[0]

    def _expect(self, field: str, said: object, allowed: object) -> None:
        if said != allowed and not (isinstance(allowed, tuple) and said in allowed):
            self.wrong.append(f"{field}: ssh says {said!r}, we say {allowed!r}")

    def names(self) -> None:
        self._expect("hostname", self._said("hostname"), self._ours.hostname)
        hops = (self._said("proxyjump") or "").replace("ssh://", "").split(",")
        self._expect("proxy_jump", _plain(tuple(filter(None, hops))), _plain(self._ours.proxy_jump))

    def plain(self) -> None:
        for field, (keyword, spellings) in _PLAIN.items():
            value, said = getattr(self._ours, field), self._said(keyword)
            if value is None:
                usual = self._local.user if field == "user" else self._usual(keyword)
                # With BatchMode, Debian's ssh asks every five minutes by default.
                batch = field == "server_alive_interval" and self._said("batchmode") == "yes"
                self._expect(field, said, (usual, None, "none", "300" if batch else None))
            elif field == "proxy_command":
                self._expect(field, said and self._expanded(said), spellings(value))
            elif not (said or "").startswith("$"):  # an agent by the name of a variable
                self._expect(field, said, spellings(value))

    def _expanded(self, command: str) -> str:
        """``ssh -G`` prints ProxyCommand before its tokens are filled in."""
        ours = self._ours
        user, port = ours.user or self._local.user, str(ours.port or 22)
        tokens = {"%": "%", "h": ours.hostname, "p": port, "r": user, "n": self._host}
        return re.sub("%([%hprn])", lambda found: tokens[found[1]], command)

    def algorithms(self) -> None:
        for field, keyword in _LISTS.items():
            value: str | None = getattr(self._ours, field)
            if value is None or not any(char in value for char in "*?"):
                self._expect(field, self._said(keyword), _assembled(value, self._usual(keyword)))

    def words(self) -> None:
        for field, keyword in _CHOICES.items():
            value = getattr(self._ours, field)
            if value is not None:
                self._expect(field, self._said(keyword), _SPELLINGS.get(value, (value,)))
            elif field != "update_host_keys":  # its default depends on other settings
                self._expect(field, self._said(keyword), self._usual(keyword))
        keys = self._said("pubkeyauthentication") != "false"
        self._expect("pubkey_authentication", keys, self._ours.pubkey_authentication is not False)
        methods = self._ours.preferred_authentications
        self._expect("methods", self._said("preferredauthentications"), None if methods is None else ",".join(methods))

    def files(self) -> None:
        for field, keyword in _KNOWN_HOSTS.items():
            value: tuple[str, ...] | None = getattr(self._ours, field)
            if value is not None:
                shown = re.sub("(^| )~/?", rf"\1{self._local.home}/", self._said(keyword) or "none")
                self._expect(field, shown if value else shown.lower(), " ".join(value) or "none")
        # ssh -G prints these as they are written; what becomes of them is compared elsewhere, with ssh -v.
        for field, keyword in _KEYS.items():
            paths: tuple[str, ...] = getattr(self._ours, field)
            written = [path for path in self._dump.get(keyword, ()) if path.lower() != "none"]
            if self._ours.default_identities and field == "identity_files":
                self._expect("default identities", tuple(written), defaults()[keyword])
                continue
            self._expect(f"number of {field}", len(written), len(paths))
            for path, expanded in zip(written, paths, strict=False):
                if not re.search(r"[%$~]", path):
                    self._expect(field, path, expanded)

    def environment_and_agent(self) -> None:
        pairs = tuple(f"{name}={value}" for name, value in self._ours.set_env.items())
        self._expect("set_env", self._dump.get("setenv", ()), pairs)
        self._expect("send_env", tuple(dict.fromkeys(self._dump.get("sendenv", ()))), self._ours.send_env)
        agent = self._ours.forward_agent
        self._expect("agent", self._said("forwardagent"), agent if isinstance(agent, str) else "yes" if agent else "no")


def _plain(hops: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(hop.replace("[", "").replace("]", "") for hop in hops)


def _assembled(value: str | None, usual: str | None) -> str | None:
    """What a list with a prefix comes to."""
    if value is None:
        return usual
    before, names = (usual or "").split(","), value[1:].split(",")
    match value[0]:
        case "+":
            return ",".join(dict.fromkeys([*before, *names]))
        case "-":
            return ",".join(name for name in before if name not in names)
        case "^":
            return ",".join(dict.fromkeys([*names, *before]))
        case _:
            return value
