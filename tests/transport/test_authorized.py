"""authorized_keys files: every option of a line counts, and what cannot be honoured is refused by its place."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import ConfigError
from mooring.transport.authorized import AuthorizedKeys, read_authorized_keys

KEY = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
LINE = KEY.export_public_key().decode().strip()


def options(
    before: str, *, principals: list[str] | None = None, address: str = "10.0.0.1"
) -> Mapping[str, object] | None:
    """What a line lets its key do, or certificates of it as an authority."""
    keys = AuthorizedKeys(f"# a comment\n\n  {before} {LINE} somebody@somewhere\n")
    return keys.validate(KEY, "", address, principals, principals is not None)


def test_a_line_without_options_lets_its_key_in_and_no_other() -> None:
    assert options("") == {}
    assert AuthorizedKeys(LINE).validate(asyncssh.generate_private_key("ssh-ed25519"), "", "10.0.0.1") is None


def test_a_plain_key_is_no_authority_and_an_authority_no_plain_key() -> None:
    assert options("", principals=["ann"]) is None
    assert options("cert-authority") is None
    assert options("cert-authority", principals=["ann"]) == {"cert-authority": True}


def test_a_certificate_without_principals_is_nobodys() -> None:
    assert options("cert-authority", principals=[]) is None
    assert options('cert-authority,principals="ann"', principals=[]) is None


@pytest.mark.parametrize(("principals", "fits"), [(["ann"], True), (["bob", "eve"], True), (["eve"], False)])
def test_the_principals_of_a_line_are_asked_for(principals: list[str], fits: bool) -> None:  # noqa: FBT001
    assert (options('cert-authority,principals="ann,bob"', principals=principals) is not None) is fits


def test_restrict_takes_all_and_what_follows_gives_again() -> None:
    restricted = options('restrict,pty,command="echo \\"a, b\\"" ')
    assert restricted is not None
    assert restricted["command"] == 'echo "a, b"'
    names = ("pty", "port-forwarding", "agent-forwarding", "X11-forwarding", "user-rc")
    assert [restricted[f"no-{name}"] for name in names] == [False, True, True, True, True]


def test_names_of_options_are_compared_without_regard_to_case() -> None:
    assert options("No-Port-Forwarding,NO-x11-FORWARDING") == {"no-port-forwarding": True, "no-X11-forwarding": True}


@pytest.mark.parametrize(
    ("time", "fits"),
    [("20200101", False), ("202001010000Z", False), ("20991231", True), ("20991231235959Z", True)],
)
def test_a_line_ends_when_it_says(time: str, fits: bool) -> None:  # noqa: FBT001
    assert (options(f'expiry-time="{time}"') is not None) is fits
    assert (options(f'expiry-time="20991231",expiry-time="{time}"') is not None) is fits


def test_from_is_compared_with_the_address() -> None:
    assert options('from="10.0.0.0/8,!10.0.0.7"') is not None
    assert options('from="10.0.0.0/8,!10.0.0.7"', address="10.0.0.7") is None
    assert options('from="192.0.2.*"') is None


def test_the_first_line_that_fits_counts() -> None:
    keys = AuthorizedKeys(f'from="192.0.2.1" {LINE}\nno-pty {LINE}\n{LINE}')
    assert keys.validate(KEY, "", "10.0.0.1") == {"no-pty": True}


def test_where_may_be_listened_is_handed_on() -> None:
    assert options('permitlisten="localhost:80",permitlisten="81"') == {"permitlisten": ["localhost:80", "81"]}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense", "no public key"),
        ("ssh-ed25519 AAAA", "no public key"),
        ("verify-required KEY", "the option verify-required is not known"),
        ('restrict,tpm="1" KEY', "the option tpm is not known"),
        ('expiry-time="soon" KEY', "soon is no expiry-time"),
        ('expiry-time="20201301" KEY', "20201301 is no expiry-time"),
        ("expiry-time KEY", "the option expiry-time has no value"),
        ('no-pty="yes" KEY', "the option no-pty has a value"),
        ('permitopen="a" KEY', "permitopen"),
        ('command="never closed KEY', "no public key"),
        ("restrict, ssh-ed25519 AAAA", "no public key"),
    ],
)
def test_a_line_that_cannot_be_honoured_is_refused_by_its_number(line: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        AuthorizedKeys(f"{LINE}\n{line.replace('KEY', LINE)}\n", "some/file")
    assert caught.value.message.startswith("some/file:2: ")


def test_a_small_rsa_key_is_refused() -> None:
    modulus = b"\0" + ((1 << 767) + 1).to_bytes(96, "big")
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-rsa", b"\1\0\1", modulus))
    with pytest.raises(ConfigError, match=r"768 bits|no public key"):  # some libraries do not even read it
        AuthorizedKeys(f"ssh-rsa {base64.b64encode(blob).decode()}")


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    path.write_text(LINE)
    assert read_authorized_keys(path).validate(KEY, "", "10.0.0.1") == {}


def test_a_file_that_is_missing_or_anybodys_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    with pytest.raises(ConfigError, match="No such file") as caught:
        read_authorized_keys(path)
    assert str(path) in str(caught.value)
    path.write_text(LINE)
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="others may write to it") as caught:
        read_authorized_keys(path)
    assert "chmod go-w" in str(caught.value)


def test_a_file_that_is_somebody_elses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "authorized_keys"
    path.write_text(LINE)
    path.chmod(0o600)
    if (ours := os.geteuid()) == 0:
        os.chown(path, 65534, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    with pytest.raises(ConfigError, match="others may write to it") as caught:
        read_authorized_keys(path)
    assert caught.value.hint == f"chown it, and chmod go-w {path}"


PIECES = [
    "restrict",
    ",",
    " ",
    '"',
    "\\",
    "=",
    "command",
    "expiry-time",
    "2030",
    LINE,
    LINE[:30],
    "cert-authority",
    "#",
    "\t",
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12))
def test_a_text_is_read_or_refused(pieces: list[str]) -> None:
    with contextlib.suppress(ConfigError):
        AuthorizedKeys("".join(pieces)).validate(KEY, "", "10.0.0.1")
