"""``ncclient.manager.connect`` over connections of ours; what it returns is ncclient's own ``Manager``.

Needs ncclient: ``pip install 'mooring[junos]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncclient import manager as original

from .ssh import SSHSession

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["connect", "connect_ssh", "manager_over"]


def connect(*args: Any, **kwds: Any) -> Any:  # noqa: ANN401 - ncclient's Manager
    """Connect by SSH, as ``ncclient.manager.connect`` does.

    Args:
        args: As ``SSHSession.connect`` has them.
        kwds: Likewise, and ``device_params``, ``manager_params``, ``nc_params`` and ``errors_params`` as ncclient has
            them. ``use_libssh`` changes nothing.

    Returns:
        ncclient's ``Manager``.

    Raises:
        NCClientError: As ``SSHSession.connect`` has it.
    """
    kwds.pop("use_libssh", None)
    params = kwds.get("device_params") or {}
    if kwds.get("host") == "localhost" and params.get("name") == "junos" and params.get("local"):
        return original.connect_ioproc(*args, **kwds)  # on the device itself there is no SSH
    return connect_ssh(*args, **kwds)


def connect_ssh(*args: Any, **kwds: Any) -> Any:  # noqa: ANN401 - ncclient's Manager
    """Connect by SSH; as ``connect``."""
    device = kwds.pop("device_params", None)
    params = dict(kwds.pop("manager_params", None) or {})
    netconf = dict(kwds.pop("nc_params", None) or {})
    errors: Mapping[str, Any] = kwds.pop("errors_params", None) or {}
    if "timeout" in kwds:
        params.setdefault("timeout", kwds["timeout"])
    if "raise_mode" in errors:
        params["raise_mode"] = errors["raise_mode"]
    handler = original.make_device_handler(device, errors.get("ignore_errors", []))
    handler.add_additional_ssh_connect_params(kwds)
    handler.add_additional_netconf_params(netconf)
    session = SSHSession(handler)
    session.connect(*args, **kwds)
    return original.Manager(session, handler, **params)


def manager_over(session: Any, caller: Any, device: str, timeout: float) -> Any:  # noqa: ANN401 - see pyez
    """ncclient's ``Manager`` over a held session.

    Args:
        session: The native session.
        caller: The way to its loop.
        device: ncclient's name for the kind of device.
        timeout: Seconds for the hello.
    """
    handler = original.make_device_handler({"name": device, "local": False, "use_filter": False})
    made = SSHSession(handler)
    made.connect_over(lambda: session.attachment, caller, session.target.host, timeout)
    return original.Manager(made, handler)
