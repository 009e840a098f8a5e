"""Each option takes its values and no others, and says what it would take."""

from __future__ import annotations

import pytest

from mooring.model.options import OPTIONS, Rate

LABEL = "must be key:value, as in site:ams"
JUMP = "must be [user@]host[:port], several with commas between, without a password; or none"
TEXTS = "must be a text or a list of texts"
EMPTY = "must have no empty part"
CONTROL = "must have no control character"
SOURCE = "must be env:NAME, file:PATH or keyring:SERVICE"
HOST_KEY = "must be verify, accept-new, off, a public key or its SHA256: fingerprint"
CHANNELS = "must be a number from 1 to 10000"
RATE = "must be a number per s, min or h, as in 4/min"
SECONDS = "must be seconds, more than 0 and at most 86400"
FINGERPRINT = "SHA256:" + "x" * 43

TAKEN: list[tuple[str, object, object]] = [
    ("label", "site:ams", ("site:ams",)),
    ("label", "if:ge-0/0/1, a:b", ("if:ge-0/0/1", "a:b")),
    ("jump", "edge1", ("edge1",)),
    ("jump", "deploy@10.0.0.1:22,[fe80::1%eth0]:22", ("deploy@10.0.0.1:22", "[fe80::1%eth0]:22")),
    ("jump", "_x.example.", ("_x.example.",)),
    ("jump", "none", ()),
    ("jump", [], ()),
    ("identity", "~/.ssh/id_ed25519", ("~/.ssh/id_ed25519",)),
    ("identity", ("/a", "/b"), ("/a", "/b")),
    ("identity", "none", ()),
    ("identity", "./none", ("./none",)),
    ("password_from", "env:PW", "env:PW"),
    ("password_from", "file:/run/secret s", "file:/run/secret s"),
    ("password_from", "keyring:lab", "keyring:lab"),
    ("known_hosts", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts"),
    ("host_key", "off", "off"),
    ("host_key", FINGERPRINT, FINGERPRINT),
    ("host_key", "sk-ssh-ed25519@openssh.com AAAA= me", "sk-ssh-ed25519@openssh.com AAAA= me"),
    ("legacy", "on", True),
    ("legacy", "0", False),
    ("legacy", True, True),
    ("channels", "10000", 10_000),
    ("channels", 1, 1),
    ("handshakes", "2", 2),
    ("rate", "4/min", Rate(4, 60.0)),
    ("rate", "1/hour", Rate(1, 3600.0)),
    ("rate", "999999/sec", Rate(999_999, 1.0)),
    ("keepalive", "0.5", 0.5),
    ("keepalive", 86_400, 86_400.0),
    ("connect_timeout", "1e1", 10.0),
]


@pytest.mark.parametrize(("name", "value", "kept"), TAKEN, ids=[f"{name}-{value!r}"[:60] for name, value, _ in TAKEN])
def test_takes(name: str, value: object, kept: object) -> None:
    assert OPTIONS[name](value) == kept


REFUSED: list[tuple[str, object, str]] = [
    ("label", "site", LABEL),
    ("label", "site:", LABEL),
    ("label", ":ams", LABEL),
    ("label", "a:b:c", LABEL),
    ("label", "a://b", LABEL),
    ("label", ["a:b,c:d"], LABEL),
    ("label", "a:b,", EMPTY),
    ("label", {"site": "ams"}, TEXTS),
    ("label", ["a:b", 1], TEXTS),
    ("jump", "u:p@h", JUMP),
    ("jump", "h:0", JUMP),
    ("jump", "h:65536", JUMP),
    ("jump", "h:", JUMP),
    ("jump", "u@", JUMP),
    ("jump", "@h", JUMP),
    ("jump", "::1", JUMP),
    ("jump", "[::1", JUMP),
    ("jump", "[h]", JUMP),
    ("jump", "[::1::]", JUMP),
    ("jump", "-h", JUMP),
    ("jump", "h/x", JUMP),
    ("jump", "a://h", JUMP),
    ("jump", "none,h", JUMP),
    ("jump", "a,,b", EMPTY),
    ("jump", "u\0@h", CONTROL),
    ("identity", "", EMPTY),
    ("identity", " ", EMPTY),
    ("identity", "/k\n", CONTROL),
    ("identity", b"/k", TEXTS),
    ("password_from", "hunter2", SOURCE),
    ("password_from", "env:", SOURCE),
    ("password_from", "ENV:X", SOURCE),
    ("password_from", "env:\0", CONTROL),
    ("known_hosts", "", "must be a text"),
    ("known_hosts", ["/a"], "must be a text"),
    ("known_hosts", "/a\n", CONTROL),
    ("host_key", "yes", HOST_KEY),
    ("host_key", "MD5:00:11", HOST_KEY),
    ("host_key", FINGERPRINT + "=", HOST_KEY),
    ("host_key", "ssh-ed25519", HOST_KEY),
    ("legacy", "maybe", "must be yes or no"),
    ("legacy", 1, "must be yes or no"),
    ("channels", "0", CHANNELS),
    ("channels", 10_001, CHANNELS),
    ("channels", True, CHANNELS),
    ("handshakes", "0", CHANNELS),
    ("channels", 1.0, CHANNELS),
    ("channels", "9" * 5000, CHANNELS),
    ("rate", "4", RATE),
    ("rate", "0/min", RATE),
    ("rate", "04/min", RATE),
    ("rate", "4/day", RATE),
    ("rate", "4 /min", RATE),
    ("rate", 4, RATE),
    ("rate", Rate(4, 90.0), RATE),
    ("rate", Rate(0, 1.0), RATE),
    ("keepalive", "0", SECONDS),
    ("keepalive", -1, SECONDS),
    ("keepalive", "nan", SECONDS),
    ("keepalive", "inf", SECONDS),
    ("keepalive", "15s", SECONDS),
    ("keepalive", True, SECONDS),
    ("keepalive", 10**400, SECONDS),
    ("connect_timeout", 86_400.1, SECONDS),
    ("connect_timeout", None, SECONDS),
]


@pytest.mark.parametrize(
    ("name", "value", "words"), REFUSED, ids=[f"{name}-{value!r}"[:60] for name, value, _ in REFUSED]
)
def test_refuses(name: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        OPTIONS[name](value)
    assert str(caught.value) == words


@pytest.mark.parametrize("text", ["4/s", "4/min", "4/h"])
def test_a_rate_is_written_as_it_is_read(text: str) -> None:
    assert str(OPTIONS["rate"](text)) == text
