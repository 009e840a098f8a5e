"""Keys and certificates for the tests, made by ssh-keygen as a user would."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Keyring:
    """Key pairs in a folder, each made when it is first asked for.

    Args:
        folder: Where they go; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def key(self, name: str, kind: str = "ed25519", passphrase: str = "") -> Path:
        """The private key of that name: ``key("host")``, ``key("host_rsa", "rsa")``. The public one has ``.pub``."""
        path = self.folder / name
        if not path.exists():
            _keygen("-t", kind, "-N", passphrase, "-C", name, "-f", str(path))
        return path

    def ca(self, name: str) -> Authority:
        """The certificate authority of that name."""
        return Authority(self.key(f"{name}_ca"))


class Authority:
    """A certificate authority.

    Args:
        key: Its private key.
    """

    def __init__(self, key: Path) -> None:
        self.key = key

    @property
    def public(self) -> str:
        """Its public key, as a line of a file."""
        return public_line(self.key)

    def sign(self, key: Path, *principals: str, host: bool = False, validity: str = "-5m:+1h", serial: int = 1) -> Path:
        """Sign a key for its principals (users, or hosts), and return the certificate ``KEY-cert.pub``."""
        flags = ["-h"] if host else []
        who = ["-I", key.name, "-n", ",".join(principals), "-V", validity, "-z", str(serial)]
        _keygen("-s", str(self.key), *who, *flags, str(key.with_suffix(".pub")))
        return key.with_name(f"{key.name}-cert.pub")

    def known_hosts_line(self, pattern: str) -> str:
        """The line of known_hosts that trusts it for hosts that match the pattern."""
        return f"@cert-authority {pattern} {self.public}"


def public_line(key: Path) -> str:
    """Type and key of a private key's public half, without its comment."""
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def _keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *arguments], check=True, stdin=subprocess.DEVNULL)
