"""The operations of NETCONF as XML, and what a server must offer for each.

RFC 6241 sections 7 and 8, RFC 5277 (notifications), 6243 (with-defaults), 6022 (schemas), 8526 (NMDA).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from xml.sax import saxutils

from ...model.errors import InvalidInput
from .operation import Defaults, Operation, WithDefaults, custom, xml
from .xml import Element, fragment, local_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .xml import Source

__all__ = ["MONITORING", "NMDA", "NOTIFICATION", "Defaults", "Operation", "Selection", "WithDefaults", "custom"]

MONITORING: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
NMDA: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
NOTIFICATION: Final = "urn:ietf:params:xml:ns:netconf:notification:1.0"
_DATASTORES: Final = "urn:ietf:params:xml:ns:yang:ietf-datastores"
_WITH_DEFAULTS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
_YANG_LIBRARY: Final = "urn:ietf:params:netconf:capability:yang-library:1.1"


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a datastore, or of a stream of notifications, is wanted.

    Attributes:
        subtree: A subtree filter, with or without its ``filter`` element; None for no such.
        xpath: An XPath expression; None for no such.
        namespaces: The prefixes in it.
    """

    subtree: Source | None = None
    xpath: str | None = None
    namespaces: Mapping[str, str] | None = None

    @property
    def need(self) -> str | None:
        """What it takes."""
        return ":xpath" if self.xpath is not None else None

    def filter(self) -> str:
        """It as ``filter`` (RFC 6241 section 6 and 8.9.5)."""
        self._check()
        if self.xpath is not None:
            return f'<filter type="xpath"{self._prefixes()} select={_quote(self.xpath)}/>'
        if self.subtree is None:
            return ""
        given = fragment(self.subtree)
        if len(given) == 1 and local_name(given[0]) == "filter" and given[0].get("select") is not None:
            prefixes = {prefix: uri for prefix, uri in given[0].nsmap.items() if prefix}
            return Selection(None, given[0].get("select"), prefixes).filter()
        return f'<filter type="subtree">{_inside(self.subtree, "filter")}</filter>'

    def nmda_filter(self) -> str:
        """It as get-data has it (RFC 8526 section 3.1.1)."""
        self._check()
        if self.xpath is not None:
            return f"<xpath-filter{self._prefixes()}>{_escape(self.xpath)}</xpath-filter>"
        if self.subtree is None:
            return ""
        return f"<subtree-filter>{_inside(self.subtree, 'filter')}</subtree-filter>"

    def _check(self) -> None:
        if self.subtree is not None and self.xpath is not None:
            raise InvalidInput("a filter is a subtree or an XPath, not both")

    def _prefixes(self) -> str:
        return "".join(f" xmlns:{prefix}={_quote(uri)}" for prefix, uri in (self.namespaces or {}).items())


_FOREIGN: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _escape(text: str) -> str:
    """Text as XML has it.

    Raises:
        InvalidInput: XML cannot carry it.
    """
    if found := _FOREIGN.search(text):
        raise InvalidInput(f"XML has no way to write the character {found[0]!r}")
    return saxutils.escape(text)


def _quote(text: str) -> str:
    return saxutils.quoteattr(text) if _escape(text) else '""'


def _leaf(name: str, value: object) -> str:
    return "" if value is None else f"<{name}>{_escape(str(value))}</{name}>"


def _inside(source: Source, wrapper: str) -> str:
    """What stands inside a filter or configuration, whether the caller wrote that around it or not.

    An element without a namespace stays without one: in a filter it then fits any (RFC 6241 section 6.2.1).
    """
    elements = fragment(source)
    if len(elements) == 1 and local_name(elements[0]) == wrapper:
        elements = [child for child in elements[0] if isinstance(child.tag, str)]
    return "".join(map(_as_written, elements))


def _as_written(element: Element) -> str:
    text = xml(element).decode()
    name = local_name(element)
    return text if element.tag != name else text.replace(f"<{name}", f'<{name} xmlns=""', 1)


def _with_defaults(mode: WithDefaults) -> str:
    return f'<with-defaults xmlns="{_WITH_DEFAULTS}">{mode}</with-defaults>' if mode else ""


def _needs(*capabilities: str | None) -> tuple[tuple[str, ...], ...]:
    return tuple((capability,) for capability in capabilities if capability)


_STORES: Final = {"candidate": ":candidate", "startup": ":startup"}


def _store(role: str, name: str) -> tuple[str, str | None]:
    """A datastore or URL as the ``source`` or ``target`` of something, and what it takes."""
    if "://" in name:
        return f"<{role}><url>{_escape(name)}</url></{role}>", ":url"
    if name not in {"running", "candidate", "startup"}:
        raise InvalidInput(f"{name!r} is no datastore: running, candidate, startup or a URL")
    return f"<{role}><{name}/></{role}>", _STORES.get(name)


def _written(name: str) -> str | None:
    """What it takes to write to a datastore."""
    return ":writable-running" if name == "running" else None


def _operation(name: str, inside: str, *needs: str | None, defaults: WithDefaults = None) -> Operation:
    return Operation(name, f"<{name}>{inside}</{name}>".encode(), _needs(*needs), defaults)


def get(selection: Selection, defaults: WithDefaults) -> Operation:
    """RFC 6241 section 7.7."""
    return _operation("get", selection.filter() + _with_defaults(defaults), selection.need, defaults=defaults)


def get_config(source: str, selection: Selection, defaults: WithDefaults) -> Operation:
    """RFC 6241 section 7.1."""
    where, need = _store("source", source)
    inside = where + selection.filter() + _with_defaults(defaults)
    return _operation("get-config", inside, need, selection.need, defaults=defaults)


def _config(config: Source) -> str:
    return f"<config>{_inside(config, 'config')}</config>"


def edit_config(
    config: Source, target: str, default_operation: str | None, test_option: str | None, error_option: str | None
) -> Operation:
    """RFC 6241 section 7.2."""
    where, need = _store("target", target)
    url = isinstance(config, str) and "://" in config and not config.lstrip().startswith("<")
    inside = (
        where
        + _leaf("default-operation", default_operation)
        + _leaf("test-option", test_option)
        + _leaf("error-option", error_option)
        + (_leaf("url", config) if url else _config(config))
    )
    test = ":validate:1.1" if test_option == "test-only" else ":validate" if test_option else None
    rollback = ":rollback-on-error" if error_option == "rollback-on-error" else None
    return _operation("edit-config", inside, need, _written(target), test, rollback, ":url" if url else None)


def _source(source: Source) -> tuple[str, str | None]:
    """A datastore, a URL or a whole configuration, as the ``source`` of something."""
    if isinstance(source, str) and not source.lstrip().startswith("<"):
        return _store("source", source)
    return f"<source>{_config(source)}</source>", None


def copy_config(source: Source, target: str, defaults: WithDefaults) -> Operation:
    """RFC 6241 section 7.3."""
    origin, origin_need = _source(source)
    where, need = _store("target", target)
    inside = where + origin + _with_defaults(defaults)
    return _operation("copy-config", inside, need, _written(target), origin_need, defaults=defaults)


def delete_config(target: str) -> Operation:
    """RFC 6241 section 7.4."""
    where, need = _store("target", target)
    return _operation("delete-config", where, need)


def lock(target: str) -> Operation:
    """RFC 6241 section 7.5."""
    where, need = _store("target", target)
    return replace(_operation("lock", where, need), locks=target, binds=True)


def unlock(target: str) -> Operation:
    """RFC 6241 section 7.6."""
    where, need = _store("target", target)
    return replace(_operation("unlock", where, need), unlocks=target, binds=True)


def validate(source: Source) -> Operation:
    """RFC 6241 section 8.6.4.1."""
    origin, need = _source(source)
    return _operation("validate", origin, ":validate", need)


def commit(*, confirmed: bool, timeout: int | None, persist: str | None, persist_id: str | None) -> Operation:
    """RFC 6241 sections 8.3.4.1 and 8.4.5."""
    inside = (
        ("<confirmed/>" if confirmed else "")
        + _leaf("confirm-timeout", timeout)
        + _leaf("persist", persist)
        + _leaf("persist-id", persist_id)
    )
    needs = ":confirmed-commit" if confirmed else None
    lasting = ":confirmed-commit:1.1" if persist is not None or persist_id is not None else None
    return _operation("commit", inside, ":candidate", needs, lasting)


def cancel_commit(persist_id: str | None) -> Operation:
    """RFC 6241 section 8.4.4.1."""
    return _operation("cancel-commit", _leaf("persist-id", persist_id), ":candidate", ":confirmed-commit:1.1")


def discard_changes() -> Operation:
    """RFC 6241 section 8.3.4.2."""
    return _operation("discard-changes", "", ":candidate")


def kill_session(session_id: int) -> Operation:
    """RFC 6241 section 7.9."""
    return _operation("kill-session", _leaf("session-id", session_id))


def close_session() -> Operation:
    """RFC 6241 section 7.8."""
    return _operation("close-session", "")


def get_schema(identifier: str, version: str | None, format: str | None) -> Operation:  # noqa: A002 - the RFC's word
    """RFC 6022 section 3.1."""
    inside = _leaf("identifier", identifier) + _leaf("version", version) + _leaf("format", format)
    text = f'<get-schema xmlns="{MONITORING}">{inside}</get-schema>'
    return Operation("get-schema", text.encode(), _needs(MONITORING))


def _datastore(name: str) -> str:
    value = name if ":" in name else f"ds:{name}"
    return f'<datastore xmlns:ds="{_DATASTORES}">{_escape(value)}</datastore>'


# A module of YANG 1.1 is not named in the hello; the library that holds it is (RFC 7950 section 5.6.4).
_NMDA_NEEDS: Final = (NMDA, _YANG_LIBRARY)


def get_data(
    datastore: str,
    selection: Selection,
    defaults: WithDefaults,
    *,
    config: bool | None,
    max_depth: int | None,
    with_origin: bool,
) -> Operation:
    """RFC 8526 section 3.1.1."""
    inside = _datastore(datastore) + selection.nmda_filter()
    inside += _leaf("config-filter", None if config is None else str(config).lower()) + _leaf("max-depth", max_depth)
    inside += "<with-origin/>" if with_origin else ""
    inside += _leaf("with-defaults", defaults)
    text = f'<get-data xmlns="{NMDA}">{inside}</get-data>'
    return Operation("get-data", text.encode(), (_NMDA_NEEDS, *_needs(selection.need)), defaults=defaults)


def edit_data(config: Source, datastore: str, default_operation: str | None) -> Operation:
    """RFC 8526 section 3.1.2."""
    inside = _datastore(datastore) + _leaf("default-operation", default_operation) + _config(config)
    return Operation("edit-data", f'<edit-data xmlns="{NMDA}">{inside}</edit-data>'.encode(), (_NMDA_NEEDS,))


def create_subscription(
    stream: str | None, selection: Selection, start_time: str | None, stop_time: str | None
) -> Operation:
    """RFC 5277 section 2.1.1."""
    if stop_time is not None and start_time is None:
        raise InvalidInput("stop_time takes a start_time")
    inside = (
        _leaf("stream", stream) + selection.filter() + _leaf("startTime", start_time) + _leaf("stopTime", stop_time)
    )
    text = f'<create-subscription xmlns="{NOTIFICATION}">{inside}</create-subscription>'
    return Operation("create-subscription", text.encode(), _needs(":notification", selection.need))
