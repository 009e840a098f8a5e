"""The configuration of one device being changed, on a NETCONF channel of its own, which its lock goes with."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, Self

from lxml import etree

from ..model.errors import DaemonUnreachable, InvalidInput, MissingCapability, MooringError
from ..wire.netconf import operations
from ..wire.netconf.capabilities import Capabilities
from ..wire.netconf.xml import fragment, local_name, parse
from .markup import difference
from .request import rpc, secure

if TYPE_CHECKING:
    from ..client import Daemon
    from ..wire.netconf.operation import Operation
    from ..wire.netconf.xml import Element

__all__ = ["Change", "Editing", "configuration"]

_JUNOS: Final = "http://xml.juniper.net/netconf/junos/1.0"
_JUNOS_DIFFERENCE: Final = b'<get-configuration compare="rollback" rollback="0" format="text"/>'
_EVERYTHING: Final = operations.Selection()
_NOTHING: Final = operations.Selection("<filter/>")


def configuration(text: str) -> Element:
    """The changes in a file: elements, with or without ``config`` around them, or a whole reply to get-config.

    Raises:
        InvalidInput: It is no well-formed XML, or empty.
    """
    elements = fragment(text)
    while len(elements) == 1 and local_name(elements[0]) in {"rpc-reply", "data", "config"}:
        elements = [child for child in elements[0] if isinstance(child.tag, str)]
    if not elements:
        raise InvalidInput("there is no change in it", hint="elements of a configuration, or config around them")
    config = etree.Element("config")
    config.extend(elements)
    return config


class Change:
    """What is to be changed, and how.

    Args:
        config: The changes.
        target: The datastore; None for the candidate where there is one, else what is running.
        default_operation: What becomes of elements that name no operation.
        timeout: Seconds without anything of a reply.
    """

    def __init__(self, config: Element, target: str | None, default_operation: str | None, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self._default = default_operation
        # Made here once: lxml's elements are not for several threads.
        self._edits = {
            (store, rollback): operations.edit_config(
                config, store, default_operation, None, "rollback-on-error" if rollback else None
            )
            for store in ("candidate", "running")
            for rollback in (False, True)
        }
        self.trial = operations.edit_config(config, "running", default_operation, "test-only", None)

    def edit(self, target: str, *, rollback: bool) -> Operation:
        """The request that makes it."""
        return self._edits[target, rollback]


class Editing:
    """One device with its lock held, from entering to leaving; what was not committed is gone then.

    Args:
        daemon: Who holds the session.
        alias: Which.
        change: What to do.
    """

    def __init__(self, daemon: Daemon, alias: str, change: Change) -> None:
        self.alias = alias
        self._daemon = daemon
        self._change = change
        self._stack = contextlib.ExitStack()
        self._channel = ""
        self._offered = Capabilities(())
        self._target = ""

    def __enter__(self) -> Self:
        """Open a channel, and lock what is changed.

        Raises:
            MooringError: It cannot be had; nothing was changed.
        """
        events = self._daemon.events(f"/v1/sessions/{secure(self.alias)}/netconf/channel")
        self._stack.callback(events.close)
        try:
            own: dict[str, Any] = next((value for name, value in events if name == "channel"), {})
            if not own:
                raise DaemonUnreachable("the daemon ended the stream", hint="it may have been stopped")
            self._channel = own["channel"]
            self._offered = Capabilities(own["server_capabilities"])
            self._target = self._change.target or ("candidate" if ":candidate" in self._offered else "running")
            self._do(operations.lock(self._target))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let go. The channel goes in any case, and the lock with it."""
        with self._stack, contextlib.suppress(MooringError):
            if self._target == "candidate":
                self._do(operations.discard_changes())
            self._do(operations.unlock(self._target))

    def try_out(self) -> list[str] | None:
        """What the change would change, as lines of a diff, once the device has found it valid; None: it cannot tell.

        Raises:
            MissingCapability: The device can try nothing.
            RpcError: It refuses the change.
        """
        if self._target != "candidate":
            self._do(self._change.trial)
            return None
        self._edit()
        if ":validate" in self._offered:  # a commit does this by itself; yuma123's does nothing after another one
            self._do(operations.validate("candidate"))
        if any(capability == _JUNOS for capability in self._offered):
            found = parse(self._ask(_JUNOS_DIFFERENCE))
            return "".join(found.itertext()).strip().splitlines()
        before = self._ask(operations.get_config("running", _EVERYTHING, None).xml)
        return difference(before, self._ask(operations.get_config("candidate", _EVERYTHING, None).xml))

    def make(self) -> None:
        """Make the change, for good."""
        self._edit()
        if self._target == "candidate":
            self._commit()

    def make_confirmed(self, seconds: int) -> None:
        """Make the change, and have the device take it back by itself unless ``confirm`` comes in time.

        Raises:
            MissingCapability: The device cannot take a change back; nothing was changed.
        """
        if self._target != "candidate":
            raise MissingCapability(f"{self.alias} has no candidate to confirm", capability=":candidate")
        operation = operations.commit(confirmed=True, timeout=seconds, persist=None, persist_id=None)
        operation.check(self._offered, self.alias)
        self._edit()
        self._do(operation)

    def verify(self) -> None:
        """Make sure that the device still answers."""
        self._do(operations.get_config("running", _NOTHING, None))

    def confirm(self) -> None:
        """Keep what was changed."""
        self._commit()

    def take_back(self) -> bool:
        """Undo what was not confirmed; whether the device does it at once, and not when its time is over."""
        if ":confirmed-commit:1.1" not in self._offered:
            return False
        self._do(operations.cancel_commit(None))
        return True

    def _edit(self) -> None:
        rollback = self._target == "running" and ":rollback-on-error" in self._offered
        self._do(self._change.edit(self._target, rollback=rollback))

    def _commit(self) -> None:
        self._do(operations.commit(confirmed=False, timeout=None, persist=None, persist_id=None))

    def _do(self, operation: Operation) -> None:
        operation.check(self._offered, self.alias)
        self._ask(operation.xml)

    def _ask(self, body: bytes) -> bytes:
        return b"".join(rpc(self._daemon, self.alias, body, self._change.timeout, self._channel))
