"""What Hypothesis makes of the model's values."""

from __future__ import annotations

from hypothesis import strategies as st

from mooring.model.options import Rate
from mooring.model.secret import Secret
from mooring.model.target import Target

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
SHOWN = TEXT.filter(str.isprintable)
PATH = SHOWN.map(lambda text: "/" + text.strip(" ") + "x")
ALIAS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}", fullmatch=True).filter(lambda alias: alias != "all")
LABEL = st.from_regex(r"[A-Za-z0-9._/-]{1,8}:[A-Za-z0-9._-]{1,8}", fullmatch=True)
NAME = st.from_regex(r"[a-z_]([a-z0-9_-]{0,8}[a-z0-9])?(\.[a-z0-9]{1,8}){0,3}\.?", fullmatch=True)
IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(str)
ZONED = st.from_regex(r"fe80::[0-9a-f]{1,4}%[a-z0-9_.-]{1,8}", fullmatch=True).filter(lambda host: "%25" not in host)
HOST = NAME | IPV4 | IPV6 | ZONED
PORT = st.integers(1, 65_535)
USER = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


def _hop(user: str | None, host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return (f"{user}@" if user else "") + shown + (f":{port}" if port else "")


HOP = st.builds(_hop, st.none() | USER, HOST, st.none() | PORT).filter(lambda hop: hop != "none")
SECONDS = st.floats(0.001, 86_400.0)

TARGET = st.builds(
    Target,
    alias=ALIAS,
    host=HOST,
    username=st.none() | SHOWN,
    password=st.none() | TEXT.map(Secret),
    port=st.none() | PORT,
    label=st.lists(LABEL, max_size=3, unique=True).map(tuple),
    jump=st.none() | st.lists(HOP, max_size=3).map(tuple),
    identity=st.none() | st.lists(PATH, max_size=3).map(tuple),
    password_from=st.none() | st.tuples(st.sampled_from(["env:", "file:", "keyring:"]), SHOWN).map("".join),
    known_hosts=st.none() | SHOWN,
    host_key=st.none()
    | st.sampled_from(["verify", "accept-new", "off", "SHA256:" + "aB+/" * 10 + "xyz"])
    | SHOWN.map(lambda comment: "ssh-ed25519 AAAAC3Nza+/== " + comment),
    legacy=st.none() | st.booleans(),
    channels=st.none() | st.integers(1, 10_000),
    handshakes=st.none() | st.integers(1, 10_000),
    rate=st.none() | st.builds(Rate, st.integers(1, 999_999), st.sampled_from([1.0, 60.0, 3600.0])),
    keepalive=st.none() | SECONDS,
    connect_timeout=st.none() | SECONDS,
)
