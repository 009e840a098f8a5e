"""What commands say where there is nothing yet: that there is nothing, and how something comes to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.cli import main
from tests.cli.impostor import answer, impostor
from tests.daemon.running import RunningDaemon

NONE = "the selector matches no session\n  hint: all means every session, and `mooring status` shows them\n"
SWITCH = "[recordings] enabled = true in the daemon's configuration, and a restart, switches them on\n"
MAKES = "`mooring term ALIAS` makes one; [recordings] in the daemon's configuration says on which sessions"
SAID = {
    "status": (0, "no session is held\n  hint: `mooring start TARGET` holds one\n"),
    "stop all": (255, f"mooring stop: {NONE}"),
    "run all true": (255, f"mooring run: {NONE}"),
    "cp /etc/hosts all:x": (255, f"mooring cp: {NONE}"),
    "rpc all get": (255, f"mooring rpc: {NONE}"),
    "get-config all": (255, f"mooring get-config: {NONE}"),
    "subscribe all": (255, f"mooring subscribe: {NONE}"),
    "pending": (0, "no device waits\n"),
    "reject x": (255, "mooring reject: no device waits under that id\n  hint: `mooring pending` lists those that do\n"),
    "agent-token --list": (0, "no agent is expected\n  hint: `mooring agent-token ID` expects one\n"),
    "agent-token x --revoke": (
        255,
        "mooring agent-token: there is no token for that id\n  hint: `mooring agent-token --list` shows all\n",
    ),
    "token list": (
        0,
        "there is no token but the one in the state directory\n  hint: `mooring token create NAME` makes one\n",
    ),
    "audit --who nobody": (0, "there is no such record\n"),
    "rec list": (1, f"mooring rec: this daemon records no terminals\n  hint: {SWITCH}"),
    "rec list --on x": (1, f"mooring rec: this daemon records no terminals\n  hint: {SWITCH}"),
    "forward list": (0, "there is no forward\n  hint: `mooring forward add -L 8080:db:5432 ALIAS` adds one\n"),
    "term --list": (0, "there is no terminal\n  hint: `mooring term ALIAS` opens one\n"),
}


def test_a_daemon_with_nothing_in_it(
    start_daemon: Callable[..., RunningDaemon], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = start_daemon()
    monkeypatch.setenv("MOORING_SOCKET", str(daemon.socket))
    said = {}
    for line in SAID:
        code = main(line.split())
        out, err = capsys.readouterr()
        said[line] = (code, out + err)
    assert said == SAID
    assert not (daemon.state_dir / "recordings").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], f"there is no recording yet\n  hint: {MAKES}\n"),
        (["--on", "x"], "there is no such recording\n  hint: `mooring rec list` shows all that there are\n"),
    ],
)
def test_no_recording_yet(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    with impostor(tmp_path / "s", answer('{"recordings": []}')) as where:
        monkeypatch.setenv("MOORING_SOCKET", where["MOORING_SOCKET"])
        assert main(["rec", "list", *words]) == 0
    assert capsys.readouterr() == ("", told)
