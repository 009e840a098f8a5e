"""What a caller passes beside a target: parted between us and AsyncSSH, or refused with advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mooring.model.errors import InvalidTarget
from mooring.transport.keywords import Keywords, split


def test_names_that_both_have_mean_the_targets() -> None:
    target, rest = split({"username": "u", "password": "p", "port": 22, "known_hosts": "file", "label": "a:b"})
    assert target == {"username": "u", "password": "p", "port": 22, "known_hosts": "file", "label": "a:b"}
    assert rest == Keywords()


@pytest.mark.parametrize(
    ("passed", "target", "client_keys"),
    [
        ({"client_keys": "~/.ssh/id"}, {"identity": ["~/.ssh/id"]}, None),
        ({"client_keys": [Path("/a"), "/b"]}, {"identity": ["/a", "/b"]}, None),
        ({"client_keys": None}, {}, ()),
        ({"client_keys": []}, {}, ()),
        ({"known_hosts": None}, {"host_key": "off"}, None),
        ({"known_hosts": Path("/known")}, {"known_hosts": "/known"}, None),
    ],
)
def test_keys_and_known_hosts_as_asyncssh_has_them(
    passed: dict[str, Any], target: dict[str, Any], client_keys: tuple[Any, ...] | None
) -> None:
    found, rest = split(passed)
    assert (found, rest.client_keys) == (target, client_keys)


def test_key_objects_stay_objects() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    assert split({"client_keys": [key]})[1].client_keys == (key,)
    assert split({"client_keys": key})[1].client_keys == (key,)


def test_what_is_ours_and_what_is_asyncssh_own() -> None:
    target, rest = split(
        {
            "agent_path": None,
            "passphrase": "hunter2",
            "proxy_command": "nc h 22",
            "client_factory": asyncssh.SSHClient,
            "compression_algs": ["none"],
            "client_version": "x",
        }
    )
    assert target == {}
    assert (rest.agent, rest.proxy_command, rest.client_factory) == ("none", "nc h 22", asyncssh.SSHClient)
    assert rest.options == {"compression_algs": ["none"], "client_version": "x"}
    assert rest.passphrase is not None
    assert rest.passphrase.reveal() == "hunter2"
    assert "hunter2" not in repr(rest)
    assert split({"agent_path": "/run/agent"})[1].agent == "/run/agent"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("usrname", "did you mean username?"),
        ("client_key", "did you mean client_keys?"),
        ("xyzzy", "the target's fields and AsyncSSH's connection keywords are known"),
        ("tunnel", "name the hops with jump="),
        ("login_timeout", "connect_timeout= covers the login too"),
        ("keepalive_interval", "use keepalive="),
        ("server_host_key_algs", "known keys decide it"),
        ("command", r"pass it to run\(\) or process\(\)"),
        ("config", r"pass it to connect\(\) or Pool\(\)"),
        ("options", None),
    ],
)
def test_what_is_neither_is_refused_with_advice(name: str, advice: str | None) -> None:
    with pytest.raises(InvalidTarget, match=f"unknown keyword '{name}'") as caught:
        split({name: "secret-value"})
    assert "secret-value" not in str(caught.value)
    if advice:
        with pytest.raises(InvalidTarget, match=advice):
            split({name: None})
