"""The daemon's settings: precedence, and errors that name file, line, key and what was probably meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.daemon.config import Options, Settings, load
from mooring.model.errors import ConfigError, InvalidTarget
from mooring.model.recording import RecordingSettings

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the configuration file that MOORING_CONFIG names."""
    for name in ("MOORING_SOCKET", "MOORING_STATE_DIR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "config.toml"
    monkeypatch.setenv("MOORING_CONFIG", str(path))

    def write(text: str) -> Path:
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def _error(write: Write, text: str) -> tuple[str, str | None]:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(Options())
    return caught.value.message.replace(str(path), "FILE"), caught.value.hint


def test_defaults(write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOORING_STATE_DIR", str(tmp_path))
    write("")
    settings = load(Options())
    assert (settings.host, settings.port) == ("127.0.0.1", 8877)
    assert settings.socket == tmp_path / "mooring.sock"
    assert (settings.log, settings.log_level, settings.tls, settings.targets) == ("text", "info", None, ())


def test_everything_a_file_can_say(write: Write, tmp_path: Path) -> None:
    path = write(
        f"""
        [daemon]
        host = "::1"
        port = 1234
        socket = "{tmp_path}/s"
        state_dir = "{tmp_path}/state"
        hosts = ["mooring.example.net"]
        ssh_config = []
        log = "json"
        log_level = "debug"

        [tls]
        cert = "{tmp_path}/cert.pem"
        key = "{tmp_path}/key.pem"

        [sessions.web1]
        host = "10.0.0.5"
        username = "deploy"
        password = "s3cret"
        label = ["site:ams", "role:web"]
        keepalive = 5

        [sessions.edge1]
        """
    )
    settings = load(Options())
    assert isinstance(settings, Settings)
    assert settings.config == path
    assert (settings.host, settings.port, settings.log, settings.log_level) == ("::1", 1234, "json", "debug")
    assert (settings.socket, settings.state_dir) == (tmp_path / "s", tmp_path / "state")
    assert (settings.hosts, settings.ssh_config) == (("mooring.example.net",), None)
    assert settings.tls is not None
    assert settings.tls.cert == tmp_path / "cert.pem"
    assert [str(target) for target in settings.targets] == [
        "web1://deploy:********@10.0.0.5?label=site:ams&label=role:web&keepalive=5",
        "edge1://edge1",
    ]
    assert "s3cret" not in repr(settings)


def test_the_command_line_wins_over_the_environment_over_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(f'[daemon]\nport = 1\nhost = "::1"\nstate_dir = "{tmp_path}/file"\nsocket = "{tmp_path}/file.sock"\n')
    settings = load(Options(port=2, state_dir=f"{tmp_path}/flag", socket=f"{tmp_path}/flag.sock"))
    assert (settings.port, settings.host) == (2, "::1")
    assert (settings.state_dir, settings.socket) == (tmp_path / "flag", tmp_path / "flag.sock")
    monkeypatch.setenv("MOORING_STATE_DIR", f"{tmp_path}/environment")
    monkeypatch.setenv("MOORING_SOCKET", f"{tmp_path}/environment.sock")
    settings = load(Options())
    assert (settings.state_dir, settings.socket) == (tmp_path / "environment", tmp_path / "environment.sock")


def test_a_channel_wins_over_a_session_of_the_file(write: Write) -> None:
    write('[sessions.web1]\nhost = "a"\n[sessions.web2]\nhost = "b"\n')
    settings = load(Options(channels=("web1://c", "web3://d")))
    assert [str(target) for target in settings.targets] == ["web1://c", "web2://b", "web3://d"]


def test_two_channels_of_one_alias_are_refused(write: Write) -> None:
    write("")
    with pytest.raises(ConfigError, match="two --channel have the alias web1"):
        load(Options(channels=("web1://a", "web1://b")))


def test_a_malformed_channel_is_refused(write: Write) -> None:
    write("")
    with pytest.raises(InvalidTarget):
        load(Options(channels=("web1://user:pass@",)))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[daemon]\n\nprot = 1\n", "FILE:3: unknown key 'prot' in [daemon]", "did you mean port? "),
        ("[deamon]\nport = 1\n", "FILE:1: unknown table or key 'deamon'", "did you mean daemon? "),
        ("daemon.port = 99999\n", "FILE:1: port must be a number from 0 to 65535; 0 lets the system choose", None),
        ("[daemon]\nport = true\n", "FILE:2: port must be a number from 0 to 65535; 0 lets the system choose", None),
        ("[daemon]\nlog = 'xml'\n", "FILE:2: log must be one of text, json", None),
        ("[daemon]\nhosts = 'a'\n", "FILE:2: hosts must be a list of texts", None),
        ("daemon = 1\n", "FILE:1: daemon must be a table: [daemon]", None),
        ("[tls]\ncert = 'a'\n", "FILE:1: [tls] has no key", None),
        ("\n[sessions.web1]\nhost = 'a'\nlable = 'a:b'\n", "FILE:4: unknown key 'lable' in [sessions.web1]", "label"),
        ("[sessions.web1]\nport = 'x'\n", "FILE:2: [sessions.web1] 'port' must be a number from 1 to 65535", None),
        ("[sessions]\nweb1.port = 0\n", "FILE:2: [sessions.web1] 'port' must be a number from 1 to 65535", None),
        ("[sessions]\nweb1 = {port = 0}\n", "FILE:2: [sessions.web1] 'port' must be a number from 1 to 65535", None),
        ("[sessions.'a b']\n", "FILE:1: [sessions.a b] 'alias' must be letters", None),
        ("[sessions]\nweb1 = 'host'\n", "FILE:2: web1 must be a table: [sessions.web1]", None),
        ("sessions = 1\n", "FILE:1: sessions must be tables: [sessions.ALIAS]", None),
        ("[[sessions]]\n", "FILE:1: sessions must be tables: [sessions.ALIAS]", None),
        ("[daemon]\nport = \n", "FILE:2: invalid value", None),
        ("[daemon]\nport = 1\nport = 2\n", "FILE:3: cannot overwrite a value", None),
        ("[daemon", "FILE:1: expected ']' at the end of a table declaration", None),
    ],
)
def test_a_mistake_is_named_with_its_line(write: Write, text: str, message: str, hint: str | None) -> None:
    told, advice = _error(write, text)
    assert told.startswith(message)
    assert hint is None or hint in (advice or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("files = 'hosts'", "FILE:2: files must be a list of texts"),
        ("file = []", "FILE:2: unknown key 'file' in [inventory]"),
        ("files = ['HOSTS']\nselect = 'a b'", "FILE:3: [inventory] select: the selector at character 1"),
        ("files = ['HOSTS', 'HOSTS']", "FILE:2: edge1 is in more than one inventory"),
        ("files = ['HOSTS/x']", "HOSTS/x: Not a directory"),
    ],
)
def test_a_mistake_about_an_inventory_is_named(write: Write, tmp_path: Path, text: str, message: str) -> None:
    hosts = str(tmp_path / "hosts")
    Path(hosts).write_text("edge1\n")
    told, _ = _error(write, "[inventory]\n" + text.replace("HOSTS", hosts))
    assert told.replace(hosts, "HOSTS").startswith(message)


def test_no_message_repeats_a_password(write: Write) -> None:
    for text in ("password = 'hunter2\x07'", "password = ['hunter2']", "pasword = 'hunter2'", "password = 'hunter2"):
        told, advice = _error(write, f"[sessions.web1]\n{text}\n")
        assert told.startswith("FILE:")
        assert "hunter2" not in told + (advice or "")


def test_a_password_that_others_may_read_is_refused(write: Write) -> None:
    path = write("[sessions.web1]\nusername = 'a'\npassword = 'hunter2'\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        load(Options())
    assert caught.value.message == f"{path}:3: others may read the password in this file"
    assert caught.value.hint == f"chmod 600 {path}, or use password_from"


def test_a_file_without_passwords_may_be_read_by_all(write: Write) -> None:
    write("[sessions.web1]\n").chmod(0o644)
    assert load(Options()).targets


@pytest.mark.parametrize("by_flag", [True, False])
def test_a_file_that_was_named_must_be_there(write: Write, tmp_path: Path, *, by_flag: bool) -> None:
    missing = tmp_path / ("other.toml" if by_flag else "config.toml")
    with pytest.raises(ConfigError) as caught:
        load(Options(config=str(missing) if by_flag else None))
    assert caught.value.message == f"{missing}: no such file"


def test_the_default_file_need_not_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MOORING_CONFIG", raising=False)
    monkeypatch.setattr("mooring.client.paths.default_config_file", lambda: str(tmp_path / "none.toml"))
    assert load(Options()).config is None


def test_a_file_that_is_no_text_is_refused_with_its_line(write: Write) -> None:
    path = write("")
    path.write_bytes(b"[daemon]\nhost = '\xff'\n")
    with pytest.raises(ConfigError) as caught:
        load(Options())
    assert caught.value.message == f"{path}:2: not UTF-8"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(Options(config=str(tmp_path)))


def test_what_is_recorded_of_terminals(write: Write) -> None:
    write("")
    assert load(Options()).recordings == RecordingSettings()
    assert not RecordingSettings().enabled
    said = 'enabled = true\ninput = true\nrequired = false\nselect = "site:ams"\n'
    write(f"[recordings]\n{said}keep_days = 0.5\nkeep_mib = 1\nmax_mib = 2\nfree_mib = 3\n")
    assert load(Options()).recordings == RecordingSettings(
        enabled=True, input=True, required=False, select="site:ams", keep_days=0.5, keep_mib=1, max_mib=2, free_mib=3
    )
    assert _error(write, "[recordings]\nselect = ','")[0].startswith("FILE:2: select is no selector")
    assert _error(write, "[recordings]\nkeep_days = 0")[0] == "FILE:2: keep_days must be a number above 0"
