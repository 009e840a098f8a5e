"""What a simulated device answers: a folder with one reply file for each RPC tag and each ``show`` command.

``get-chassis-inventory.xml`` is the content of the ``rpc-reply`` to that RPC, ``show-version.txt`` what ``show
version`` prints. ``{hostname}``, ``{serial}``, ``{device_id}``, ``{mac}`` and ``{address}`` in them are the device's.
What has no file is answered as Junos does: with an ``rpc-error``. ``capabilities.txt`` is its hello, a line each; one
that is not Junos' has datastores as the RFCs have them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from ..model.errors import ConfigError
from .candidate import Candidate
from .datastores import Datastores

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["Profile"]

_OWN: Final = Path(__file__).parent / "profiles"
_FIELD: Final = re.compile(r"\{([a-z_]+)\}")
_NETCONF: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
_JUNOS: Final = "http://xml.juniper.net/junos/15.1X53/junos"


class Profile:
    """The replies of one kind of device.

    Args:
        where: Names of those that come with the package, or folders; what a later one has takes the place of what
            an earlier one has. None is ``junos``.

    Raises:
        ConfigError: There is no such folder, or a file in it cannot be read.
    """

    def __init__(self, *where: str | Path) -> None:
        self._texts: dict[str, str] = {}
        for each in where or ("junos",):
            self._texts.update(_texts(each))
        listed = self._texts.pop("capabilities.txt", "").split()
        self._capabilities = tuple(listed) or _JUNOS_CAPABILITIES

    def hello(self, session_id: int) -> str:
        """What it says first."""
        listed = "".join(f"<capability>{escape(uri)}</capability>" for uri in self._capabilities)
        inside = f"<capabilities>{listed}</capabilities><session-id>{session_id}</session-id>"
        return f'<hello xmlns="{_NETCONF}">{inside}</hello>'

    def configuration(self) -> Candidate | Datastores:
        """What a new device is configured to do: nothing yet."""
        return Candidate() if _JUNOS_CAPABILITY in self._capabilities else Datastores()

    def show(self, command: str, values: Mapping[str, str]) -> str | None:
        """What a ``show`` command prints; None for one that is not known."""
        text = self._texts.get("-".join(command.split()) + ".txt")
        return _filled(text, values) if text is not None else None

    def reply(self, message: str, values: Mapping[str, str], candidate: Candidate | Datastores) -> str | None:
        """The reply to an ``rpc`` message; None for what is none and ends the session.

        Args:
            message: The message, without its end mark.
            values: What stands for the names in braces.
            candidate: The configuration, which the message may change.
        """
        try:
            rpc = ET.fromstring(message.strip())  # noqa: S314 - expat bounds entities, and our own side asks
        except ET.ParseError:
            return None
        if _tag(rpc) != "rpc":
            return None
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in rpc.attrib.items() if "}" not in name)
        content = self._content(rpc[0], values, candidate) if len(rpc) else _error("nothing was asked")
        return f'<rpc-reply xmlns="{_NETCONF}" xmlns:junos="{_JUNOS}"{attributes}>\n{content}\n</rpc-reply>'

    def _content(self, operation: ET.Element, values: Mapping[str, str], candidate: Candidate | Datastores) -> str:
        tag = _tag(operation)
        if tag == "command":
            text = self.show("".join(operation.itertext()), values)
            return f"<output>\n{escape(text)}</output>" if text is not None else _error("syntax error")
        changed = candidate.answer(tag, operation)
        if changed is not None:
            return changed
        text = self._texts.get(f"{tag}.xml")
        if text is None and tag == "get-config" and "get-configuration.xml" in self._texts:
            text = f"<data>\n{self._texts['get-configuration.xml']}</data>"
        if text is None:
            return _error(f"syntax error, expecting &lt;command&gt;: {tag}")
        return _filled(text, {name: escape(value) for name, value in values.items()}).strip()


_JUNOS_CAPABILITY: Final = "http://xml.juniper.net/netconf/junos/1.0"
_JUNOS_CAPABILITIES: Final = (
    "urn:ietf:params:netconf:base:1.0",
    "urn:ietf:params:netconf:capability:candidate:1.0",
    _JUNOS_CAPABILITY,
)
_SUFFIXES: Final = frozenset({".xml", ".txt"})


def _texts(where: str | Path) -> dict[str, str]:
    """The files of one folder, by their names."""
    shipped = isinstance(where, str) and (_OWN / where).is_dir()
    folder = _OWN / where if shipped else Path(where)
    try:
        files = sorted(folder.iterdir())
        texts = {each.name: each.read_text(encoding="utf-8") for each in files if each.suffix in _SUFFIXES}
    except FileNotFoundError as error:
        names = ", ".join(sorted(each.name for each in _OWN.iterdir() if each.is_dir()))
        raise ConfigError(
            f"there is no such folder, nor such a profile: those are {names}", source=str(where)
        ) from error
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"the profile cannot be read: {error}", source=str(folder)) from error
    if not texts:
        raise ConfigError("a profile has reply files, RPC-TAG.xml or show-something.txt", source=str(folder))
    return texts


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda match: values.get(match[1], match[0]), text)


def _error(message: str) -> str:
    return (
        "<rpc-error><error-type>protocol</error-type><error-tag>operation-failed</error-tag>"
        f"<error-severity>error</error-severity><error-message>{message}</error-message></rpc-error>"
    )
