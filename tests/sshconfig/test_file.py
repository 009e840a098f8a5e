"""ssh_config as text: every byte comes back, `get` says what ``ssh -G`` says, and a change touches one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.model.errors import ConfigError, InvalidInput
from mooring.sshconfig import SSHConfig, SSHConfigFile, dump, dumps, load, loads, parser
from mooring.sshconfig.lexer import Line, line_of

from .places import LOCAL, Files

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.conf"))
TEXT = """\
# the first
Host web1 web1.example
  HostName 10.0.0.1\t# where it is
  IdentityFile=~/.ssh/a
  identityfile "~/.ssh/b c"

# one of its own\r
Host db1\r
\tPort 5432\r

Match host x exec "true"
  Port 1

# for all
Host *
    User me
    ServerAliveInterval 1m
    Compression yes
"""


def config(text: str = TEXT) -> SSHConfigFile:
    return loads(text, source="f", local=LOCAL, read=Files({}))


def changed(before: str, after: str) -> list[str]:
    """The lines that came, went or changed."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return [f"-{line}" for line in old if line not in new] + [f"+{line}" for line in new if line not in old]


@given(st.text(st.characters(), max_size=300))
def test_any_text_comes_back(text: str) -> None:
    assert dumps(loads(text, local=LOCAL)) == text


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_files_come_back_to_the_byte(file: Path, tmp_path: Path) -> None:
    dump(load(file), tmp_path / "config")
    assert (tmp_path / "config").read_bytes() == file.read_bytes()


def test_bytes_that_are_no_text_come_back(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"# \xff\xfe\r\nHost a\r\n")
    dump(load(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"# \xff\xfe\r\nHost a\r\n"


def test_it_is_a_configuration_like_any_other() -> None:
    assert isinstance(config(), SSHConfig)
    assert config().lookup("db1").port == 5432


def test_what_is_got() -> None:
    ours = config()
    assert ours.get("web1", "HostName") == "10.0.0.1"
    assert ours.get("web1", "identityfile") == ["~/.ssh/a", "~/.ssh/b c"]
    assert ours.get("web1", "ServerAliveInterval") == "60"
    assert ours.get("web1", "compression") == "yes"
    assert ours.get("db1", "Port") == "5432"
    assert ours.get("db1", "HostName") is None
    assert ours.get("db1", "ProxyJump", "none given") == "none given"
    assert ours.get("db1", "IdentityFile", ["x"]) == ["x"]
    assert ours.get("x", "Port", run_exec=lambda _: True) == "1"
    with pytest.raises(InvalidInput, match=r"'Hostnam' is not a keyword of ssh_config \(did you mean hostname\?\)"):
        ours.get("db1", "Hostnam")


def test_hosts_are_listed_without_patterns() -> None:
    files = Files({"/home/me/.ssh/more": "Host inner !not web*\n"})
    text = "Host a b* c\nInclude more\nHost c d\nMatch host e\n"
    assert loads(text, local=LOCAL, read=files).hosts() == ["a", "c", "inner", "d"]


def test_everything_wrong_is_told_with_its_line() -> None:
    text = "Host a\n Prot 2\n Port x\n Compression maybe\nIgnoreUnknown odd\nOdd 1\nHost b\n Port\n"
    assert [(fault.source, fault.line) for fault in config(text).validate()] == [
        ("f", 2), ("f", 3), ("f", 4), ("f", 8),
    ]  # fmt: skip
    told = [str(fault) for fault in config(text).validate()]
    assert 'f:2: "prot" is not a keyword of ssh_config (did you mean port?)' in told
    assert 'f:3: port: "x" is not a number' in told
    assert 'f:4: compression: "maybe" is not one of yes, no' in told
    assert config().validate() == []


@pytest.mark.parametrize(
    ("host", "param", "value", "lines"),
    [
        ("db1", "Port", 22, ["-\tPort 5432\r\n", "+\tPort 22\r\n"]),
        ("web1 web1.example", "hostname", "10.9.9.9",
         ["-  HostName 10.0.0.1\t# where it is\n", "+  HostName 10.9.9.9\t# where it is\n"]),
        ("db1", "HostName", "db", ["+\tHostName db\r\n"]),
        ("db1", "IdentityFile", ["~/a", "~/b"], ["+\tIdentityFile ~/a\r\n", "+\tIdentityFile ~/b\r\n"]),
        ("web1 web1.example", "IdentityFile", "~/only",
         ["-  IdentityFile=~/.ssh/a\n", '-  identityfile "~/.ssh/b c"\n', "+  IdentityFile=~/only\n"]),
        ("*", "ForwardAgent", True, ["+    ForwardAgent yes\n"]),
        ("db1", "ProxyCommand", "nc %h # 5", ["+\tProxyCommand nc %h # 5\r\n"]),
        ("db1", "UserKnownHostsFile", ["~/a", "~/b"], ["+\tUserKnownHostsFile ~/a ~/b\r\n"]),
    ],
)  # fmt: skip
def test_a_change_touches_its_lines_only(host: str, param: str, value: str, lines: list[str]) -> None:
    ours = config()
    ours.set(host, param, value)
    assert changed(TEXT, dumps(ours)) == lines


def test_a_new_host_comes_before_the_one_for_all() -> None:
    ours = config()
    ours.add_host("new1", HostName="10.1.1.1", Port=2222, IdentityFile="/keys/a b")
    block = 'Host new1\r\n    HostName 10.1.1.1\r\n    Port 2222\r\n    IdentityFile "/keys/a b"\r\n\r\n'
    assert dumps(ours) == TEXT.replace("# for all\n", block + "# for all\n")
    assert (ours.get("new1", "User"), ours.get("new1", "IdentityFile")) == ("me", ["/keys/a b"])
    ours.remove("new1")
    assert dumps(ours) == TEXT


@pytest.mark.parametrize("text", ["", "# only this", "Host a\n  Port 1", "Host a\n  Port 1\n\n\n"])
def test_a_new_host_at_the_end(text: str) -> None:
    ours = config(text)
    ours.add_host("b", {"Port": 2})
    assert dumps(ours).startswith(text.rstrip("\n"))
    assert ours.get("b", "Port") == "2"
    assert ours.validate() == []


def test_what_is_removed() -> None:
    ours = config()
    ours.remove("db1", "port")
    assert changed(TEXT, dumps(ours)) == ["-\tPort 5432\r\n"]
    ours = config()
    ours.remove("web1.example")
    assert changed(TEXT, dumps(ours)) == ["-Host web1 web1.example\n", "+Host web1\n"]
    ours = config()
    ours.remove("web1 web1.example")
    assert dumps(ours) == TEXT[: TEXT.index("Host web1")] + TEXT[TEXT.index("# one of") :]
    for host, param in (("nobody", None), ("db1", "User"), ("db1", "NoKeyword")):
        with pytest.raises(InvalidInput):
            ours.remove(host, param)


@pytest.mark.parametrize(
    ("text", "host", "after"),
    [
        ("Host=a b\n", "a", "Host=b\n"),
        ("Host=a\n User x\nHost z\n", "a", "Host z\n"),
        ("Host a a\n User x\nHost z\n", "a", "Host z\n"),
        ("Host a b a c\n", "a", "Host b c\n"),
        ("Host b\t\ta # a\r\n", "a", "Host b # a\r\n"),
        ("Host  'a' \tb  \n", "a", "Host  b  \n"),
        ('Host c "a b" d\n', "a b", "Host c d\n"),
        ('Host "a b"\n User x\nHost z\n', "a b", "Host z\n"),
        ('"Host"a b\n', "a", '"Host"b\n'),
        ("Host a Host b a\n", "a", "Host Host b\n"),
        (" = Host a b\n", "a", " = Host b\n"),
        ("Host !a b\n", "!a", "Host b\n"),
        ("Host a\n User x\nHost a b\n User y\nHost a\n Port 1\nHost b\n", "a", "Host b\n User y\nHost b\n"),
    ],
)
def test_a_host_that_is_removed_is_gone(text: str, host: str, after: str) -> None:
    ours = config(text)
    ours.remove(host)
    assert dumps(ours) == after


def test_faults_of_included_files_do_not_end_the_search() -> None:
    included = {"/home/me/.ssh/more": "Bogus 1\nPort y\n", "/home/me/.ssh/self": "Include self self\nPort z\n"}
    text = "Include more\nHost a\n Port x\n Include self more\n Foo 1\nCompression maybe\n Match\n"
    faults = loads(text, source="f", local=LOCAL, read=Files(included)).validate()
    assert [(fault.source, fault.line) for fault in faults] == [
        ("f", 3), ("f", 5), ("f", 6), ("f", 7), ("/home/me/.ssh/more", 1), ("/home/me/.ssh/more", 2),
        ("/home/me/.ssh/self", 1), ("/home/me/.ssh/self", 2),
    ]  # fmt: skip


def test_each_line_is_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counted(raw: str, *, source: str | None, number: int) -> Line | None:
        seen.append(number)
        return line_of(raw, source=source, number=number)

    monkeypatch.setattr(parser, "line_of", counted)
    assert len(config("Host a\n Port x\n" * 200).validate()) == 200
    assert len(seen) == 401


def test_a_list_is_emptied_in_its_block_alone() -> None:
    ours = config("Host x\n  IdentityFile a\nHost *\n  IdentityFile z\n")
    ours.set("x", "IdentityFile", [])
    assert dumps(ours) == "Host x\nHost *\n  IdentityFile z\n"
    ours.set("x", "IdentityFile", [])
    assert ours.get("x", "IdentityFile") == ["z"]


@pytest.mark.parametrize(
    ("host", "param", "value", "why"),
    [
        ("db1", "Port", "70000", "is not between 1 and 65535"),
        ("db1", "Compression", "perhaps", "is not one of yes, no"),
        ("db1", "User", "a\nHost *", "a value is one line"),
        ("db1", "User", " ", "a value is one line without control characters, and not empty"),
        ("db1", "Portt", 1, "is not a keyword"),
        ("nobody", "Port", 1, "no Host line has nobody alone"),
        ("web1", "Port", 1, "no Host line has web1 alone"),
        ("db1", "Port", ["1", "2"], "has one value"),
        ("db1", "Port", 1.5, "a value is a text, a number"),
    ],
)
def test_bad_input_changes_nothing(host: str, param: str, value: str, why: str) -> None:
    ours = config()
    with pytest.raises(InvalidInput, match=why):
        ours.set(host, param, value)
    assert dumps(ours) == TEXT


def test_a_value_that_would_not_count_is_refused() -> None:
    ours = config("Host *\n  Port 22\nHost a\n  User me\n")
    with pytest.raises(ConfigError, match="f: Port of a would not count: a line above says 22"):
        ours.set("a", "Port", 23)
    assert dumps(ours) == "Host *\n  Port 22\nHost a\n  User me\n"


@pytest.mark.parametrize("host", ["", "a\nb", 'a"b', "a#b", "db1", "x=y"])
def test_a_host_that_is_none(host: str) -> None:
    ours = config()
    with pytest.raises(InvalidInput):
        ours.add_host(host)
    assert dumps(ours) == TEXT


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "config"
    with pytest.raises(ConfigError, match="cannot be written"):
        dump(config(), file)
    dump(config(), file, create_dirs=True)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(file)
    ours = load(link)
    ours.set("db1", "Port", 1)
    dump(ours)
    assert link.is_symlink()
    assert load(file).get("db1", "Port") == "1"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in file.parent.iterdir()] == ["config"]
    with pytest.raises(InvalidInput, match="no file is named"):
        dump(config_of_nothing())
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none")


def config_of_nothing() -> SSHConfigFile:
    return loads("")


NAMES = st.sampled_from(["HostName", "User", "BindAddress", "HostKeyAlias", "Port", "ProxyJump", "IdentityFile"])
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=12)


@given(NAMES, VALUES)
@example("User", "=0")
@example("User", " =0")
def test_what_is_set_is_got_or_refused(param: str, value: str) -> None:
    ours = config()
    try:
        ours.set("db1", param, value)
    except (ConfigError, InvalidInput):
        assert dumps(ours) == TEXT
        return
    assert len(dumps(ours).split("\n")) - len(TEXT.split("\n")) in {0, 1}
    if param in {"User", "BindAddress"}:
        assert ours.get("db1", param) in {value, value.strip(" \t")} or '"' in value or "'" in value or "\\" in value
