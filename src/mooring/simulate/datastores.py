"""The datastores of a simulated device that follows the RFCs: what Junos' way of doing it has no place for.

All operations of RFC 6241, with ``startup`` and URLs, and those of RFC 8526 and 5717. The first child of a list's entry
is its key. Nothing has a schema, so all is valid.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Datastores"]

_OPERATION: Final = "{urn:ietf:params:xml:ns:netconf:base:1.0}operation"
_MADE: Final = {"create", "merge", "replace"}
_OK: Final = "<ok/>"
_ACCEPTED: Final = {
    "validate",
    "lock",
    "unlock",
    "partial-unlock",
    "kill-session",
    "close-session",
    "create-subscription",
}


class Datastores:
    """What a device is configured to do, in every datastore, and at every URL that was written to."""

    def __init__(self) -> None:
        self._stores = {name: ET.Element("config") for name in ("running", "candidate", "startup")}
        self._before: ET.Element | None = None
        self._persist = ""
        self._answers: Mapping[str, Callable[[ET.Element], str]] = {
            "get": lambda _: _data(self._stores["running"]),
            "get-config": lambda operation: _data(self._named(operation, "source")),
            "get-data": lambda operation: _data(self._named(operation, "datastore")),
            "edit-config": self._edit,
            "edit-data": self._edit,
            "copy-config": self._copy,
            "delete-config": self._delete,
            "commit": self._commit,
            "cancel-commit": self._cancel,
            "discard-changes": lambda _: self._put("candidate", self._stores["running"]),
            "partial-lock": lambda _: "<lock-id>1</lock-id>",
        }

    def answer(self, tag: str, operation: ET.Element) -> str | None:
        """The content of the reply to an operation; None for one that is not known."""
        if tag in _ACCEPTED:
            return _OK
        if tag not in self._answers:
            return None
        try:
            return self._answers[tag](operation)
        except _Refused as refusal:
            return (
                f"<rpc-error><error-type>application</error-type><error-tag>{refusal}</error-tag>"
                "<error-severity>error</error-severity></rpc-error>"
            )

    def _edit(self, operation: ET.Element) -> str:
        name = self._name(operation, "datastore" if _child(operation, "datastore") is not None else "target")
        how = "".join(getattr(_child(operation, "default-operation"), "text", None) or "merge")
        changes = _child(operation, "config")
        url = _child(operation, "url")
        if changes is None:
            changes = self._stores.get("" if url is None else url.text or "", ET.Element("config"))
        store = ET.Element("config") if how == "replace" else copy.deepcopy(self._store(name))
        _merge(store, changes, how)
        if (getattr(_child(operation, "test-option"), "text", None)) != "test-only":
            self._stores[name] = store
        return _OK

    def _copy(self, operation: ET.Element) -> str:
        source = _child(operation, "source")
        whole = None if source is None else _child(source, "config")
        return self._put(
            self._name(operation, "target"), whole if whole is not None else self._named(operation, "source")
        )

    def _delete(self, operation: ET.Element) -> str:
        name = self._name(operation, "target")
        self._store(name)
        if name == "startup":
            return self._put(name, ET.Element("config"))
        if name in {"running", "candidate"}:
            raise _Refused("operation-not-supported")
        del self._stores[name]
        return _OK

    def _commit(self, operation: ET.Element) -> str:
        given = _child(operation, "persist-id")
        if self._before is not None and (given.text if given is not None else "") != self._persist:
            raise _Refused("invalid-value")
        if _child(operation, "confirmed") is None:
            self._before = None
            self._persist = ""
        else:
            self._before = self._before if self._before is not None else self._stores["running"]
            self._persist = getattr(_child(operation, "persist"), "text", None) or self._persist
        return self._put("running", self._stores["candidate"])

    def _cancel(self, operation: ET.Element) -> str:
        given = _child(operation, "persist-id")
        if self._before is None or (given.text if given is not None else "") != self._persist:
            raise _Refused("invalid-value")
        self._put("running", self._before)
        self._before, self._persist = None, ""
        return self._put("candidate", self._stores["running"])

    def _put(self, name: str, config: ET.Element) -> str:
        self._stores[name] = copy.deepcopy(config)
        return _OK

    def _named(self, operation: ET.Element, role: str) -> ET.Element:
        return self._store(self._name(operation, role))

    def _store(self, name: str) -> ET.Element:
        if name not in self._stores:
            raise _Refused("data-missing")
        return self._stores[name]

    def _name(self, operation: ET.Element, role: str) -> str:
        """The datastore that an operation names: as an element of RFC 6241, an identity of RFC 8526, or a URL."""
        found = _child(operation, role)
        if found is None:
            raise _Refused("missing-element")
        if not len(found):
            name = (found.text or "").rpartition(":")[2]
            return {"operational": "running", "intended": "running"}.get(name, name)
        return (found[0].text or "") if _tag(found[0]) == "url" else _tag(found[0])


class _Refused(Exception):
    """An operation that cannot be done; the text is its error-tag."""


def _merge(into: ET.Element, changes: Iterable[ET.Element], inherited: str) -> None:
    for change in changes:
        how = change.get(_OPERATION, inherited)
        there = next((each for each in into if _same(each, change)), None)
        if how in {"delete", "create"} and (there is None) is (how == "delete"):
            raise _Refused("data-missing" if how == "delete" else "data-exists")
        if how in {"delete", "remove", "replace"} and there is not None:
            into.remove(there)
            there = None
        if how in {"delete", "remove"} or (there is None and how == "none"):
            continue
        if there is None:
            there = ET.SubElement(into, change.tag, {k: v for k, v in change.attrib.items() if k != _OPERATION})
        if how in _MADE and not len(change):
            there.text = change.text
        _merge(there, change, "merge" if how == "replace" else how)


def _same(one: ET.Element, other: ET.Element) -> bool:
    """Whether they are the same thing: by their names, and of a list's entries by their keys."""
    if one.tag != other.tag or not len(one) or not len(other) or len(one[0]) or len(other[0]):
        return one.tag == other.tag
    return _tag(one[0]) not in {"name", "id"} or one[0].tag != other[0].tag or one[0].text == other[0].text


def _data(config: ET.Element) -> str:
    return f"<data>{''.join(ET.tostring(each, encoding='unicode') for each in config)}</data>"


def _child(operation: ET.Element, name: str) -> ET.Element | None:
    return next((each for each in operation if _tag(each) == name), None)


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
