"""What a simulated Junos answers: from folders of files that add up, and with a configuration that can be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.model.errors import ConfigError
from mooring.simulate.candidate import Candidate
from mooring.simulate.profile import Profile

VALUES = {"hostname": "edge<1>", "serial": "JX1", "device_id": "edge1", "mac": "00:11", "address": "192.0.2.1"}


def asked(profile: Profile, rpc: str, candidate: Candidate | None = None) -> str:
    reply = profile.reply(f'<rpc message-id="1">{rpc}</rpc>', VALUES, candidate or Candidate())
    assert reply is not None
    return reply


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "get-alarm-information.xml").write_text("<alarm>{serial}</alarm>")
    (tmp_path / "show-version.txt").write_text("Hostname: {hostname}, {unknown}\n")
    (tmp_path / "notes.md").write_text("not a reply")
    return tmp_path


def test_a_folder_of_ones_own(mine: Path) -> None:
    profile = Profile(mine)
    assert "<alarm>JX1</alarm>" in asked(profile, "<get-alarm-information/>")
    assert profile.show("show  version", VALUES) == "Hostname: edge<1>, {unknown}\n"
    assert "edge&lt;1&gt;" in asked(profile, "<command>show version</command>")
    assert "operation-failed" in asked(profile, "<get-chassis-inventory/>")


def test_a_folder_that_adds_to_another(mine: Path) -> None:
    profile = Profile("junos", mine)
    assert "<alarm>JX1</alarm>" in asked(profile, "<get-alarm-information/>")
    assert "<serial-number>JX1</serial-number>" in asked(profile, "<get-chassis-inventory/>")
    assert profile.show("show version", VALUES) == "Hostname: edge<1>, {unknown}\n"
    assert "<host-name>edge&lt;1&gt;</host-name>" in asked(
        profile, "<get-config><source><running/></source></get-config>"
    )


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="those are junos, netconf"):
        Profile("junox")
    with pytest.raises(ConfigError, match="has reply files"):
        Profile(tmp_path)
    (tmp_path / "show-x.txt").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        Profile(tmp_path)


def changes(inside: str) -> str:
    return f"<load-configuration><configuration>{inside}</configuration></load-configuration>"


NAMES = "<system><host-name>other</host-name><domain-name>example</domain-name></system>"
NAMED = "set system host-name other\nset system domain-name example"


@pytest.mark.parametrize(
    "load",
    [
        f"<load-configuration format='text'><configuration-set>{NAMED}</configuration-set></load-configuration>",
        changes(NAMES),
        f"<edit-config><target><candidate/></target><config><configuration>{NAMES}</configuration></config></edit-config>",
    ],
    ids=["set", "xml", "edit-config"],
)
def test_load_commit_and_roll_back(load: str) -> None:
    profile, candidate = Profile(), Candidate()
    compare = "<get-configuration compare='rollback' rollback='0' format='text'/>"
    asked(profile, load, candidate)
    assert "+  set system host-name other\n+  set system domain-name example" in asked(profile, compare, candidate)
    asked(profile, "<commit-configuration><check/></commit-configuration>", candidate)
    assert candidate.committed == []
    asked(profile, "<commit-configuration/>", candidate)
    assert candidate.committed == ["set system host-name other", "set system domain-name example"]
    asked(profile, "<load-configuration rollback='1'/>", candidate)
    assert candidate.lines == []
    asked(profile, "<load-configuration rollback='0'/>", candidate)
    assert candidate.diff() == ""


@pytest.mark.parametrize(
    "load",
    [
        "<load-configuration><configuration-set>delete system ntp</configuration-set></load-configuration>",
        changes("<system><ntp operation='delete'/></system>"),
        changes("<system><ntp delete='delete'/></system>"),
    ],
    ids=["set", "operation", "delete"],
)
def test_what_is_deleted_goes_with_all_below(load: str) -> None:
    candidate = Candidate()
    candidate.lines = ["set system ntp server 192.0.2.1", "set system ntp", "set system ntpd", "set system host-name a"]
    asked(Profile(), load, candidate)
    assert candidate.lines == ["set system ntpd", "set system host-name a"]


def test_commits_and_changes_that_are_thrown_away() -> None:
    profile, candidate = Profile(), Candidate()
    for number in range(60):
        candidate.lines = [f"set system host-name a{number}"]
        asked(profile, "<commit/>", candidate)
    asked(profile, "<load-configuration rollback='49'/>", candidate)
    assert candidate.lines == ["set system host-name a10"]
    assert "<ok/>" in asked(profile, "<discard-changes/>", candidate)
    assert candidate.diff() == ""
    for nothing in ("lock", "unlock", "validate", "lock-configuration", "close-session"):
        assert "<ok/>" in asked(profile, f"<{nothing}/>", candidate)
