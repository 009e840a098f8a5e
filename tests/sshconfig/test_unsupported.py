"""Settings that must not be passed over in silence."""

from __future__ import annotations

import pytest

from mooring.model.errors import ConfigError
from mooring.sshconfig import UNSUPPORTED, HostConfig

from .places import lookup, parse

HARMFUL = {
    "BindInterface": "eth0",
    "HostbasedAuthentication": "yes",
    "KnownHostsCommand": "/bin/keys %H",
    "PKCS11Provider": "/usr/lib/opensc-pkcs11.so",
    "ProxyUseFdpass": "yes",
    "RefuseConnection": '"out of service"',
    "RevokedHostKeys": "/etc/ssh/revoked",
    "SecurityKeyProvider": "/usr/lib/sk.so",
    "Tunnel": "ethernet",
    "VerifyHostKeyDNS": "yes",
}


@pytest.mark.parametrize(("keyword", "value"), HARMFUL.items())
def test_what_cannot_be_honoured_is_refused_for_its_host_alone(keyword: str, value: str) -> None:
    config = parse(f"Host edge1\n ProxyCommand relay\n {keyword} {value}\n")
    entry = UNSUPPORTED[keyword.lower()]
    assert config.lookup("edge2") == HostConfig(hostname="edge2")
    with pytest.raises(ConfigError) as caught:
        config.lookup("edge1")
    shown = value.strip('"')
    assert str(caught.value) == f"config:3: {keyword} {shown} cannot be honoured: {entry.why} ({entry.hint})"
    assert (caught.value.source, caught.value.line) == ("config", 3)


def test_each_unsupported_keyword_is_tested_and_has_a_harmless_value() -> None:
    assert {keyword.lower() for keyword in HARMFUL} == set(UNSUPPORTED)
    for keyword, entry in UNSUPPORTED.items():
        for value in entry.harmless:
            assert keyword in lookup(f"{keyword} {value}\nProxyCommand relay").other


def test_a_descriptor_is_asked_of_a_proxy_command_only() -> None:
    assert lookup("ProxyUseFdpass yes").other == {"proxyusefdpass": ("yes",)}


@pytest.mark.parametrize(
    "others",
    [
        "PreferredAuthentications gssapi-with-mic",
        "PreferredAuthentications gssapi-with-mic,password\nPasswordAuthentication no",
        "PubkeyAuthentication no\nPasswordAuthentication no\nKbdInteractiveAuthentication no",
    ],
)
def test_gssapi_as_the_only_way_is_refused(others: str) -> None:
    assert lookup("GSSAPIAuthentication yes").other == {"gssapiauthentication": ("yes",)}
    with pytest.raises(ConfigError) as caught:
        lookup(f"GSSAPIAuthentication yes\n{others}")
    assert str(caught.value) == (
        "config:1: GSSAPIAuthentication is the only way left to log in, and Mooring does not have it"
        " (allow publickey, keyboard-interactive or password for this host)"
    )
