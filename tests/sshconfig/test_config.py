"""`SSHConfig`: what a lookup gives, and every refusal word by word."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mooring.model.errors import ConfigError, InvalidTarget
from mooring.sshconfig import HostConfig, SSHConfig

from .places import LOCAL, Files, lookup, parse


def test_nothing_is_set_where_nothing_is_said() -> None:
    assert lookup("", "Edge1") == HostConfig(hostname="edge1")


def test_every_field() -> None:
    found = lookup("""
        Host edge1
            HostName 192.0.2.1
            User admin
            Port 2201
            IdentityFile ~/.ssh/%h
            IdentitiesOnly yes
            CertificateFile /certs/%r
            IdentityAgent $OTHER
            ProxyJump me@gate:22,inner
            UserKnownHostsFile ~/kh /kh/%k
            GlobalKnownHostsFile none
            StrictHostKeyChecking off
            HostKeyAlias Edge.One
            CheckHostIP no
            HashKnownHosts yes
            UpdateHostKeys ask
            ConnectTimeout 1m
            ServerAliveInterval 15
            ServerAliveCountMax 2
            TCPKeepAlive no
            BindAddress 192.0.2.2
            AddressFamily inet
            Compression yes
            PreferredAuthentications publickey,password
            PubkeyAuthentication yes
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            Ciphers ^aes128-gcm@openssh.com
            MACs -hmac-sha1
            KexAlgorithms curve25519-sha256
            HostKeyAlgorithms ssh-ed25519
            PubkeyAcceptedAlgorithms +ssh-rsa
            CASignatureAlgorithms ssh-ed25519
            RequiredRSASize 2048
            SendEnv LANG LC_*
            SetEnv A=1 B=2
            ForwardAgent yes
            RequestTTY force
            RemoteCommand echo %n
            ConnectionAttempts 2
            LogLevel verbose
            ControlPath ~/%h
            VisualHostKey yes
            LocalForward 80 a:1
            LocalForward 81 b:2
    """)
    assert replace(found, origin={}) == HostConfig(
        hostname="192.0.2.1",
        user="admin",
        port=2201,
        identity_files=("/home/me/.ssh/192.0.2.1",),
        default_identities=False,
        identities_only=True,
        certificate_files=("/certs/admin",),
        identity_agent="/run/other",
        proxy_jump=("me@gate:22", "inner"),
        user_known_hosts_files=("/home/me/kh", "/kh/edge.one"),
        global_known_hosts_files=(),
        strict_host_key_checking="no",
        host_key_alias="edge.one",
        check_host_ip=False,
        hash_known_hosts=True,
        update_host_keys="ask",
        connect_timeout=60.0,
        server_alive_interval=15.0,
        server_alive_count_max=2,
        tcp_keep_alive=False,
        bind_address="192.0.2.2",
        address_family="inet",
        compression=True,
        preferred_authentications=("publickey", "password"),
        pubkey_authentication=True,
        password_authentication=False,
        kbd_interactive_authentication=False,
        ciphers="^aes128-gcm@openssh.com",
        macs="-hmac-sha1",
        kex_algorithms="curve25519-sha256",
        host_key_algorithms="ssh-ed25519",
        pubkey_accepted_algorithms="+ssh-rsa",
        ca_signature_algorithms="ssh-ed25519",
        required_rsa_size=2048,
        send_env=("LANG", "LC_*"),
        set_env={"A": "1", "B": "2"},
        forward_agent=True,
        request_tty="force",
        remote_command="echo edge1",
        connection_attempts=2,
        log_level="VERBOSE",
        other={
            "controlpath": ("/home/me/192.0.2.1",),
            "visualhostkey": ("yes",),
            "localforward": ("80 a:1", "81 b:2"),
        },
    )
    assert found.origin["port"] == "config:5"
    assert found.origin["localforward"] == "config:45"
    assert set(found.origin) - {"controlpath", "visualhostkey", "localforward"} <= set(HostConfig.__slots__)


def test_what_the_caller_says_goes_first() -> None:
    config = parse("Match user root\n Compression yes\nHost *\n User me\n Port 1\n")
    found = config.lookup("a", user="root", port=2)
    assert (found.user, found.port, found.compression) == ("root", 2, True)
    assert found.origin == {"user": "the caller", "port": "the caller", "compression": "config:2"}


def test_a_text_without_a_name_still_says_the_line() -> None:
    config = SSHConfig.parse("\nPort 1", local=LOCAL, read=Files({}))
    assert config.lookup("a").origin == {"port": "line 2"}


@pytest.mark.parametrize(
    ("value", "agent"),
    [
        ("none", "none"),
        ("SSH_AUTH_SOCK", "SSH_AUTH_SOCK"),
        ("$SSH_AUTH_SOCK", "/run/agent"),
        ("${OTHER}.d/%r", "/run/other.d/me"),
        ("~/agent", "/home/me/agent"),
        ("$UNSET", "none"),
    ],
)
def test_identity_agent(value: str, agent: str) -> None:
    assert lookup(f"IdentityAgent {value}").identity_agent == agent


@pytest.mark.parametrize(
    ("lines", "files", "usual"),
    [
        ("", (), True),
        ("IdentityFile none", (), False),
        ("IdentityFile a\nIdentityFile none\nIdentityFile b", ("a", "b"), False),
    ],
)
def test_none_among_identity_files(lines: str, files: tuple[str, ...], usual: bool) -> None:  # noqa: FBT001  # a table
    found = lookup(lines)
    assert (found.identity_files, found.default_identities) == (files, usual)


@pytest.mark.parametrize(
    ("lines", "jump", "command"),
    [
        ("ProxyJump a\nProxyCommand b", ("a",), None),
        ("ProxyCommand b\nProxyJump a", (), "b"),
        ("ProxyJump none\nProxyCommand b", (), "b"),
        ("ProxyCommand none\nProxyJump a", (), None),
        ("ProxyJump none # why\nProxyJump a", (), None),
        ("ProxyJump gate-%h,%r@%n:23", ("gate-edge1", "me@edge1:23"), None),
        ("ProxyCommand nc %h %p # %%", (), "nc edge1 22 # %"),
        ("HostName 127.1\nProxyCommand nc %h %n", (), "nc 127.0.0.1 edge1"),
    ],
)
def test_proxies(lines: str, jump: tuple[str, ...], command: str | None) -> None:
    found = lookup(lines)
    assert (found.proxy_jump, found.proxy_command) == (jump, command)


@pytest.mark.parametrize(
    ("lines", "agent"),
    [
        ("ForwardAgent no\nForwardAgent /a", False),
        ("ForwardAgent yes\nForwardAgent ~/a", "/home/me/a"),
        ("ForwardAgent ${OTHER}\nForwardAgent no", "/run/other"),
    ],
)
def test_forward_agent(lines: str, agent: bool | str) -> None:  # noqa: FBT001  # a table
    assert lookup(lines).forward_agent == agent


def test_match_exec_runs_what_it_must_and_no_more() -> None:
    ran: list[str] = []

    def run(command: str) -> bool:
        ran.append(command)
        return command.startswith("yes")

    config = parse("""
        Match host other exec "never %h"
            Port 1
        Match exec "no %h" exec "never"
            Port 2
        Match exec "yes %n %p %r %u %k" host edge1
            Port 3
        Match !exec "yes again"
            Port 4
        Host other
            Include unread
    """)
    assert config.lookup("edge1", run_exec=run).port == 3
    assert ran == ["no edge1", "yes edge1 22 me me edge1", "yes again"]


def test_match_exec_without_leave_is_refused_only_where_it_counts() -> None:
    config = parse('Match host guarded exec "id -u %h"\n Port 1\n')
    assert config.lookup("free").port is None
    with pytest.raises(ConfigError) as caught:
        config.lookup("guarded")
    assert str(caught.value) == (
        'config:1: Match exec would run "id -u guarded", and no command may be run here'
        " (replace it by Match host, or look the host up where commands may be run)"
    )


def test_tags_of_newer_versions() -> None:
    found = lookup("Host edge*\n Tag fast\nMatch tagged slow,fast\n Port 1\nMatch tagged slow\n Port 2\n")
    assert (found.port, found.other) == (1, {"tag": ("fast",)})


def test_canonical_names() -> None:
    local = replace(LOCAL, resolve={"edge1.lab.example.": "edge1.lab.example."}.get)
    text = """
        CanonicalizeHostname yes
        CanonicalDomains lab.example
        Host edge1
            User first
        Host edge1.lab.example
            User second
            Port 2
        Match canonical
            Compression yes
    """
    found = parse(text, local=local).lookup("edge1")
    assert (found.hostname, found.user, found.port, found.compression) == ("edge1.lab.example", "first", 2, True)
    assert parse(text, local=local).lookup("edge2").hostname == "edge2"
    assert parse(text).lookup("10.0.0.1").hostname == "10.0.0.1"
    with pytest.raises(ConfigError) as caught:
        parse(text).lookup("edge1")
    assert str(caught.value) == (
        "config:2: canonicalizehostname: the canonical name of edge1.lab.example is asked for, and no names are"
        " resolved here (give the full name, or set HostName)"
    )


UNKNOWN = "IgnoreUnknown prot, on a line above, makes ssh and Mooring skip it"
SHELL = "is not fit for the shell that runs ProxyCommand"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Prot 22", f'config:1: "prot" is not a keyword of ssh_config ({UNKNOWN})'),
        ("Host other\n\n Prot 22", f'config:3: "prot" is not a keyword of ssh_config ({UNKNOWN})'),
        ("Port 70000", 'config:1: port: "70000" is not between 1 and 65535'),
        ("Host other\nPort x", 'config:2: port: "x" is not a number'),
        ("Port 1 2", "config:1: port: extra arguments at the end of the line"),
        ("Port #1", "config:1: port: the argument is missing"),
        ("Port", "config:1: Port: no argument"),
        ("Compression true", 'config:1: compression: "true" is not one of yes, no'),
        ("ConnectTimeout 5y", 'config:1: connecttimeout: "5y" is not a time such as 90, 10m or 1h30m'),
        ("ConnectTimeout 9999w", 'config:1: connecttimeout: "9999w" is too long a time'),
        ("Ciphers aes", 'config:1: ciphers: unknown algorithm "aes"'),
        ("SendEnv A=b", "config:1: sendenv: each argument is a name or a pattern"),
        ("SetEnv A", "config:1: setenv: each argument is NAME=VALUE"),
        ("ProxyJump a b", "config:1: proxyjump: takes hosts separated by commas without blanks"),
        ("ProxyJump a,,b", 'config:1: proxyjump: "" does not name a host'),
        ("ProxyJump edge1", "config:1: proxyjump: edge1 leads to itself"),
        ("ProxyJump me@[edge1]:22", "config:1: proxyjump: me@edge1:22 leads to itself"),
        ("HostName ::1\nProxyJump [::1]", "config:2: proxyjump: [::1] leads to itself"),
        ("HostName a;b\nProxyCommand nc %h 1", f'config:1: hostname: "a;b" {SHELL}'),
        ("User a`b\nProxyCommand nc -l%r", f'config:1: user: "a`b" {SHELL}'),
        ("HostName %p", 'config:1: hostname: "%p" has no meaning here'),
        ("ProxyCommand nc %d", 'config:1: proxycommand: "%d" has no meaning here'),
        ("ProxyCommand -", "config:1: proxycommand: there is no standard input to take for the connection"),
        ("IdentityFile a\nIdentityFile %z", 'config:2: identityfile: "%z" has no meaning here'),
        ("IdentityFile ${UNSET}/a", "config:1: identityfile: the environment has no variable UNSET"),
        ("UserKnownHostsFile ~nobody/x", "config:1: userknownhostsfile: there is no user nobody"),
        ("IdentityAgent ${UNSET}", "config:1: identityagent: the environment has no variable UNSET"),
        ("ControlPath ${UNSET}", "config:1: controlpath: the environment has no variable UNSET"),
        ("ConnectionAttempts 0", "config:1: connectionattempts: must be at least 1"),
        ("UserKnownHostsFile a none", 'config:1: userknownhostsfile: "none" must stand alone'),
        ('UserKnownHostsFile a ""', "config:1: userknownhostsfile: an argument is empty"),
        ("IPQoS", "config:1: IPQoS: no argument"),
        ("IPQoS # none", "config:1: ipqos: the argument is missing"),
        ("IPQoS cs1 cs2 cs3", "config:1: ipqos: extra arguments at the end of the line"),
        ("RekeyLimit 4", "config:1: rekeylimit: too small"),
        ("RekeyLimit x", 'config:1: rekeylimit: "x" is not a number of bytes'),
        ("AddKeysToAgent yes 5m", "config:1: addkeystoagent: takes yes, no, ask, confirm or a time"),
        ("EscapeChar ab", 'config:1: escapechar: "ab" is not an escape character'),
        ("StreamLocalBindMask 8", 'config:1: streamlocalbindmask: "8" is not an octal mode'),
        (
            "CanonicalizePermittedCNAMEs a",
            'config:1: canonicalizepermittedcnames: "a" is not of the form SOURCES:TARGETS',
        ),
        ("LocalForward 80", "config:1: localforward: the destination is missing"),
        ('Host ""', "config:1: Host: a pattern is empty"),
        ("Match user", 'config:1: Match: "user" needs an argument'),
        ("Match users me", 'config:1: Match: unknown criterion "users"'),
        ("Match all host x", 'config:1: Match: "all" cannot be combined with other criteria'),
        ("Match # all", "config:1: Match: no criterion"),
        ("Match host 1==1", "config:1: Match: extra arguments at the end of the line"),
        ('Match exec "%z"', 'config:1: Match exec: "%z" has no meaning here'),
        (
            "Match localnetwork 10.0.0.0/8",
            (
                "config:1: Match localnetwork cannot be decided here: it needs this host's network interfaces"
                " (select these hosts with Match host or Match exec instead)"
            ),
        ),
        ('Include ""', "config:1: include: an argument is empty"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        lookup(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("host", "user", "port", "message"),
    [
        ("", None, None, "'' is not a host name: it is empty, begins with - or has a character that a shell acts on"),
        ("-oX", None, None, "'-oX' is not a host name: "),
        ("a;b", None, None, "'a;b' is not a host name: "),
        ("a\n", None, None, r"'a\n' is not a host name: "),
        ("a", "", None, "'' is not a user name: it is empty, begins with - or has a character that a shell acts on"),
        ("a", "$(id)", None, "'$(id)' is not a user name: "),
        ("a", None, 0, "0 is not a port: 1 to 65535"),
        ("a", None, 65536, "65536 is not a port: 1 to 65535"),
    ],
)
def test_targets_that_are_none(host: str, user: str | None, port: int | None, message: str) -> None:
    with pytest.raises(InvalidTarget, match=f"^{re.escape(message)}"):
        parse("").lookup(host, user, port)


def test_the_environment_is_not_shown() -> None:
    assert "/run/agent" not in repr(LOCAL)
