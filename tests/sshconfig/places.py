"""A place to read configuration in, made of values."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch

from mooring.sshconfig import HostConfig, Local, SSHConfig

__all__ = ["LOCAL", "Files", "lookup", "parse"]

LOCAL = Local("me", "/home/me", 1000, "here.example", {"SSH_AUTH_SOCK": "/run/agent", "OTHER": "/run/other"})


class Files:
    """Files that are only a mapping."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.asked: list[str] = []

    def read(self, path: str, *, private: bool) -> str:
        assert private
        text = self.files[path]
        if text == "unreadable":
            raise PermissionError(13, "Permission denied")
        if text == "gone":
            raise FileNotFoundError(path)
        return text

    def find(self, pattern: str) -> list[str]:
        self.asked.append(pattern)
        return sorted(name for name in self.files if fnmatch(name, pattern))


def parse(text: str, files: Mapping[str, str] | None = None, *, local: Local = LOCAL) -> SSHConfig:
    return SSHConfig.parse(text, source="config", local=local, read=Files(files or {}))


def lookup(text: str, host: str = "edge1", **files: str) -> HostConfig:
    return parse(text, {f"/home/me/.ssh/{name}": content for name, content in files.items()}).lookup(host)
