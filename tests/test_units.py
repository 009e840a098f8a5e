"""The systemd units: what they start is a command line of ours, and they come with the sources."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

from mooring.agent import program as agent
from mooring.daemon import program as daemon

_ROOT = Path(__file__).parent.parent
_UNITS = _ROOT / "contrib" / "systemd"
_SPECIFIERS = {"%H": "web1", "%S": "/var/lib", "%t": "/run", "%d": "/run/credentials/x"}
"""Those of systemd.unit(5) that are used."""


def service(name: str) -> configparser.SectionProxy:
    """The part of a unit that says what runs."""
    unit = configparser.RawConfigParser(delimiters="=", strict=True, empty_lines_in_values=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # upper case counts
    unit.read_string((_UNITS / name).read_text(encoding="utf-8"))
    assert unit.sections() == ["Unit", "Service", "Install"]
    return unit["Service"]


def command(name: str) -> list[str]:
    """What a unit starts."""
    line = service(name)["ExecStart"]
    for specifier, text in _SPECIFIERS.items():
        line = line.replace(specifier, text)
    assert "%" not in line
    return shlex.split(line)


def test_the_agents() -> None:
    path, what, *words = command("mooring-agent.service")
    assert (Path(path).name, what) == ("mooring", "agent")
    options = agent._parser().take(words)  # noqa: SLF001 - its command line
    assert (options.to, options.id) == ("gateway.example.net:4334", "web1")
    unit = service("mooring-agent.service")
    name, _, source = unit["LoadCredential"].partition(":")
    assert (options.token_file, source[:1]) == (f"/run/credentials/x/{name}", "/")
    assert str(options.state_dir) == f"/var/lib/{unit['StateDirectory']}"


def test_the_daemons() -> None:
    path, *words = command("mooringd.service")
    assert Path(path).name == "mooringd"
    options = daemon.parser().take(words)
    unit = service("mooringd.service")
    assert str(options.state_dir) == f"/var/lib/{unit['StateDirectory']}"
    assert str(options.socket).startswith(f"/run/{unit['RuntimeDirectory']}/")
    assert unit["Type"] == "notify-reload"


@pytest.mark.parametrize("name", ["mooring-agent.service", "mooringd.service"])
def test_they_come_with_the_sources(name: str) -> None:
    packed = {file.relative_path for file in SdistBuilder(str(_ROOT)).recurse_included_files()}
    assert f"contrib/systemd/{name}" in packed
