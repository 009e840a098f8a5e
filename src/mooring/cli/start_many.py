"""Sessions to the hosts of an inventory: started one after the other, waited for together."""

from __future__ import annotations

import json
import sys
import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from ..inventory import read_inventory
from ..model.errors import AliasInUse, DaemonUnreachable, MooringError, NothingSelected
from ..service.reload import hops_first
from .progress import Progress
from .terminal import next_step, tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..client import Daemon
    from ..model.target import Target

__all__ = ["Starting"]

_SETTLED: Final = ("up", "parked", "closed")
_FEW: Final = 10
"""So many that are not up are told one by one."""


class Starting:
    """Sessions that are to be held.

    Args:
        daemon: By whom.
        replace: Whether those that are held are ended first; else they are left alone.
        as_json: Whether each one's whole status is printed in place of its alias.
        timeout: Seconds to wait for all of them; None does not wait.
    """

    def __init__(self, daemon: Daemon, *, replace: bool, as_json: bool, timeout: float | None) -> None:
        self._daemon = daemon
        self._replace = replace
        self._json = as_json
        self._timeout = timeout
        self._failed = 0

    def read(self, file: str, selector: str, options: Mapping[str, Any]) -> list[Target]:
        """The targets of an inventory, with the options that were given for all of them.

        Raises:
            MooringError: It cannot be read, or has none that is meant.
        """
        inventory = read_inventory(file, selector)
        for line in (*inventory.warnings, *inventory.ignored):
            tell(f"mooring start: {line}")
        if not inventory.targets:
            raise NothingSelected(f"{file} has no host that is meant by {selector!r}")
        further = tuple(options.get("label", ()))
        rest = {name: value for name, value in options.items() if name != "label"}
        return [target.with_options(**rest, label=[*target.label, *further]) for target in inventory.targets]

    def run(self, targets: Sequence[Target]) -> int:
        """Start them, wait for them, and return the exit code: 0 where all are up, or held if that was all."""
        aliases = [target.alias for target in hops_first(targets) if self._start(target)]
        if self._timeout is not None:
            self._wait(aliases, self._timeout)
        wanted = set(aliases)
        found = self._daemon.request("GET", "/v1/sessions")["sessions"]
        sessions = [session for session in found if session["alias"] in wanted]
        for session in sessions:
            if self._timeout is None or self._json or session["state"] == "up":
                sys.stdout.write(f"{json.dumps(session) if self._json else session['alias']}\n")
        sys.stdout.flush()
        missing = [] if self._timeout is None else [each for each in sessions if each["state"] != "up"]
        for session in missing[:_FEW]:
            tell(f"{session['alias']} {session['state']}: {session['reason']}", next_step(session))
        if len(missing) > _FEW:
            tell(f"{len(missing) - _FEW} more are not up", "`mooring status` shows them")
        return int(bool(missing) or self._failed > 0)

    def _start(self, target: Target) -> bool:
        """Have the daemon hold one; whether it does."""
        # A password is written out here alone, for the body of one request.
        body = {"target": target.dsn(reveal=True), "replace": self._replace}
        try:
            self._daemon.request("POST", "/v1/sessions", body)
        except AliasInUse:
            return True
        except DaemonUnreachable:
            raise
        except MooringError as error:
            self._failed += 1
            tell(f"mooring start: {target.alias}: {error.message}", error.hint)
            return False
        return True

    def _wait(self, aliases: Sequence[str], timeout: float) -> None:
        """Wait until each is up or a person must act, or the time is over.

        Raises:
            MooringError: The daemon went away.
        """
        states: SimpleQueue[Mapping[str, str] | MooringError] = SimpleQueue()
        Thread(target=self._watch, args=(states,), name="events", daemon=True).start()
        deadline = time.monotonic() + timeout
        waiting, failed = set(aliases), 0
        with Progress(len(aliases), shown=len(aliases) > 1) as progress:
            while waiting and (left := deadline - time.monotonic()) > 0:
                try:
                    seen = states.get(timeout=left)
                except Empty:
                    return
                if isinstance(seen, MooringError):
                    raise seen
                if seen["state"] in _SETTLED and seen["alias"] in waiting:
                    waiting.discard(seen["alias"])
                    failed += seen["state"] != "up"
                    progress.step(failed=failed)

    def _watch(self, states: SimpleQueue[Mapping[str, str] | MooringError]) -> None:
        try:
            for name, value in self._daemon.events("/v1/events"):
                for each in value["sessions"] if name == "snapshot" else [value]:
                    if each.get("alias") and each.get("state"):
                        states.put(each)
            states.put(DaemonUnreachable("the daemon was stopped meanwhile"))
        except MooringError as error:
            states.put(error)
