"""What each operation sends and takes, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from mooring import InvalidInput, MissingCapability
from mooring.wire.netconf import operations as op
from mooring.wire.netconf.capabilities import Capabilities
from mooring.wire.netconf.operations import Operation, Selection

NOTHING = Selection()
TYPES = 'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"'
DEFAULTS = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
STANDARD = "urn:ietf:params:netconf:capability"

TABLE: list[tuple[Operation, str, list[str]]] = [
    (op.get(NOTHING, None), "<get></get>", []),
    (
        op.get(Selection("<a/><b xmlns='u'/>"), None),
        '<get><filter type="subtree"><a xmlns=""/><b xmlns="u"/></filter></get>',
        [],
    ),
    (
        op.get(Selection('<filter type="subtree"><a/></filter>'), None),
        '<get><filter type="subtree"><a xmlns=""/></filter></get>',
        [],
    ),
    (
        op.get(Selection(xpath='/a:x[n="1 < 2"]', namespaces={"a": "u&v"}), None),
        '<get><filter type="xpath" xmlns:a="u&amp;v" select=\'/a:x[n="1 &lt; 2"]\'/></get>',
        [":xpath"],
    ),
    (
        op.get_config("candidate", NOTHING, "trim"),
        f'<get-config><source><candidate/></source><with-defaults xmlns="{DEFAULTS}">trim</with-defaults></get-config>',
        [":candidate", "with-defaults"],
    ),
    (
        op.edit_config("<config><a/></config>", "candidate", "none", "test-then-set", "rollback-on-error"),
        (
            "<edit-config><target><candidate/></target><default-operation>none</default-operation>"
            "<test-option>test-then-set</test-option><error-option>rollback-on-error</error-option>"
            '<config><a xmlns=""/></config></edit-config>'
        ),
        [":candidate", ":validate", ":rollback-on-error"],
    ),
    (
        op.edit_config("file:///x", "running", None, "test-only", None),
        "<edit-config><target><running/></target><test-option>test-only</test-option><url>file:///x</url></edit-config>",
        [":writable-running", ":validate:1.1", ":url"],
    ),
    (
        op.copy_config("running", "file:///a&b", None),
        "<copy-config><target><url>file:///a&amp;b</url></target><source><running/></source></copy-config>",
        [":url"],
    ),
    (
        op.copy_config("<a xmlns='u'/>", "startup", None),
        '<copy-config><target><startup/></target><source><config><a xmlns="u"/></config></source></copy-config>',
        [":startup"],
    ),
    (
        op.delete_config("startup"),
        "<delete-config><target><startup/></target></delete-config>",
        [":startup"],
    ),
    (op.lock("running"), "<lock><target><running/></target></lock>", []),
    (op.unlock("candidate"), "<unlock><target><candidate/></target></unlock>", [":candidate"]),
    (op.validate("candidate"), "<validate><source><candidate/></source></validate>", [":validate", ":candidate"]),
    (
        op.commit(confirmed=True, timeout=5, persist="x<", persist_id=None),
        "<commit><confirmed/><confirm-timeout>5</confirm-timeout><persist>x&lt;</persist></commit>",
        [":candidate", ":confirmed-commit", ":confirmed-commit:1.1"],
    ),
    (
        op.cancel_commit("x"),
        "<cancel-commit><persist-id>x</persist-id></cancel-commit>",
        [":candidate", ":confirmed-commit:1.1"],
    ),
    (op.discard_changes(), "<discard-changes></discard-changes>", [":candidate"]),
    (op.kill_session(7), "<kill-session><session-id>7</session-id></kill-session>", []),
    (op.close_session(), "<close-session></close-session>", []),
    (
        op.get_schema("m", "2020-01-01", None),
        f'<get-schema xmlns="{op.MONITORING}"><identifier>m</identifier><version>2020-01-01</version></get-schema>',
        [op.MONITORING],
    ),
    (
        op.get_data(
            "operational",
            Selection(xpath="/a:b", namespaces={"a": "u"}),
            None,
            config=False,
            max_depth=2,
            with_origin=True,
        ),
        (
            f'<get-data xmlns="{op.NMDA}"><datastore {TYPES}>ds:operational</datastore>'
            '<xpath-filter xmlns:a="u">/a:b</xpath-filter><config-filter>false</config-filter><max-depth>2</max-depth>'
            "<with-origin/></get-data>"
        ),
        [op.NMDA, ":xpath"],
    ),
    (
        op.edit_data("<a xmlns='u'/>", "running", "merge"),
        (
            f'<edit-data xmlns="{op.NMDA}"><datastore {TYPES}>ds:running</datastore>'
            '<default-operation>merge</default-operation><config><a xmlns="u"/></config></edit-data>'
        ),
        [op.NMDA],
    ),
    (
        op.create_subscription("s", NOTHING, "2026-01-01T00:00:00Z", None),
        (
            f'<create-subscription xmlns="{op.NOTIFICATION}"><stream>s</stream>'
            "<startTime>2026-01-01T00:00:00Z</startTime></create-subscription>"
        ),
        [":notification"],
    ),
]

NAMES = [f"{row[0].name}-{number}" for number, row in enumerate(TABLE)]


@pytest.mark.parametrize(("operation", "text", "needs"), TABLE, ids=NAMES)
def test_what_it_sends_and_takes(operation: Operation, text: str, needs: list[str]) -> None:
    assert operation.xml.decode() == text
    etree.fromstring(operation.xml)
    assert [alternatives[0] for alternatives in operation.needs] == [need for need in needs if need != "with-defaults"]
    assert bool(operation.defaults) is ("with-defaults" in needs)


@pytest.mark.parametrize("row", [row for row in TABLE if row[2]], ids=lambda row: row[1][:60])
def test_it_is_refused_where_one_capability_is_missing(row: tuple[Operation, str, list[str]]) -> None:
    operation, _, needs = row
    full = {
        ":validate": f"{STANDARD}:validate:1.0",
        "with-defaults": f"{STANDARD}:with-defaults:1.0?basic-mode=trim",
        op.MONITORING: op.MONITORING,
        op.NMDA: op.NMDA,
    }
    uris = [full.get(need, f"{STANDARD}{need}" if need[-1].isdigit() else f"{STANDARD}{need}:1.0") for need in needs]
    operation.check(Capabilities(uris), "edge1")
    for need in needs:
        less = [uri for uri in uris if need not in uri]
        with pytest.raises(MissingCapability) as caught:
            operation.check(Capabilities(less), "edge1")
        assert need in caught.value.capability


def test_nmda_is_known_by_the_library_that_holds_it() -> None:
    library = "urn:ietf:params:netconf:capability:yang-library:1.1?revision=2019-01-04&content-id=1"
    op.edit_data("<a/>", "running", None).check(Capabilities([library]), "edge1")


def test_a_mode_of_with_defaults_that_the_server_does_not_know() -> None:
    server = Capabilities([f"{STANDARD}:with-defaults:1.0?basic-mode=explicit&also-supported=trim,report-all"])
    known: list[op.Defaults] = ["explicit", "trim", "report-all"]
    for mode in known:
        op.get(NOTHING, mode).check(server, "edge1")
    with pytest.raises(MissingCapability, match="report-all-tagged") as caught:
        op.get(NOTHING, "report-all-tagged").check(server, "edge1")
    assert caught.value.hint == "it knows explicit, report-all, trim"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: op.get(Selection("<a>"), None), "not XML: "),
        (lambda: op.get(Selection("<!DOCTYPE a []><a/>"), None), "this is not XML"),
        (lambda: op.get(Selection("words"), None), "text stands beside"),
        (lambda: op.get(Selection("<a/>", "/a"), None), "not both"),
        (lambda: op.get_config("ruinning", NOTHING, None), "'ruinning' is no datastore"),
        (lambda: op.custom("<a/><b/>"), "these are 2"),
        (lambda: op.custom("<rpc/>"), "this one has 0"),
        (lambda: op.custom(7), "not int"),  # type: ignore[arg-type]
        (lambda: op.custom(b"\xff"), "not XML: 'utf-8'"),
        (lambda: op.custom("<a><!-- ]]>]]> --></a>"), "ends a message"),
        (lambda: op.create_subscription(None, NOTHING, None, "2026"), "stop_time takes a start_time"),
    ],
)
def test_what_cannot_be_meant(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(InvalidInput, match=words):
        make()


def test_any_operation_as_it_was_written() -> None:
    text = "<?xml version='1.0' encoding='latin-1'?> <get-system-information/> "
    element = etree.fromstring("<get-system-information/>")
    for source in (text, text.encode(), element):
        assert op.custom(source).xml == b"<get-system-information/>"


def test_a_whole_rpc_keeps_its_attributes_but_its_message_id() -> None:
    operation = op.custom('<nc:rpc xmlns:nc="u" xmlns:x="v" x:y="&lt;1" message-id="7"><x:get/></nc:rpc>')
    assert operation.name == "get"
    whole = etree.fromstring(b"<rpc%b>%b</rpc>" % (operation.attributes, operation.xml))
    assert whole.items() == [("{v}y", "<1")]
    assert whole[0].tag == "{v}get"


@given(st.text())
def test_no_text_gets_out_of_its_place(text: str) -> None:
    try:
        operation = op.cancel_commit(text)
    except InvalidInput:
        return  # XML cannot carry it at all
    (child,) = etree.fromstring(operation.xml)
    assert child.text or text.replace("\r", "\n") == ""


def test_capabilities_in_short_and_in_full() -> None:
    known = Capabilities([f"{STANDARD}:confirmed-commit:1.1", "urn:x?module=x&revision=2020", "urn:x?module=y"])
    for name in (":confirmed-commit", ":confirmed-commit:1.1", f"{STANDARD}:confirmed-commit:1.1", "urn:x"):
        assert name in known
    for other in (":confirmed-commit:1.0", "confirmed-commit", ":candidate", "urn", "", 7):
        assert other not in known
    assert known.parameters("urn:x") == {"module": ["x"], "revision": ["2020"]}
    assert len(known) == len(list(known)) == 3
    assert repr(known) == "<Capabilities: 3>"
