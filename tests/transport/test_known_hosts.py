"""What lines of known_hosts mean, as ssh-keygen has it, and that editing them leaves the others alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import asyncssh
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.transport.known_hosts import AUTHORITY, REVOKED, Line, add, name_of, new_line, parse, take_out

KEYS = [asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _ in range(3)]
BLOBS = [key.export_public_key().decode().split()[1] for key in KEYS]
FILE = Path("known_hosts")


def lines(text: str | bytes) -> list[Line]:
    data = text.encode() if isinstance(text, str) else text
    return [line for line in parse(data, FILE, user=True) if isinstance(line, Line)]


@pytest.mark.parametrize(
    ("host", "port", "name"),
    [
        ("Edge1.Example.COM", 22, "edge1.example.com"),
        ("edge1", 2222, "[edge1]:2222"),
        ("2001:DB8::1", 22, "2001:db8::1"),
        ("2001:db8::1", 830, "[2001:db8::1]:830"),
    ],
)
def test_name_of(host: str, port: int, name: str) -> None:
    assert name_of(host, port) == name


def test_what_a_line_says() -> None:
    text = f"# a comment\n\n  \t\n\t@revoked  a,b\tssh-ed25519 {BLOBS[0]} who: 1\r\n"
    text += f"@cert-authority *.x ssh-ed25519 {BLOBS[1]}"
    revoked, authority = lines(text)
    assert (revoked.place, revoked.marker, revoked.names, revoked.key) == ("known_hosts:4", REVOKED, "a,b", KEYS[0])
    assert (authority.place, authority.marker, authority.key) == ("known_hosts:5", AUTHORITY, KEYS[1])


@pytest.mark.parametrize(
    "bad",
    [
        "h",
        "h ssh-ed25519",
        "h ssh-ed25519 not!base64",
        "h ssh-ed25519 AAAA",
        "h ssh-rsa {blob}",
        "@unheard-of h ssh-ed25519 {blob}",
        "@revoked @revoked h ssh-ed25519 {blob}",
        "@revokedh ssh-ed25519 {blob}",
        "h 1024 65537 129871234",
        "h \x00\xff",
    ],
)
def test_a_malformed_line_is_skipped_and_its_number_kept(bad: str) -> None:
    bad = bad.replace("{blob}", BLOBS[0])
    data = f"a ssh-ed25519 {BLOBS[0]}\n{bad}\nb ssh-ed25519 {BLOBS[1]}\n".encode("latin-1")
    first, number, third = parse(data, FILE, user=True)
    assert isinstance(first, Line)
    assert isinstance(third, Line)
    assert (first.names, number, third.names) == ("a", 2, "b")


NAMES = ["h", "H", "h,other", "other,h", "*", "h?", "h*", "*,!h", "!h,*", "h,!other", "[h]:2222", "[h]:*", "*.x", "h.x"]
LOOKED_UP = ["h", "h1", "h.x", "[h]:2222", "[h]:22", "other", "a.b.x"]


def test_names_match_as_ssh_keygen_matches_them(tmp_path: Path) -> None:
    hashed = [new_line(name, KEYS[0], hash_names=True).split()[0] for name in ("h", "[h]:2222")]
    names = [*NAMES, *hashed, "|1|bad", "|1|YQ==|YQ==", "|2|YQ==|YQ=="]
    text = "".join(f"{each} ssh-ed25519 {BLOBS[0]}\n" for each in names)
    file = tmp_path / "known_hosts"
    file.write_text(text)
    for name in LOOKED_UP:
        told = subprocess.run(["ssh-keygen", "-F", name, "-f", file], capture_output=True, text=True, check=False)
        theirs = {int(number) for number in re.findall(r"found: line (\d+)", told.stdout)}
        assert {line.number for line in lines(text) if line.matches(name)} == theirs, name


@pytest.mark.parametrize("hash_names", [False, True])
def test_ssh_keygen_finds_what_we_write(tmp_path: Path, hash_names: bool) -> None:  # noqa: FBT001 - parametrized
    line = new_line("[edge1]:2222", KEYS[0], hash_names=hash_names)
    (tmp_path / "known_hosts").write_text(line + "\n")
    told = subprocess.run(
        ["ssh-keygen", "-l", "-F", "[edge1]:2222", "-f", tmp_path / "known_hosts"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert KEYS[0].get_fingerprint() in told.stdout
    assert ("edge1" in line) is not hash_names
    assert line != new_line("[edge1]:2222", KEYS[0], hash_names=True)


ANY_LINE = st.one_of(
    st.builds(
        lambda marker, names, key, tail, end: (
            marker + ",".join(names).encode() + b" ssh-ed25519 " + BLOBS[key].encode() + tail + end
        ),
        st.sampled_from([b"", b"@revoked ", b"@cert-authority ", b" \t"]),
        st.lists(st.sampled_from(["h", "H", "other", "[h]:2222", "*", "!x", "h?"]), min_size=1, max_size=3),
        st.integers(0, 2),
        st.sampled_from([b"", b" comment", b"\t\xff\x00 \r"]),
        st.just(b"\n"),
    ),
    st.just((new_line("h", KEYS[0], hash_names=True) + "\n").encode()),
    st.just((new_line("other", KEYS[0], hash_names=True) + "\n").encode()),
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b" ") + b"\n"),
)
FILES = st.lists(ANY_LINE, max_size=8).flatmap(
    lambda some: st.sampled_from([b"".join(some), b"".join(some).removesuffix(b"\n")])
)


@given(FILES)
@example(b"h,other ssh-ed25519 " + BLOBS[0].encode())
def test_taking_a_key_out_leaves_every_other_line_as_it_is(data: bytes) -> None:
    blobs = {KEYS[0].public_data}
    left = take_out(data, "h", blobs)
    after = left.split(b"\n")
    for text in data.split(b"\n"):
        line = next(iter(parse(text, FILE, user=True)), None)
        about = isinstance(line, Line) and not line.marker and line.blob in blobs and line.matches("h")
        patterned = isinstance(line, Line) and bool(set("*?!") & set(line.names))
        if not about or patterned:
            assert after.pop(0) == text or text == b""
        elif isinstance(line, Line) and {"h"} != set(line.names.lower().split(",")) and line.plain:
            others = [name for name in line.names.split(",") if name.lower() != "h"]
            assert after.pop(0) == text.replace(line.names.encode(), ",".join(others).encode(), 1)
    assert b"".join(after) == b""


@given(FILES)
def test_what_is_taken_out_is_gone(data: bytes) -> None:
    left = lines(take_out(data, "h", {KEYS[0].public_data}))
    assert not [
        line
        for line in left
        if line.blob == KEYS[0].public_data
        and not line.marker
        and line.matches("h")
        and not set("*?!") & set(line.names)
    ]


@given(FILES)
def test_adding_a_line_changes_no_other(data: bytes) -> None:
    extended = data + add(data, new_line("new", KEYS[2]))
    assert extended.startswith(data)
    *before, last = lines(extended)
    assert [(line.number, line.names, line.blob) for line in before] == [
        (line.number, line.names, line.blob) for line in lines(data)
    ]
    assert (last.names, last.key) == ("new", KEYS[2])


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed(data: bytes) -> None:
    for line in parse(data, FILE, user=True):
        assert isinstance(line, int) or isinstance(line.matches("h"), bool)
