"""The documents cannot lie: every Python block in them runs, against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mooring.cli import COMMANDS
from mooring.model.options import OPTIONS
from tests.peers.sshd import Sshd

_ROOT = Path(__file__).parents[1]
_DOCUMENTS = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def _blocks() -> list[object]:
    return [
        pytest.param(block, id=f"{document.name}-{number}")
        for document in _DOCUMENTS
        for number, block in enumerate(_BLOCK.findall(document.read_text(encoding="utf-8")), 1)
    ]


def _program(block: str, config: Path) -> str:
    """A block as a program, with its ssh_config named, since a home directory cannot be faked."""
    named = block.replace("Pool()", f"Pool(config={str(config)!r})").replace(
        'connect("edge1")', f'connect("edge1", config={str(config)!r}, agent_path=None)'
    )
    if not named.startswith("async with"):
        return named
    body = textwrap.indent(named, "    ")
    return f"import asyncio\nimport mooring\n\nasync def main():\n{body}\nasyncio.run(main())\n"


@pytest.fixture
def config(sshd: Sshd, request: pytest.FixtureRequest, tmp_path: Path, block: str) -> Path:
    """An ssh_config that leads the documents' hosts to a server, which speaks NETCONF where the block does."""
    server: Sshd = request.getfixturevalue("start_netconfd")()[1] if ".netconf(" in block else sshd
    path = tmp_path / "config"
    path.write_text(
        f"Host edge1 edge2\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.client_key}\n  UserKnownHostsFile {server.known_hosts}\n"
    )
    return path


@pytest.mark.parametrize("block", _blocks())
def test_block_runs(block: str, config: Path) -> None:
    done = _run("-c", _program(block, config))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], capture_output=True, text=True, timeout=55, check=False
    )


def test_every_option_has_its_row() -> None:
    table = (_ROOT / "docs" / "sessions.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| .* \| .* \|$", table, re.MULTILINE)[: len(OPTIONS)] == list(OPTIONS)


def test_every_command_has_its_row() -> None:
    table = (_ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `mooring ([\w-]+)", table, re.MULTILINE) == list(COMMANDS)


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [*_DOCUMENTS, _ROOT / "ARCHITECTURE.md"]:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
