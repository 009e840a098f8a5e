"""One lookup: the tree is walked from top to bottom, and of each keyword the first value stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from ..model.errors import ConfigError
from .canonical import Rules, canonical_address, canonical_name, looks_numeric
from .keywords import Take
from .lexer import Line, ascii_lower
from .match import HostLine, Seen
from .parser import File, Include, Option, Section
from .patterns import matches, matches_list
from .tokens import HOSTNAME, Peer, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .local import Local

__all__ = ["Resolution", "Setting"]

T = TypeVar("T")

_MAX_FILES = 100


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and the line it comes from; None for an argument of the lookup."""

    value: object
    line: Line | None


class Resolution:
    """What the files say about one host.

    Args:
        files: The files, in order.
        host: The name that is looked up.
        local: The place it is looked up in.
        run_exec: See `SSHConfig.lookup`.
    """

    def __init__(self, files: Sequence[File], host: str, local: Local, run_exec: Callable[[str], bool] | None) -> None:
        self.settings: dict[str, Setting] = {}
        self.collected: dict[str, dict[object, Line]] = {}
        self.hostname = host
        self._files = files
        self._original = host
        self._local = local
        self._run_exec = run_exec
        self._settled = False
        self._final = False

    def resolve(self) -> None:
        """Walk the files, a second time if they ask for it, and settle the host's name."""
        self._walk_all()
        self.hostname = self._named()
        self._settled = True
        mode = self.get("canonicalizehostname", "no")
        if mode != "no" or any(section.wants_final for file in self._files for section in file):
            self._final = True
            self._walk_all()

    def get(self, keyword: str, default: T) -> T:
        """The value of a keyword that is set at most once."""
        setting = self.settings.get(keyword)
        return default if setting is None else cast("T", setting.value)

    def peer(self) -> Peer:
        """The connection as far as it is known."""
        jump = cast("tuple[str, ...]", self.get("proxyjump", ()))
        alias: str | None = self.get("hostkeyalias", None)
        return Peer(
            original=self._original,
            host=self.hostname if self._settled else self._expanded_hostname(),
            port=self.get("port", 22),
            user=self.get("user", self._local.user),
            key_alias=alias,
            jump=",".join(jump),
            local=self._local,
        )

    def error(self, keyword: str, message: str, *, hint: str | None = None) -> ConfigError:
        """The error that refuses a setting."""
        setting = self.settings.get(keyword)
        if setting is None or setting.line is None:
            return ConfigError(message, hint=hint)
        return setting.line.error(message, hint=hint)

    def _walk_all(self) -> None:
        for file in self._files:
            self._walk(file)

    def _walk(self, file: File) -> None:
        for section in file:
            if self._applies(section):
                self._take_all(section)
            else:
                for line in section.unknown:
                    self._refuse_unknown(line)

    def _applies(self, section: Section) -> bool:
        head = section.head
        if head is None:
            return True
        if isinstance(head, HostLine):
            return head.applies(self.hostname)
        return head.applies(Seen(self.peer(), self._final, " ".join(self.get("tag", ())), self._run_exec))

    def _take_all(self, section: Section) -> None:
        for item in section.body:
            if isinstance(item, Option):
                self._take(item)
            elif isinstance(item, Include):
                for file in item.files:
                    self._walk(file)
            else:
                self._refuse_unknown(item)

    def _refuse_unknown(self, line: Line) -> None:
        ignored: str = self.get("ignoreunknown", "")
        if not ignored or not matches_list(line.keyword, ignored, lower=True):
            raise line.error(
                f'"{line.keyword}" is not a keyword of ssh_config',
                hint=f"IgnoreUnknown {line.keyword}, on a line above, makes ssh and Mooring skip it",
            )

    def _take(self, option: Option) -> None:
        name, setting = option.keyword.name, Setting(option.value, option.line)
        match option.keyword.take:
            case Take.FIRST:
                self.settings.setdefault(name, setting)
            case Take.PROXY:
                self._take_proxy(name, setting)
            case Take.AGENT:
                self._take_agent(setting)
            case Take.REKEY:
                self._take_rekey(setting)
            case Take.ALL:
                values = self.collected.setdefault(name, {})
                if len(values) >= _MAX_FILES and option.value not in values:
                    raise option.line.error(f"{name}: more than {_MAX_FILES}")
                values.setdefault(option.value, option.line)
            case Take.SEND_ENV:
                self._send_env(option)

    def _take_proxy(self, name: str, setting: Setting) -> None:
        # Whichever comes first; but "ProxyJump none" forbids jumps alone, and a later ProxyCommand counts.
        if "proxycommand" in self.settings or self.get("proxyjump", ()):
            return
        if name == "proxycommand" or "proxyjump" not in self.settings:
            self.settings[name] = setting

    def _take_agent(self, setting: Setting) -> None:
        # A path after a plain "yes" still says which agent; ssh keeps the two apart.
        earlier = self.settings.setdefault("forwardagent", setting)
        if earlier.value is True and isinstance(setting.value, str):
            self.settings["forwardagent"] = setting

    def _take_rekey(self, setting: Setting) -> None:
        # The first line has the size, and the first that has a time the time.
        earlier = self.settings.setdefault("rekeylimit", setting)
        (size, time), (_, later) = cast("tuple[tuple[int, int | None], ...]", (earlier.value, setting.value))
        if time is None and later is not None:
            self.settings["rekeylimit"] = Setting((size, later), earlier.line)

    def _send_env(self, option: Option) -> None:
        values = self.collected.setdefault("sendenv", {})
        for word in cast("tuple[str, ...]", option.value):
            if not word.startswith("-"):
                values.setdefault(word, option.line)
                continue
            for removed in [name for name in values if matches(str(name), word[1:])]:
                del values[removed]

    def _expanded_hostname(self) -> str:
        template: str | None = self.get("hostname", None)
        if template is None:
            return self._original
        anyone = Peer(self._original, self._original, 0, "", None, "", self._local)
        try:
            return expand(template, anyone, HOSTNAME)
        except ValueError as error:
            raise self.error("hostname", f"hostname: {error}") from None

    def _cnames(self) -> tuple[tuple[str, str], ...]:
        rules = cast("tuple[tuple[str, str], ...]", self.get("canonicalizepermittedcnames", ()))
        return tuple(rule for rule in rules if rule != ("none", ""))

    def _named(self) -> str:
        name, family = self._expanded_hostname(), self.get("addressfamily", "any")
        address = canonical_address(name, family)
        if address is not None:
            # ssh leaves an address alone that differs only in the case of its letters.
            return name if ascii_lower(name) == address else address
        if looks_numeric(name):
            return name
        name = ascii_lower(name)
        command: str = self.get("proxycommand", "none")
        rules = Rules(
            mode=self.get("canonicalizehostname", "no"),
            domains=self.get("canonicaldomains", ()),
            max_dots=self.get("canonicalizemaxdots", 1),
            fallback_local=self.get("canonicalizefallbacklocal", True),
            cnames=self._cnames(),
            direct=ascii_lower(command) == "none" and "proxyjump" not in self.settings,
        )
        try:
            return canonical_name(name, rules, self._local.resolve)
        except ValueError as error:
            raise self.error(
                "canonicalizehostname", f"canonicalizehostname: {error}", hint="give the full name, or set HostName"
            ) from None
