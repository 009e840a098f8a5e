"""Where a target leads: what the DSN says wins, then ssh_config, then the defaults."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest

from mooring.model.errors import ConfigError, InvalidTarget, MooringError
from mooring.model.target import Target
from mooring.transport.keywords import Keywords, split
from mooring.transport.route import CONNECT_TIMEOUT, KEEPALIVE, KEEPALIVE_COUNT, Route, Router

pytestmark = pytest.mark.anyio

CONFIG = """
Host edge1
  HostName 192.0.2.1
  Port 2201
  User admin
  IdentityFile /keys/edge1
  UserKnownHostsFile /known/one /known/two
  GlobalKnownHostsFile none
  StrictHostKeyChecking accept-new
  ServerAliveInterval 7
  ServerAliveCountMax 5
  ConnectTimeout 9
  Ciphers aes256-ctr
Host quiet
  ServerAliveInterval 0
  ConnectTimeout 0
Host off
  StrictHostKeyChecking no
Host inner
  ProxyJump user@hop1:2222,hop2
Host hop2
  HostName 192.0.2.22
Host proxied
  ProxyCommand relay %h %p %r
Host loop1
  ProxyJump loop2
Host loop2
  ProxyJump loop1
Host both
  ProxyJump hop2
  ProxyCommand relay
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(CONFIG)
    return file


async def look_up(config: Path | None, target: str, **keywords: Any) -> Route:
    fields, rest = split(keywords)
    return await Router([config] if config else []).route(Target.parse(target, **fields), rest)


async def test_the_defaults() -> None:
    route = await look_up(None, "edge1")
    assert (route.host, route.port, route.username) == ("edge1", 22, getpass.getuser())
    assert (route.policy, route.proxy_command, route.via, route.hops) == ("verify", None, None, ())
    assert (route.keepalive, route.keepalive_count) == (KEEPALIVE, KEEPALIVE_COUNT) == (15.0, 3)
    assert route.connect_timeout == CONNECT_TIMEOUT
    assert [str(path) for path in route.system_known_hosts] == ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]
    assert route.known_hosts[0] == Path("~/.ssh/known_hosts").expanduser()


async def test_what_ssh_config_says(config: Path) -> None:
    route = await look_up(config, "edge1")
    assert route.where == "admin@192.0.2.1:2201"
    assert (route.policy, route.identity) == ("accept-new", ("/keys/edge1",))
    assert route.known_hosts == (Path("/known/one"), Path("/known/two"))
    assert route.system_known_hosts == ()
    assert (route.keepalive, route.keepalive_count, route.connect_timeout) == (7, 5, 9)
    assert route.algorithms == {"encryption_algs": "aes256-ctr"}
    assert (await look_up(config, "off")).policy == "off"


async def test_what_the_target_says_wins(config: Path) -> None:
    route = await look_up(
        config,
        "edge1://root@edge1:22",
        host_key="verify",
        known_hosts="/mine",
        identity="/keys/mine",
        keepalive=3,
        connect_timeout=4,
        encryption_algs=["aes128-ctr"],
    )
    assert route.where == "root@192.0.2.1:22"
    assert (route.policy, route.known_hosts, route.identity) == ("verify", (Path("/mine"),), ("/keys/mine",))
    assert (route.keepalive, route.connect_timeout, route.algorithms) == (3, 4, {})


async def test_an_alias_is_only_a_name(config: Path) -> None:
    route = await look_up(config, "core7://edge1")
    assert (route.target.alias, route.where) == ("core7", "admin@192.0.2.1:2201")


async def test_a_zero_in_ssh_config_is_no_license_to_hang(config: Path) -> None:
    route = await look_up(config, "quiet")
    assert (route.keepalive, route.connect_timeout) == (KEEPALIVE, CONNECT_TIMEOUT)


async def test_jumps_of_ssh_config_and_of_the_target(config: Path) -> None:
    me = getpass.getuser()
    route = await look_up(config, "inner")
    assert route.hops == ("user@hop1:2222", f"{me}@192.0.2.22:22")
    assert route.via is not None
    assert route.via.via is not None
    assert route.via.via.via is None
    assert (await look_up(config, "inner", jump="edge1")).hops == ("admin@192.0.2.1:2201",)
    assert (await look_up(config, "inner", jump="none")).via is None
    assert (await look_up(config, "proxied", jump="edge1")).proxy_command is None
    assert (await look_up(config, "edge1", jump="inner")).hops[-1] == f"{me}@inner:22"


async def test_proxy_commands(config: Path) -> None:
    me = getpass.getuser()
    assert (await look_up(config, "proxied")).proxy_command == f"relay proxied 22 {me}"
    route = await look_up(config, "inner", proxy_command="mine")
    assert (route.proxy_command, route.via) == ("mine", None)


async def test_of_jump_and_command_one_counts(config: Path) -> None:
    route = await look_up(config, "both")
    assert (route.proxy_command is None) != (route.via is None)


@pytest.mark.parametrize("target", ["loop1", "loop2"])
async def test_jumps_in_a_circle(config: Path, target: str) -> None:
    with pytest.raises(InvalidTarget, match="leads in a circle"):
        await look_up(config, target)


async def test_a_configuration_that_cannot_be_honoured(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("Host *\n  Port many\n")
    with pytest.raises(ConfigError, match="config:2"):
        await look_up(file, "edge1")
    with pytest.raises(ConfigError):
        await look_up(tmp_path / "missing", "edge1")


async def test_match_exec_runs_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text('Match exec "test %h = edge1"\n  Port 2201\nMatch exec false\n  User nobody\n')
    assert (await look_up(file, "edge1")).port == 2201
    route = await look_up(file, "edge2")
    assert (route.port, route.username) == (22, getpass.getuser())


async def test_keys_and_daemons(config: Path) -> None:
    one, two = await look_up(config, "a://edge1"), await look_up(config, "b://edge1")
    other = await look_up(config, "c://root@edge1")
    assert one.key == two.key
    assert one.key != other.key
    assert one.daemon == other.daemon
    assert (await look_up(config, "edge1", jump="hop2")).daemon != one.daemon
    assert hash(one.key) == hash(two.key)


async def test_addresses_with_colons_are_in_brackets() -> None:
    assert (await look_up(None, "edge1://u@[2001:db8::1]:22")).where == "u@[2001:db8::1]:22"


async def test_nothing_of_it_shows_a_password() -> None:
    route = await look_up(None, "edge1://user:hunter2@host", passphrase="hunter2")
    assert "hunter2" not in repr(route)
    assert "hunter2" not in repr(route.key)


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "a;b", "$(id)", "a\nb", "`id`"])
async def test_no_host_name_reaches_a_shell_that_is_none(host: str) -> None:
    with pytest.raises(MooringError):
        await Router([]).route(Target.parse("edge1", host=host), Keywords(proxy_command="relay %h"))
