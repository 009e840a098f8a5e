"""PyEZ over sessions that are held: ``device(session)`` is a ``jnpr.junos.Device``, and SCP and StartShell go with it.

Needs PyEZ: ``pip install 'mooring[junos]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from jnpr.junos import Device, jxml
from jnpr.junos import exception as errors
from jnpr.junos.device import DeviceSessionListener

from ...blocking.loop import loop_thread
from ...blocking.session import Session as BlockingSession
from . import patches
from .caller import OtherLoop
from .manager import manager_over

if TYPE_CHECKING:
    import asyncio

    from ...session import Session
    from .caller import Caller

__all__ = ["HeldDevice", "device"]

_TIMEOUT: Final = 30.0


def device(
    session: BlockingSession | Session,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    open: bool = True,  # noqa: A002 - as the method
    timeout: float = _TIMEOUT,
    **keywords: Any,
) -> HeldDevice:
    """A PyEZ ``Device`` over a held session, with facts, ``rpc``, ``cli``, ``Config``, ``SCP`` and ``StartShell``.

    Call it in a thread that runs no loop of the session's: it waits. ``dev.close()`` closes its NETCONF channel and
    nothing else, and ``dev.open()`` opens another one. Any number of devices may share a session.

    Args:
        session: A ``mooring.blocking`` session, or a native one.
        loop: Where a native session lives; None for the loop of ``mooring.blocking``.
        open: Whether it is opened at once.
        timeout: Seconds for opening the NETCONF channel.
        keywords: As ``Device`` has them: ``gather_facts``, ``normalize``, ``huge_tree`` and so on. Those about the
            connection mean nothing.

    Raises:
        jnpr.junos.exception.ConnectError: The session is not up, or the device speaks no NETCONF on it.
        WrongThread: It was called on the session's loop.
    """
    caller: Caller
    if isinstance(session, BlockingSession):
        native, caller = session.native()
    else:
        native, caller = session, loop_thread() if loop is None else OtherLoop(loop)
    made = HeldDevice(native, caller, timeout, **keywords)
    return made.open() if open else made


class HeldDevice(Device):  # type: ignore[misc] # PyEZ has no types
    """A PyEZ ``Device`` whose connection is a held session's; ``device`` makes it.

    Args:
        session: The native session.
        caller: The way to its loop.
        timeout: Seconds for opening the NETCONF channel.
        keywords: As ``Device`` has them.
    """

    transform: Any
    _normalize: Any

    def __new__(cls, *_: object, **__: object) -> Self:
        """Never a console."""
        return object.__new__(cls)

    def __init__(self, session: Session, caller: Caller, timeout: float = _TIMEOUT, **keywords: Any) -> None:
        super().__init__(host=None, sock_fd=-1, **{"user": session.target.username, **keywords})
        self._hostname = session.target.host
        self._held = session, caller, timeout

    def open(self, *_: object, **keywords: Any) -> Self:
        """Open a NETCONF channel on the session.

        Args:
            keywords: ``gather_facts`` and ``normalize``, as ``Device.open`` has them.

        Raises:
            jnpr.junos.exception.ConnectError: The session is not up, or the device speaks no NETCONF on it.
        """
        session, caller, timeout = self._held
        patches.lead_ssh_clients()
        try:
            self._conn = manager_over(session, caller, "junos", timeout)
        except Exception as error:
            failure = errors.ConnectError(self, msg=str(error))
            failure._orig = error  # noqa: SLF001 - where PyEZ puts it
            raise failure from error
        self._conn._session.add_listener(DeviceSessionListener(self))  # noqa: SLF001 - as PyEZ does
        self._conn.huge_tree = bool(self._huge_tree)
        self.connected = True
        self._nc_transform = self.transform
        self._norm_transform = jxml.normalize_xslt.encode
        self._normalize = keywords.get("normalize", self._normalize)
        if self._normalize is True:
            self.transform = self._norm_transform
        if keywords.get("gather_facts", self._gather_facts) is True:
            self.facts_refresh()
        return self
