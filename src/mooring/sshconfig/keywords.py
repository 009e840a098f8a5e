"""The keywords of ssh_config(5), as data: how each is read, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from . import algorithms as known
from . import values
from .lexer import WHITESPACE, Line, ascii_lower
from .names import forward, host_and_port, jump_hop
from .values import Parse, anything, choice, flag, integer, many, one, text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ALIASES", "IGNORED", "Keyword", "Take", "keyword_table"]


def _words(text: str) -> list[str]:
    return text.split()


class Take(Enum):
    """What happens where a keyword comes again."""

    FIRST = auto()
    ALL = auto()
    SEND_ENV = auto()
    PROXY = auto()
    AGENT = auto()
    REKEY = auto()


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword.

    Attributes:
        name: In lower case.
        parse: Turns a line into a value; None for a value that leaves the keyword unset.
        take: What happens where it comes again.
        field: The field of `HostConfig` it fills; None where it goes to ``other``.
    """

    name: str
    parse: Parse
    take: Take = Take.FIRST
    field: str | None = None


ALIASES: Mapping[str, str] = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "tisauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "identityfile2": "identityfile",
    "smartcarddevice": "pkcs11provider",
    "keepalive": "tcpkeepalive",
    "hostbasedkeytypes": "hostbasedacceptedalgorithms",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "protocolkeepalives": "serveraliveinterval",
    "setuptimeout": "serveraliveinterval",
}

# Read by ssh without a word, or with a warning, and without effect.
IGNORED = frozenset(
    _words("""
    protocol cipher fallbacktorsh globalknownhostsfile2 rhostsauthentication useblacklistedkeys userknownhostsfile2
    useroaming usersh useprivilegedport afstokenpassing kerberosauthentication kerberostgtpassing rsaauthentication
    rhostsrsaauthentication compressionlevel
""")
)

_YES_NO_ASK = {"yes": "yes", "true": "yes", "no": "no", "false": "no", "ask": "ask"}
_STRICT = _YES_NO_ASK | {"off": "no", "accept-new": "accept-new"}
_TTY = {"yes": "yes", "true": "yes", "no": "no", "false": "no", "force": "force", "auto": "auto"}
_LEVELS = {name: name.upper() for name in _words("silent quiet fatal error info verbose debug1 debug2 debug3")} | {
    "debug": "DEBUG1"
}
_FACILITIES = ("daemon", "user", "auth", "authpriv", *(f"local{n}" for n in range(8)))
_PUBKEY = {"yes": True, "true": True, "no": False, "false": False, "unbound": True, "host-bound": True}

_ciphers = one(values.algorithms(known.CIPHERS))
_macs = one(values.algorithms(known.MACS))
_kex = one(values.algorithms(known.KEX))
_keys = one(values.algorithms(known.KEYS, wildcards=True))


def _set_env(line: Line) -> object:
    if any("=" not in word for word in line.arguments):
        raise line.error("setenv: each argument is NAME=VALUE")
    pairs: dict[str, str] = {}
    for word in line.arguments:
        name, _, value = word.partition("=")
        pairs.setdefault(name, value)
    return pairs or None


def _send_env(line: Line) -> object:
    if any(not word or "=" in word for word in line.arguments):
        raise line.error("sendenv: each argument is a name or a pattern")
    return line.arguments


def _forward(line: Line) -> object:
    try:
        return forward(line.arguments, kind=line.keyword)
    except ValueError as error:
        raise line.error(f"{line.keyword}: {error}") from None


def _permit_remote_open(line: Line) -> object:
    return line.arguments if line.arguments in {("any",), ("none",)} else many(host_and_port, at_least=1)(line)


def _proxy_jump(line: Line) -> object:
    words = line.rest.lstrip(WHITESPACE + "=").partition("#")[0].split()
    if ascii_lower(" ".join(words)) == "none":
        return ()
    if len(words) != 1:
        raise line.error("proxyjump: takes hosts separated by commas without blanks")
    try:
        return tuple(jump_hop(word) for word in words[0].split(","))
    except ValueError as error:
        raise line.error(f"proxyjump: {error}") from None


def _table() -> dict[str, Keyword]:
    first: dict[str, Parse] = {}
    first |= dict.fromkeys(_FLAGS, one(flag))
    first |= dict.fromkeys(_INTEGERS, one(integer))
    first |= dict.fromkeys(_DURATIONS, one(values.duration))
    first |= dict.fromkeys(_TEXTS, one(text))
    first |= dict.fromkeys(_NEWER, anything)
    first |= _OTHER_FIRST
    table = {name: Keyword(name, parse, Take.FIRST, _FIELDS.get(name)) for name, parse in first.items()}
    for name, parse, take in _REPEATED:
        table[name] = Keyword(name, parse, take, _FIELDS.get(name))
    return table


_FLAGS = _words("""
    batchmode canonicalizefallbacklocal checkhostip clearallforwardings enableescapecommandline enablesshkeysign
    exitonforwardfailure forkafterauthentication forwardx11 forwardx11trusted gatewayports gssapiauthentication
    gssapidelegatecredentials gssapikeyexchange gssapirenewalforcesrekey gssapitrustdns hashknownhosts
    hostbasedauthentication identitiesonly kbdinteractiveauthentication nohostauthenticationforlocalhost
    passwordauthentication permitlocalcommand proxyusefdpass stdinnull streamlocalbindunlink tcpkeepalive visualhostkey
""")

_INTEGERS = _words("""
    canonicalizemaxdots connectionattempts numberofpasswordprompts requiredrsasize serveralivecountmax
""")

_DURATIONS = ["connecttimeout", "forwardx11timeout", "serveraliveinterval"]

_TEXTS = _words("""
    bindaddress bindinterface controlpath gssapiclientidentity gssapikexalgorithms gssapiserveridentity hostkeyalias
    hostname ignoreunknown kbdinteractivedevices pkcs11provider preferredauthentications revokedhostkeys
    securitykeyprovider user xauthlocation
""")

# Since OpenSSH 9.4.
_NEWER = ["channeltimeout", "obscurekeystroketiming", "refuseconnection", "tag", "versionaddendum", "warnweakcrypto"]

_OTHER_FIRST: Mapping[str, Parse] = {
    "addkeystoagent": values.add_keys_to_agent,
    "addressfamily": one(choice(("any", "inet", "inet6"))),
    "canonicaldomains": many(values.domain, none_alone=True, at_most=32),
    "canonicalizehostname": one(
        choice({"yes": "yes", "true": "yes", "no": "no", "false": "no", "always": "always"}),
    ),
    "canonicalizepermittedcnames": many(values.permitted_cname, none_alone=True, at_most=32),
    "casignaturealgorithms": _keys,
    "ciphers": _ciphers,
    "compression": one(choice({"yes": True, "no": False})),
    "controlmaster": one(choice(("yes", "true", "no", "false", "auto", "ask", "autoask"))),
    "controlpersist": one(values.control_persist),
    "escapechar": one(values.escape_char),
    "fingerprinthash": one(choice(("md5", "sha1", "sha256", "sha384", "sha512"))),
    "globalknownhostsfile": many(text, none_alone=True, at_most=32),
    "hostbasedacceptedalgorithms": _keys,
    "hostkeyalgorithms": _keys,
    "ipqos": many(values.ipqos, at_least=1, at_most=2),
    "kexalgorithms": _kex,
    "knownhostscommand": values.raw,
    "localcommand": values.raw,
    "loglevel": one(choice(_LEVELS)),
    "logverbose": many(text, none_alone=True),
    "macs": _macs,
    "permitremoteopen": _permit_remote_open,
    "port": one(values.port),
    "pubkeyacceptedalgorithms": _keys,
    "pubkeyauthentication": one(choice(_PUBKEY)),
    "remotecommand": values.raw,
    "requesttty": one(choice(_TTY)),
    "sessiontype": one(choice(("none", "subsystem", "default"))),
    "setenv": _set_env,
    "streamlocalbindmask": one(values.mask),
    "stricthostkeychecking": one(choice(_STRICT)),
    "syslogfacility": one(choice(_FACILITIES)),
    "tunnel": one(choice(("ethernet", "point-to-point", "yes", "true", "no", "false"))),
    "tunneldevice": one(values.tunnel_device),
    "updatehostkeys": one(choice(_YES_NO_ASK)),
    "userknownhostsfile": many(text, none_alone=True, at_most=32),
    "verifyhostkeydns": one(choice(_YES_NO_ASK)),
}

_REPEATED: tuple[tuple[str, Parse, Take], ...] = (
    ("certificatefile", one(text), Take.ALL),
    ("dynamicforward", _forward, Take.ALL),
    ("identityfile", one(text), Take.ALL),
    ("localforward", _forward, Take.ALL),
    ("proxycommand", values.raw, Take.PROXY),
    ("proxyjump", _proxy_jump, Take.PROXY),
    ("rekeylimit", values.rekey_limit, Take.REKEY),
    ("remoteforward", _forward, Take.ALL),
    ("sendenv", _send_env, Take.SEND_ENV),
)

_FIELDS: Mapping[str, str] = {
    "addressfamily": "address_family",
    "bindaddress": "bind_address",
    "casignaturealgorithms": "ca_signature_algorithms",
    "certificatefile": "certificate_files",
    "checkhostip": "check_host_ip",
    "ciphers": "ciphers",
    "compression": "compression",
    "connectionattempts": "connection_attempts",
    "connecttimeout": "connect_timeout",
    "forwardagent": "forward_agent",
    "globalknownhostsfile": "global_known_hosts_files",
    "hashknownhosts": "hash_known_hosts",
    "hostkeyalgorithms": "host_key_algorithms",
    "hostkeyalias": "host_key_alias",
    "hostname": "hostname",
    "identitiesonly": "identities_only",
    "identityagent": "identity_agent",
    "identityfile": "identity_files",
    "kbdinteractiveauthentication": "kbd_interactive_authentication",
    "kexalgorithms": "kex_algorithms",
    "loglevel": "log_level",
    "macs": "macs",
    "passwordauthentication": "password_authentication",
    "port": "port",
    "preferredauthentications": "preferred_authentications",
    "proxycommand": "proxy_command",
    "proxyjump": "proxy_jump",
    "pubkeyacceptedalgorithms": "pubkey_accepted_algorithms",
    "pubkeyauthentication": "pubkey_authentication",
    "remotecommand": "remote_command",
    "requesttty": "request_tty",
    "requiredrsasize": "required_rsa_size",
    "sendenv": "send_env",
    "serveralivecountmax": "server_alive_count_max",
    "serveraliveinterval": "server_alive_interval",
    "setenv": "set_env",
    "stricthostkeychecking": "strict_host_key_checking",
    "tcpkeepalive": "tcp_keep_alive",
    "updatehostkeys": "update_host_keys",
    "user": "user",
    "userknownhostsfile": "user_known_hosts_files",
}

_KEYWORDS = _table()


def keyword_table(environment: Mapping[str, str]) -> Mapping[str, Keyword]:
    """All keywords by name; two of them look into the environment while they are read."""
    agent = values.agent_path(environment)
    as_flag = choice({"yes": True, "true": True, "no": False, "false": False})

    def forwarded(word: str) -> object:
        return as_flag(word) if ascii_lower(word) in {"yes", "true", "no", "false"} else agent(word)

    return _KEYWORDS | {
        "identityagent": Keyword("identityagent", one(agent), Take.FIRST, "identity_agent"),
        "forwardagent": Keyword("forwardagent", one(forwarded), Take.AGENT, "forward_agent"),
    }
