"""The operations of NETCONF, as calls: what each sends stands in ``wire.netconf.operations``."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

from ...model.errors import InvalidInput, MooringError
from ...wire.netconf import operations as wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ...wire.netconf.operations import Operation, WithDefaults
    from ...wire.netconf.reply import RpcReply
    from ...wire.netconf.xml import Source

__all__ = ["Operations"]


class Operations(ABC):
    """Every operation of the RFCs.

    All of them take ``timeout``, seconds until the reply must be there, None for the session's own; all return the
    RpcReply, warnings included; cancelling is safe, and the server may then still do what was asked. All raise:

    - MissingCapability: the server does not offer what it takes; nothing was sent.
    - InvalidInput: an argument cannot be meant; nothing was sent.
    - RpcError: the server answered with errors.
    - RpcTimeout: there was no reply in time.
    - LockLost: a lock is gone that this session took and has not given back; nothing was sent.
    - NetconfEnded: the NETCONF session ended before the reply.
    - SessionLost: so did the SSH session.
    - SessionNotUp, SessionParked, SessionClosed: the SSH session is not up; nothing was sent.
    """

    @abstractmethod
    async def execute(self, operation: Operation, timeout: float | None) -> RpcReply:
        """Send one operation and return its reply."""

    async def rpc(self, rpc: Source, *, timeout: float | None = None) -> RpcReply:
        """Send any operation.

        Args:
            rpc: Its XML: text, bytes or an element of lxml. One without a namespace is in NETCONF's own. A whole
                ``rpc`` will do; its message-id is ours.
            timeout: As above.
        """
        return await self.execute(wire.custom(rpc), timeout)

    async def get(
        self,
        filter: Source | None = None,  # noqa: A002 - the RFC's word
        *,
        xpath: str | None = None,
        namespaces: Mapping[str, str] | None = None,
        with_defaults: WithDefaults = None,
        timeout: float | None = None,
    ) -> RpcReply:
        """State and running configuration (RFC 6241 section 7.7).

        Args:
            filter: A subtree, with or without a ``filter`` element around it. An element without a namespace fits
                any.
            xpath: An XPath expression, in its place.
            namespaces: The prefixes in it.
            with_defaults: How to treat defaults (RFC 6243): ``report-all``, ``report-all-tagged``, ``trim``,
                ``explicit``; None as the server does it.
            timeout: As above.
        """
        return await self.execute(wire.get(wire.Selection(filter, xpath, namespaces), with_defaults), timeout)

    async def get_config(
        self,
        source: str = "running",
        filter: Source | None = None,  # noqa: A002 - the RFC's word
        *,
        xpath: str | None = None,
        namespaces: Mapping[str, str] | None = None,
        with_defaults: WithDefaults = None,
        timeout: float | None = None,
    ) -> RpcReply:
        """Configuration (RFC 6241 section 7.1).

        Args:
            source: ``running``, ``candidate``, ``startup`` or a URL.
            filter: As ``get`` has it, and so the rest.
            xpath: Likewise.
            namespaces: Likewise.
            with_defaults: Likewise.
            timeout: As above.
        """
        selection = wire.Selection(filter, xpath, namespaces)
        return await self.execute(wire.get_config(source, selection, with_defaults), timeout)

    async def edit_config(
        self,
        config: Source,
        target: str = "candidate",
        *,
        default_operation: Literal["merge", "replace", "none"] | None = None,
        test_option: Literal["test-then-set", "set", "test-only"] | None = None,
        error_option: Literal["stop-on-error", "continue-on-error", "rollback-on-error"] | None = None,
        timeout: float | None = None,
    ) -> RpcReply:
        """Change a configuration (RFC 6241 section 7.2).

        Args:
            config: The changes, with or without a ``config`` element around them, or a URL.
            target: ``candidate``, ``running`` or ``startup``.
            default_operation: What becomes of elements that name no operation.
            test_option: Whether it is validated before it is done.
            error_option: What becomes of the rest where one change fails.
            timeout: As above.
        """
        operation = wire.edit_config(config, target, default_operation, test_option, error_option)
        return await self.execute(operation, timeout)

    async def copy_config(
        self, source: Source, target: str, *, with_defaults: WithDefaults = None, timeout: float | None = None
    ) -> RpcReply:
        """Replace a whole configuration (RFC 6241 section 7.3).

        Args:
            source: A datastore, a URL, or a whole configuration.
            target: A datastore or a URL.
            with_defaults: As ``get`` has it.
            timeout: As above.
        """
        return await self.execute(wire.copy_config(source, target, with_defaults), timeout)

    async def delete_config(self, target: str, *, timeout: float | None = None) -> RpcReply:
        """Delete a whole configuration, never the running one (RFC 6241 section 7.4)."""
        return await self.execute(wire.delete_config(target), timeout)

    async def lock(self, target: str = "candidate", *, timeout: float | None = None) -> RpcReply:
        """Lock a datastore (RFC 6241 section 7.5).

        The lock goes with the connection: every later call raises LockLost, until it is taken again or given back.
        Where a NETCONF session of ours that broke still holds it, that one is killed first. Where it is cancelled, or
        not answered in time, the connection is given up as well: nobody would know of a lock that is granted late.
        """
        return await self.execute(wire.lock(target), timeout)

    async def unlock(self, target: str = "candidate", *, timeout: float | None = None) -> RpcReply:
        """Unlock a datastore (RFC 6241 section 7.6); LockLost where the lock went before."""
        return await self.execute(wire.unlock(target), timeout)

    async def validate(self, source: Source = "candidate", *, timeout: float | None = None) -> RpcReply:
        """Validate a datastore, what a URL names, or a whole configuration (RFC 6241 section 8.6.4.1)."""
        return await self.execute(wire.validate(source), timeout)

    async def commit(
        self,
        *,
        confirmed: bool = False,
        confirm_timeout: int | None = None,
        persist: str | None = None,
        persist_id: str | None = None,
        timeout: float | None = None,
    ) -> RpcReply:
        """Make the candidate the running configuration (RFC 6241 sections 8.3.4.1 and 8.4).

        Args:
            confirmed: Have the server undo it unless it is committed again in time.
            confirm_timeout: Seconds until then; None leaves it to the server, which takes 600.
            persist: A name by which another session may confirm it, and with which it outlives this one.
            persist_id: The name given before, to confirm it or to go on.
            timeout: As above.
        """
        if not confirmed and (confirm_timeout is not None or persist is not None):
            raise InvalidInput("confirm_timeout and persist take confirmed=True")
        operation = wire.commit(confirmed=confirmed, timeout=confirm_timeout, persist=persist, persist_id=persist_id)
        return await self.execute(operation, timeout)

    async def cancel_commit(self, *, persist_id: str | None = None, timeout: float | None = None) -> RpcReply:
        """Undo a confirmed commit now (RFC 6241 section 8.4.4.1)."""
        return await self.execute(wire.cancel_commit(persist_id), timeout)

    async def discard_changes(self, *, timeout: float | None = None) -> RpcReply:
        """Make the candidate what is running (RFC 6241 section 8.3.4.2)."""
        return await self.execute(wire.discard_changes(), timeout)

    async def get_schema(
        self,
        identifier: str,
        version: str | None = None,
        format: str | None = None,  # noqa: A002 - the RFC's word
        *,
        timeout: float | None = None,
    ) -> RpcReply:
        """A YANG module, as the text of ``reply.data`` (RFC 6022 section 3.1)."""
        return await self.execute(wire.get_schema(identifier, version, format), timeout)

    async def get_data(
        self,
        datastore: str = "operational",
        filter: Source | None = None,  # noqa: A002 - the RFC's word
        *,
        xpath: str | None = None,
        namespaces: Mapping[str, str] | None = None,
        config: bool | None = None,
        max_depth: int | None = None,
        with_origin: bool = False,
        with_defaults: WithDefaults = None,
        timeout: float | None = None,
    ) -> RpcReply:
        """What a datastore of NMDA holds (RFC 8526 section 3.1.1).

        Args:
            datastore: ``operational``, ``running``, ``candidate``, ``startup``, ``intended``.
            filter: As ``get`` has it.
            xpath: Likewise.
            namespaces: Likewise.
            config: Configuration only, or with False state only; None for both.
            max_depth: How many levels of it; None for all.
            with_origin: Whether to tell where each value comes from.
            with_defaults: As ``get`` has it.
            timeout: As above.
        """
        operation = wire.get_data(
            datastore,
            wire.Selection(filter, xpath, namespaces),
            with_defaults,
            config=config,
            max_depth=max_depth,
            with_origin=with_origin,
        )
        return await self.execute(operation, timeout)

    async def edit_data(
        self,
        config: Source,
        datastore: str = "candidate",
        *,
        default_operation: Literal["merge", "replace", "none"] | None = None,
        timeout: float | None = None,
    ) -> RpcReply:
        """Change what a datastore of NMDA holds (RFC 8526 section 3.1.2); the arguments as ``edit_config`` has them."""
        return await self.execute(wire.edit_data(config, datastore, default_operation), timeout)

    async def create_subscription(
        self,
        stream: str | None = None,
        filter: Source | None = None,  # noqa: A002 - the RFC's word
        *,
        xpath: str | None = None,
        namespaces: Mapping[str, str] | None = None,
        start_time: str | None = None,
        stop_time: str | None = None,
        timeout: float | None = None,
    ) -> RpcReply:
        """Have the server send notifications (RFC 5277 section 2.1.1), to listeners; ``notifications`` does more.

        Args:
            stream: Of which stream; None for ``NETCONF``.
            filter: Of what, as ``get`` has it.
            xpath: Likewise.
            namespaces: Likewise.
            start_time: Those since then as well (RFC 3339).
            stop_time: None after that.
            timeout: As above.
        """
        selection = wire.Selection(filter, xpath, namespaces)
        return await self.execute(wire.create_subscription(stream, selection, start_time, stop_time), timeout)

    async def kill_session(self, session_id: int, *, timeout: float | None = None) -> RpcReply:
        """End another NETCONF session of this server, its locks included (RFC 6241 section 7.9)."""
        return await self.execute(wire.kill_session(session_id), timeout)

    @contextlib.asynccontextmanager
    async def locked(self, target: str = "candidate", *, timeout: float | None = None) -> AsyncIterator[None]:
        """Hold the lock of a datastore for the length of a block.

        A lock goes with its connection: from then on every call raises LockLost, and so does the end of the block.
        """
        await self.lock(target, timeout=timeout)
        try:
            yield
        except BaseException:
            with contextlib.suppress(MooringError):
                await self.unlock(target, timeout=timeout)
            raise
        await self.unlock(target, timeout=timeout)
