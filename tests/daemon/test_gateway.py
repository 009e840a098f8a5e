"""The gateway of a real daemon: its configuration, its host key, its users while it runs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.daemon.config import Options, load
from mooring.daemon.gateway import _ACTIONS, _USER
from mooring.model.errors import ConfigError
from mooring.model.gateway import GATEWAY_ACTIONS
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.gateway.door import make_key
from tests.peers.sshd import Sshd

StartDaemon = Callable[..., RunningDaemon]


def configured(server: Sshd, keys: Path, select: str) -> str:
    """A configuration with one user and one session."""
    rule = f"{{ select = '{select}', actions = ['run'] }}"
    gateway = "[gateway]\nlisten = '127.0.0.1:0'\n[[gateway.user]]\nname = 'ann'\n"
    return f"{gateway}authorized_keys = '{keys}'\nallow = [{rule}]\n{table('a', server)}"


def test_a_user_comes_and_goes_with_the_configuration(start_daemon: StartDaemon, sshd: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path, "ann")
    keys = key.with_suffix(".pub")
    daemon = start_daemon(config=configured(sshd, keys, "a"))
    daemon.wait_state("a")
    port = re.findall(r"SSH clients may come to 127\.0\.0\.1:(\d+)", daemon.log())[0]
    assert (daemon.state_dir / "gateway_host_key").stat().st_mode & 0o777 == 0o600

    def ssh(*words: str) -> tuple[int, str, str]:
        known = tmp_path / "known_hosts"
        base = ["ssh", "-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={known}"]
        base += ["-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        command = [*base, "-p", port, "-l", "a", "127.0.0.1", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, input="")
        return done.returncode, done.stdout, done.stderr

    assert ssh("echo", "here") == (0, "here\n", "")
    daemon.reload(configured(sshd, keys, "other"))
    assert ssh("echo", "here") == (255, "", "mooring: no session is called a\n")
    daemon.reload(configured(sshd, make_key(tmp_path, "another").with_suffix(".pub"), "a"))
    assert "Permission denied (publickey)" in ssh("echo", "here")[2]
    daemon.reload(configured(sshd, keys, "a"))
    assert ssh("echo", "here") == (0, "here\n", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gateway]\nlisten = 5", "listen must be a list of texts"),
        ("[gateway]\nlisten = 'x:y'", "'x:y' is no address"),
        ("[gateway]\nwait = -1", "wait must be seconds"),
        ("[gateway]\nusers = []", "unknown key 'users' in [gateway]"),
        ("[gateway]\nuser = 1", "user must be tables"),
        ("[[gateway.user]]\nauthorized_keys = 'x'", "the user number 1: has no name"),
        ("[[gateway.user]]\nname = 'a b'\ntoken = true", "name must be a name"),
        ("[[gateway.user]]\nname = 'ann'", "ann: has no way to come in"),
        ("[[gateway.user]]\nname = 'ann'\ntoken = 1", "ann: token must be true or false"),
        ("[[gateway.user]]\nname = 'ann'\ntoken = true\nalow = []", "ann: unknown key 'alow'"),
        ("[[gateway.user]]\nname = 'ann'\ntoken = true\nallow = 'all'", "ann: allow must be a list of rules"),
        ("[[gateway.user]]\nname = 'ann'\ntoken = true\nallow = [{}]", "rule 1 of allow has no select"),
        (
            "[[gateway.user]]\nname = 'ann'\ntoken = true\nallow = [{select = 'a', actions = ['fly']}]",
            "rule 1 of allow: actions may not hold 'fly': there are run, shell, netconf, files, forward",
        ),
        (
            "[[gateway.user]]\nname = 'ann'\ntoken = true\nallow = [{select = '', actions = ['run']}]",
            "rule 1 of allow: select must be a text",
        ),
        (
            "[[gateway.user]]\nname = 'ann'\ntoken = true\nallow = [{select = '@/etc/passwd', actions = ['run']}]",
            "select may not read other files",
        ),
        ("[[gateway.user]]\nname = 'ann'\ntoken = true\nprincipals = ['x']", "ann: has principals and no"),
        (
            "[[gateway.user]]\nname = 'ann'\ntoken = true\n[[gateway.user]]\nname = 'ann'\ntoken = true",
            "two users are called ann",
        ),
        (
            "[[gateway.user]]\nname = 'ann'\ntoken = true\n[[gateway.user]]\nname = 'bob'\ntoken = true",
            "only one user can have token = true",
        ),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(Options(config=str(path)))
    assert words in caught.value.message
    assert caught.value.message.startswith(f"{path}:")
    assert caught.value.message.count(str(path)) == 1


def test_the_documents_example_is_understood(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")
    block = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    path = tmp_path / "config.toml"
    path.write_text(block)
    found = load(Options(config=str(path))).gateway
    assert [user.name for user in found.users] == ["ann", "bob", "ops"]
    assert found.users[0].authorized_keys == str(tmp_path / "keys" / "ann.pub")
    assert [sorted(grant.actions) for grant in found.users[0].grants] == [sorted(GATEWAY_ACTIONS), ["run"]]
    told = set(re.findall(r"^\| `(\w+)` \| [^|]* \|$", text, re.MULTILINE))
    assert {*_USER, "allow", *_ACTIONS} <= told


def test_the_command_line_says_where(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[gateway]\nlisten = ['127.0.0.1:1', '[::1]:2']\nwait = 2\nhalf_open = 7")
    settings = load(Options(config=str(path))).gateway
    assert settings.listen == (("127.0.0.1", 1), ("::1", 2))
    assert (settings.wait, settings.limits.half_open) == (2.0, 7)
    assert load(Options(config=str(path), gateway=("0.0.0.0",))).gateway.listen == (("0.0.0.0", 8822),)  # noqa: S104
