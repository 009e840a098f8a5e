"""Inventories as their users write them."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import ConfigError, InvalidSelector, Inventory, read_inventory
from mooring.inventory.arguments import read_arguments
from mooring.inventory.ini import parse_ini
from mooring.inventory.yaml_file import parse_yaml

INI = """\
# the fleet
lonely.example.com ansible_port=2200

[web]
web[01:02].example.com:2222 http_port=80 # not ours
db1 ansible_host=10.0.0.7 ansible_user="dba" # of somebody else

[edge]
[2001:db8::1]:830

[amsterdam:children]
web
edge

[amsterdam:vars]
ansible_user = deploy
ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q -p 2200 ops@bastion"'

[all:vars]
ansible_user=nobody
ansible_ssh_private_key_file=keys/id
"""
YAML = """\
all:
  vars:
    ansible_user: nobody
    ansible_ssh_private_key_file: keys/id
  hosts:
    lonely.example.com: {ansible_port: 2200}
  children:
    amsterdam:
      vars:
        ansible_user: deploy
        ansible_ssh_common_args: -o ProxyCommand="ssh -W %h:%p -q -p 2200 ops@bastion"
      children:
        web:
          hosts:
            web[01:02].example.com:2222: {http_port: 80}
            db1:
              ansible_host: 10.0.0.7
              ansible_user: dba
        edge:
          hosts:
            "[2001:db8::1]:830":
"""


def read(folder: Path, text: str, name: str = "hosts") -> Inventory:
    (folder / name).write_text(text)
    (folder / name).chmod(0o600)
    return read_inventory(folder / name)


def dsns(inventory: Inventory) -> list[str]:
    return [target.dsn(reveal=True) for target in inventory.targets]


@pytest.mark.parametrize(("name", "text"), [("hosts.ini", INI), ("hosts.yml", YAML)])
def test_groups_ranges_and_variables(tmp_path: Path, name: str, text: str) -> None:
    inventory = read(tmp_path, text, name)
    labels = "label=group:amsterdam&label=group:{}&jump=ops@bastion:2200&identity=" + str(tmp_path / "keys/id")
    web, edge = labels.format("web"), labels.format("edge")
    assert dsns(inventory) == [
        f"lonely.example.com://nobody@lonely.example.com:2200?identity={tmp_path / 'keys/id'}",
        f"web01.example.com://deploy@web01.example.com:2222?{web}",
        f"web02.example.com://deploy@web02.example.com:2222?{web}",
        f"db1://dba@10.0.0.7?{web}",
        f"2001-db8--1://deploy@[2001:db8::1]:830?{edge}",
    ]
    assert inventory.ignored == ()
    assert inventory.source == tmp_path / name


def test_a_selector_chooses_by_alias_and_group(tmp_path: Path) -> None:
    read(tmp_path, INI)
    chosen = read_inventory(tmp_path / "hosts", "group:web,!db*")
    assert [target.alias for target in chosen.targets] == ["web01.example.com", "web02.example.com"]
    with pytest.raises(InvalidSelector):
        read_inventory(tmp_path / "hosts", "a b")


def test_of_two_groups_the_deeper_one_counts_then_the_alphabet(tmp_path: Path) -> None:
    text = "[b]\nx\n[a]\nx\n[c]\nx\n[top:children]\nb\n" + "".join(
        f"[{group}:vars]\nansible_user={group}\nansible_port={port}\n" for group, port in (("b", 1), ("top", 2))
    )
    text += "[c:vars]\nansible_user=c\nmooring_channels=9\n[a:vars]\nmooring_channels=8\n"
    assert dsns(read(tmp_path, text)) == [
        "x://b@x:1?label=group:a&label=group:c&label=group:top&label=group:b&channels=9"
    ]


def test_files_of_variables_beside_it_count_before_its_own(tmp_path: Path) -> None:
    for name, content in {
        "group_vars/all.yml": "ansible_user: everybody\nansible_port: 1\n",
        "group_vars/web/one.yml": "ansible_user: web\n",
        "group_vars/web/two.yaml": "mooring_label: site:ams,role:web\n",
        "group_vars/db/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "host_vars/web1": "ansible_port: 2222\n",
        "host_vars/nobody.yml": "[not read",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    inventory = read(tmp_path, "[web]\nweb1 ansible_port=22\nweb2 ansible_user=own\n[db]\ndb1\n")
    label = "label=group:web&label=site:ams&label=role:web"
    assert dsns(inventory) == [
        f"web1://web@web1:2222?{label}",
        f"web2://own@web2:1?{label}",
        "db1://everybody@db1:1?label=group:db",
    ]
    assert inventory.ignored == (
        f"{tmp_path}/group_vars/db/vault.yml is passed over: it is encrypted by Ansible Vault",
    )


def test_what_cannot_be_honoured_is_told(tmp_path: Path) -> None:
    text = (
        "[all:vars]\nansible_become=yes\nansible_python_interpreter=/usr/bin/python3\nserial_number={{ a }}\n"
        "ansible_ssh_args=-C -o ControlMaster=auto -o ControlPersist=60s -4\n"
        "[web]\nw[1:5]\n[win]\nbox ansible_connection=winrm\nhere ansible_connection=local\n"
    )
    inventory = read(tmp_path, text)
    assert [target.alias for target in inventory.targets] == ["w1", "w2", "w3", "w4", "w5"]
    assert sorted(inventory.ignored) == [
        "-4 of ansible_ssh_args is passed over: w1, w2, w3 and 2 more",
        "ansible_become is passed over: w1, w2, w3 and 2 more",
        "the host, since ansible_connection is local, is passed over: here",
        "the host, since ansible_connection is winrm, is passed over: box",
    ]


@pytest.mark.parametrize(
    ("variable", "option"),
    [
        ("ansible_ssh_host=10.0.0.1", "x://10.0.0.1"),
        ("ansible_host=10.0.0.2 ansible_ssh_host=10.0.0.1", "x://10.0.0.1"),
        ("ansible_password=a%b", "x://:a%25b@x"),
        ("""ansible_password="{{ lookup('env', 'PW') }}" """, "x://x?password_from=env:PW"),
        ("ansible_ssh_private_key_file=~/.ssh/id", "x://x?identity=~/.ssh/id"),
        ("ansible_host={{inventory_hostname}}.example.com", "x://x.example.com"),
        ("ansible_timeout=7", "x://x?connect_timeout=7"),
        ("ansible_host_key_checking=False", "x://x?host_key=off"),
        ("ansible_ssh_common_args='-o StrictHostKeyChecking=accept-new'", "x://x?host_key=accept-new"),
        ("ansible_ssh_common_args='-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'", "x://x?host_key=off"),
        ("ansible_ssh_extra_args='-J a,b:22 -i /k -l joe -p 5'", "x://joe@x:5?jump=a&jump=b:22&identity=/k"),
        ("ansible_ssh_common_args='-J a' ansible_user=jim ansible_ssh_extra_args='-ljoe'", "x://jim@x?jump=a"),
        (
            "ansible_ssh_common_args='-o \"ServerAliveInterval 30\" -oConnectTimeout=4'",
            "x://x?keepalive=30&connect_timeout=4",
        ),
        ("mooring_rate=4/min mooring_host_key=accept-new", "x://x?host_key=accept-new&rate=4/min"),
        ("ansible_connection=ansible.netcommon.netconf", "x://x"),
    ],
)
def test_variables_become_options(tmp_path: Path, variable: str, option: str) -> None:
    assert dsns(read(tmp_path, f"x {variable}\n")) == [option]


VAULT = "all:\n  hosts:\n    a:\n      ansible_password: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        6162\n"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("h", "a\n[g\n", ":2: [g: 'host' must be a host name"),
        ("h", "a\nb hunter2\n", ":2: word 2 of the line is no name=value"),
        ("h", "a x='y\n", ":1: no closing quotation"),
        ("h", "[g:parents]\n", ":1: unknown kind of section :parents"),
        ("h", "[g:vars]\nhunter2\n", ":2: a line of [group:vars] is name=value"),
        ("h", "[a:children]\nb\n[b:children]\na\n", "the group a is part of itself"),
        ("h", "[a:children]\na\n", "the group a is part of itself"),
        ("h", "a\nb[3:1]\n", ":2: the host has a range that ends"),
        ("h", "a ansible_port=99999\n", ":1: a: 'port' must be a number from 1 to 65535"),
        ("h", "a mooring_chanels=3\n", ":1: unknown option mooring_chanels"),
        ("h", "a ansible_user='{{ hunter2 }}'\n", ":1: ansible_user is a template"),
        (
            "h",
            "a ansible_ssh_common_args='-o ProxyCommand=\"nc hunter2 %h\"'\n",
            ":1: ansible_ssh_common_args has a Proxy",
        ),
        ("h", "a ansible_ssh_common_args='-J'\n", ":1: ansible_ssh_common_args has nothing behind -J"),
        ("h", "all\n", "must not be 'all'"),
        ("h", "a/b\n", ":1: a/b: 'host' must be a host name"),
        ("h", "2001:db8::1\n2001-db8--1\n", "two hosts have the alias 2001-db8--1"),
        ("h", "#!/bin/sh\necho x\n", "is a program, and none is run"),
        ("h", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", "is encrypted by Ansible Vault"),
        ("h.yml", VAULT, ":4: ansible_password is encrypted by Ansible Vault"),
        ("h.yml", "all: {hosts: [a, b]}\n", ":1: hosts must be a mapping"),
        ("h.yml", "all:\n  host: {a: }\n", ":2: a group has hosts, vars and children"),
        ("h.yml", "all:\n hosts:\n  a: {ansible_user: [hunter2]}\n", ":3: ansible_user must be a text"),
        ("h.yml", "a: &a\n  children:\n    b: *a\n", "part of itself"),
        ("h.yml", "all: [\n", "no YAML"),
        ("h.yml", "[" * 5000, "nested too deeply"),
        ("h.yml", "all: {hosts: {a: !!python/object/apply:os.system [hunter2]}}\n", "a host must be a mapping"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, name)
    assert fault in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_million_of_the_same_takes_no_longer_than_one(tmp_path: Path) -> None:
    levels = ["l0: &l0 {hosts: {a: }}"]
    levels += [f"l{n}: &l{n} {{children: {{x{n}: *l{n - 1}, y{n}: *l{n - 1}}}}}" for n in range(1, 30)]
    (target,) = read(tmp_path, "\n".join(levels), "hosts.yml").targets
    assert len(target.label) > 60


def nested(count: int) -> str:
    return "[g0]\nh\n" + "".join(f"[g{number + 1}:children]\ng{number}\n" for number in range(count))


MERGED = "all:\n hosts:\n  h0: &h0 {ansible_port: 1}\n" + "".join(
    f"  h{number}: &h{number}\n   <<: [{', '.join([f'*h{number - 1}'] * 9)}]\n" for number in range(1, 40)
)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("h", nested(12_000), "groups are nested more than 100 deep"),
        ("h", "[web]\n" + "a[1:1000]b[1:100]\n" * 100, ":7: more than 500000 hosts in groups"),
        ("h", "".join(f"[g{n}]\na[1:1000]\n" for n in range(600)), ":1002: more than 500000 hosts in groups"),
        (
            "h",
            nested(90) + "[g0]\na[1:10000]\n",
            "hosts in groups, those around their own counted, are more than 500000",
        ),
        (
            "h",
            "[x]\nh\n"
            + "".join(f"[g{n}:children]\nx\n" for n in range(3000))
            + "[x:children]\n"
            + "".join(f"y{n}\n" for n in range(3000)),
            "groups in groups are more than 500000",
        ),
        (
            "h",
            "[x]\na[1:5000]\n[x:vars]\n" + "".join(f"v{n}=1\n" for n in range(2000)),
            "variables of all hosts are more than 5000000",
        ),
        ("h.yml", MERGED, "more than 1000000 entries"),
    ],
    ids=["depth", "ranges", "groups", "hosts around", "groups around", "variables", "merges"],
)
def test_what_grows_without_measure_is_refused(tmp_path: Path, name: str, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, name)
    assert fault in str(caught.value)


def test_what_is_large_is_read(tmp_path: Path) -> None:
    text = nested(90) + "[web]\n" + "a[1:1000]\n" * 20
    assert len(read(tmp_path, text).targets) == 1001


def test_host_keys_that_are_not_checked_are_told(tmp_path: Path) -> None:
    inventory = read(tmp_path, "[web]\nw[1:5]\n[web:vars]\nansible_host_key_checking=no\n[db]\nd1\n")
    assert inventory.warnings == ("host keys are not checked, since it says so: w1, w2, w3 and 2 more",)
    assert inventory.ignored == ()


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("a ansible_password=hunter2\n")
    (tmp_path / "hosts").chmod(0o644)
    with pytest.raises(ConfigError, match="others may read the password") as caught:
        read_inventory(tmp_path / "hosts")
    assert "hunter2" not in str(caught.value)


def test_yaml_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match="PyYAML is needed") as caught:
        read(tmp_path, "all:\n", "hosts.yml")
    assert caught.value.hint == "pip install 'mooring[yaml]'"


def test_an_ssh_config_gives_its_hosts(tmp_path: Path) -> None:
    text = "ServerAliveInterval 5\nHost edge1 edge2\n  Port 2222\nHost *.example.com !x\nhost = core\n"
    assert dsns(read(tmp_path, text, "config")) == ["edge1://edge1", "edge2://edge2", "core://core"]


def test_a_folder_or_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        read_inventory(tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        read_inventory(tmp_path / "nothing")


@given(st.text(alphabet="ab[]:=#;'\"\\ \n,019varschildren", max_size=200))
def test_any_text_is_an_inventory_or_a_clear_error(text: str) -> None:
    for parse in (parse_ini, parse_yaml):
        with contextlib.suppress(ConfigError):
            list(parse(text, "x").resolve())


@given(st.text(alphabet="-oJpiW '\"=%h:ProxyCommandsh@", max_size=60))
def test_any_words_for_ssh_are_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        found, _ = read_arguments(text)
        assert all(found)
