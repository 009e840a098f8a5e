"""ncclient's own Manager over our session: what its examples nc01 to nc11 do, against netconfd."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ncclient import NCClientError
from ncclient.manager import Manager
from ncclient.operations import RPCError
from ncclient.operations.errors import MissingCapabilityError
from ncclient.transport.errors import SessionCloseError, TransportError

from mooring.compat.ncclient import manager

SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"


@pytest.fixture
def m(yuma: dict[str, Any]) -> Iterator[Any]:
    with manager.connect(**yuma) as m:
        yield m


def contact(text: str, operation: str = "merge") -> str:
    return (
        '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
        f'<system xmlns="{SYSTEM}"><contact nc:operation="{operation}">{text}</contact></system></config>'
    )


def contact_of(m: Any, source: str = "running") -> str | None:
    found = m.get_config(source=source, filter=("subtree", f'<system xmlns="{SYSTEM}"><contact/></system>'))
    text = found.data_ele.findtext(f".//{{{SYSTEM}}}contact")
    return None if text is None else str(text)


def test_nc01_capabilities(m: Any) -> None:
    assert isinstance(m, Manager)
    assert any(uri.startswith("urn:ietf:params:netconf:base:1") for uri in m.server_capabilities)
    assert ":candidate" in m.server_capabilities
    assert m.connected
    assert m.session_id.isdecimal()
    assert m.channel_name == "netconf-subsystem-0"


def test_nc02_whole_configuration(m: Any) -> None:
    assert "<nacm" in m.get_config(source="running").data_xml


def test_nc03_xpath(m: Any) -> None:
    assert ":xpath" in m.server_capabilities
    assert "<nacm" in m.get_config(source="running", filter=("xpath", "/nacm")).data_xml


def test_nc04_nc05_create_and_delete(m: Any) -> None:
    m.edit_config(target="candidate", config=contact("ops"), test_option="test-then-set")
    m.commit()
    assert contact_of(m) == "ops"
    m.edit_config(target="candidate", config=contact("", "delete"))
    m.commit()
    assert contact_of(m) is None


def test_nc06_rolled_back_under_a_lock(m: Any) -> None:
    with m.locked("candidate"):
        with pytest.raises(RPCError) as caught:
            m.edit_config(
                target="candidate", config=contact("", "delete"), default_operation="none", error_option="stop-on-error"
            )
        m.discard_changes()
    assert caught.value.tag == "data-missing"
    assert caught.value.severity == "error"


def test_nc07_candidate_and_confirmed_commit(m: Any) -> None:
    with m.locked(target="candidate"):
        m.discard_changes()
        m.edit_config(target="candidate", config=contact("first"))
        m.commit(confirmed=True, timeout="60")
        assert contact_of(m) == "first"
        m.commit()
        m.edit_config(target="candidate", config=contact("never"))
        assert m.validate(source="candidate").ok
        m.discard_changes()
        assert contact_of(m, "candidate") == "first"


def test_nc08_copy(m: Any) -> None:
    m.edit_config(target="candidate", config=contact("ops"))
    m.commit()
    m.edit_config(target="candidate", config=contact("other"))
    assert m.copy_config(source="running", target="candidate").ok
    assert contact_of(m, "candidate") == "ops"


def test_nc09_what_the_server_cannot_do(m: Any) -> None:
    with pytest.raises(MissingCapabilityError):
        m.delete_config(target="startup") if ":startup" in m.server_capabilities else m.poweroff_machine()
    with pytest.raises(RPCError):
        m.rpc("no-such-thing")


def test_nc10_any_rpc(m: Any) -> None:
    assert m.dispatch("get").ok
    schema = m.get_schema("ietf-netconf-monitoring")
    assert "module ietf-netconf-monitoring" in schema.data


def test_nc11_notifications(m: Any, yuma: dict[str, Any]) -> None:
    m.create_subscription()
    assert m.take_notification(block=False) is None
    assert m.take_notification(timeout=0.05) is None
    with manager.connect(**yuma) as other:
        other.edit_config(target="candidate", config=contact("ops"))
        other.commit()
    found = m.take_notification(timeout=30)
    assert found.notification_ele.tag == "{urn:ietf:params:xml:ns:netconf:notification:1.0}notification"
    assert "eventTime" in found.notification_xml
    assert m.get_config(source="running").ok  # interleaved


def test_lock_of_another(m: Any, yuma: dict[str, Any]) -> None:
    with m.locked("candidate"), manager.connect(**yuma) as other:
        with pytest.raises(RPCError) as caught:
            other.lock("candidate")
        assert caught.value.tag == "lock-denied"
        assert m.session_id in caught.value.info


def test_kill_session(m: Any, yuma: dict[str, Any]) -> None:
    other = manager.connect(**yuma)
    assert m.kill_session(other.session_id).ok
    other._session.join(30)
    assert not other.connected
    with pytest.raises(TransportError):
        other.get()
    other._session.close()


def test_close(yuma: dict[str, Any]) -> None:
    m = manager.connect(**yuma)
    session = m._session
    assert session.is_alive()
    m.close_session()
    assert not m.connected
    assert not session.is_alive()
    with pytest.raises(TransportError, match="Not connected"):
        m.get()


def test_no_thread_for_each(yuma: dict[str, Any]) -> None:
    with manager.connect(**yuma):
        before = threading.active_count()
        with manager.connect(**yuma) as second, manager.connect(**yuma) as third:
            assert second.get_config(source="running").ok
            assert third.get_config(source="running").ok
            workers = [thread for thread in threading.enumerate() if thread.name.startswith("mooring_")]
            assert threading.active_count() - len(workers) <= before


def test_asynchronous_mode(m: Any) -> None:
    m.async_mode = True
    requests = [m.get_config(source="running") for _ in range(20)]
    for request in requests:
        assert request.event.wait(30)
        assert request.reply.ok
    m.async_mode = False


def test_raise_mode(yuma: dict[str, Any]) -> None:
    with manager.connect(**yuma, errors_params={"raise_mode": 0}) as m:
        assert not m.rpc("no-such-thing").ok
    with manager.connect(**yuma, errors_params={"ignore_errors": ["*"]}) as m:
        assert not m.rpc("no-such-thing").ok


def test_capabilities_of_ours(yuma: dict[str, Any]) -> None:
    params = {"capabilities": ["urn:example:mine:1.0"]}
    with manager.connect(**yuma, nc_params=params, manager_params={"timeout": 7}) as m:
        assert "urn:example:mine:1.0" in m.client_capabilities
        assert m.timeout == 7
    assert params == {"capabilities": ["urn:example:mine:1.0"]}


def test_its_errors_are_ncclients() -> None:
    assert issubclass(SessionCloseError, NCClientError)
    with pytest.raises(NCClientError, match="Missing host"):
        manager.connect(host=None)
