"""A configuration file that can be read as ssh reads it, changed, and written back with every other byte kept."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..model.errors import ConfigError, InvalidInput
from .config import SSHConfig
from .disk import DISK, Reader
from .keywords import ALIASES, IGNORED, keyword_table
from .lexer import Line, arguments, ascii_lower
from .local import Local
from .match import HostLine
from .parser import File, Option, Parser, Section
from .patterns import matches_list
from .resolution import Resolution
from .shown import LISTS, listed, shown
from .text import RAW, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike

__all__ = ["SSHConfigFile", "dump", "dumps", "load", "loads"]

_T = TypeVar("_T")

Value = str | int | bool | None
_WILD = frozenset("*?!,")


class SSHConfigFile(SSHConfig):
    """One ssh_config as text, made by `load` and `loads`: whatever it says, it can be held and written back.

    What is wrong in it is raised where it matters: by `get` and `lookup`; `validate` tells of all of it.

    Args:
        text: The configuration.
        source: The name that messages give it.
        local: The place it is read in.
        read: Where the files named by Include come from.
    """

    def __init__(
        self, text: str, *, source: str | None = None, local: Local | None = None, read: Reader = DISK
    ) -> None:
        super().__init__((), Local.current() if local is None else local)
        self.source = source
        self._read = read
        self._text = text
        self._parsed: tuple[File, ...] | None = None

    @property
    def text(self) -> str:
        """The configuration as it stands now."""
        return self._text

    def parsed(self) -> tuple[File, ...]:
        """Its text, taken apart when it is first asked for.

        Raises:
            ConfigError: A line that ssh would refuse for every host.
        """
        if self._parsed is None:
            self._parsed = (Parser(self._local, self._read).parse(self._text, self.source),)
        return self._parsed

    def get(
        self, host: str, param: str, default: _T | None = None, run_exec: Callable[[str], bool] | None = None
    ) -> str | list[str] | _T | None:
        """What ssh takes for a keyword and a host, as ``ssh -G`` shows it before ``%`` and ``~`` are expanded.

        Args:
            host: The name as a user gives it.
            param: The keyword, in any case.
            default: What is returned where the configuration says nothing; ssh's own defaults are not looked at.
            run_exec: As `SSHConfig.lookup` has it.

        Returns:
            Text; a list of texts for a keyword that may come more than once. Yes and no are ``yes`` and ``no``, times
            are seconds.

        Raises:
            ConfigError: The configuration is wrong; the message names the line.
            InvalidInput: There is no such keyword.
        """
        name = _known(param)
        resolution = Resolution(self.parsed(), host, self._local, run_exec)
        resolution.resolve()
        if name == "hostname":
            return resolution.hostname if "hostname" in resolution.settings else default
        if name in LISTS:
            return listed(name, resolution) or default
        setting = resolution.settings.get(name)
        if setting is None or setting.line is None:
            return default
        if name == "proxyusefdpass" and resolution.get("proxyjump", ()):
            return "no"  # ssh's own words for a jump hand over no descriptor
        return shown(name, setting.value, setting.line)

    def hosts(self) -> list[str]:
        """The hosts it names, patterns left out, each once, in order; included files too.

        Raises:
            ConfigError: As `get`.
        """
        named: dict[str, None] = {}
        for section in _sections(self.parsed()):
            if isinstance(section.head, HostLine):
                named.update((word, None) for word in section.head.patterns if not _WILD & set(word))
        return list(named)

    def validate(self) -> list[ConfigError]:
        """Everything that ssh would refuse: file, line, and what was expected.

        What stands in the file itself comes first, in the order of the lines, and then what stands in included ones.
        """
        faults: list[ConfigError] = []
        files = (Parser(self._local, self._read, faults=faults).parse(self._text, self.source),)
        told = {(fault.source, fault.line, str(fault)): fault for fault in [*faults, *_unknown(files)]}
        return sorted(
            told.values(), key=lambda fault: (fault.source != self.source, fault.source or "", fault.line or 0)
        )

    def set(self, host: str, param: str, value: Value | Sequence[str]) -> None:
        """Give a keyword a value in the block whose ``Host`` line has exactly this host or these patterns.

        A line that is there is rewritten, its spelling, place and comment kept; otherwise one is added to the block.

        Args:
            host: As the ``Host`` line has it.
            param: The keyword.
            value: Text, number or yes and no; a sequence for a keyword that may come more than once.

        Raises:
            ConfigError: ssh would not take it, or not from here because a line above says otherwise; the message
                says why, and nothing was changed.
            InvalidInput: There is no such block or keyword.
        """
        text = Text(self._text)
        block = text.block(host)
        if block is None:
            raise InvalidInput(f"no Host line has {host} alone", hint="add_host() makes one")
        values = self._values(param, value)
        text.set(block, param, values)
        self._take(text, host, {param: values})

    def add_host(self, host: str, settings: Mapping[str, Value | Sequence[str]] | None = None, **more: Value) -> None:
        """A new ``Host`` block, before the one for every host where there is one, at the end otherwise.

        Args:
            host: A name, or patterns with blanks between them.
            settings: Keywords and values, as `set` has them.
            more: The same, as keywords: ``add_host("web1", HostName="10.0.0.5", Port=2222)``.

        Raises:
            ConfigError: As `set`.
            InvalidInput: It is there already, is no pattern, or a keyword is unknown. Nothing was changed.
        """
        if not host.split() or any(char in host for char in "\r\n\0\"'#=\\"):
            raise InvalidInput(f"{host!r} is no name or pattern of a Host line")
        text = Text(self._text)
        if text.block(host) is not None:
            raise InvalidInput(f"a Host line has {host} already", hint="set() changes it")
        wanted = {param: self._values(param, value) for param, value in {**(settings or {}), **more}.items()}
        text.add(text.before_the_rest(), host)
        for param, values in wanted.items():
            block = text.block(host)
            if block is not None:
                text.set(block, param, values)
        self._take(text, host, wanted)

    def remove(self, host: str, param: str | None = None) -> None:
        """Take a keyword out of a host's block, or all of the host.

        Each block of this host alone goes, and from ``Host`` lines with others its name goes.

        Raises:
            ConfigError: What is left is wrong. Nothing was changed.
            InvalidInput: There is no such block or keyword.
        """
        text = Text(self._text)
        block = text.block(host)
        if param is not None:
            if block is None:
                raise InvalidInput(f"no Host line has {host} alone", hint="add_host() makes one")
            text.set(block, _known(param), ())
        else:
            while (block := text.block(host) or text.block_with(host)) is not None:
                if block.patterns == tuple(host.split()) or set(block.patterns) == {host}:
                    text.remove(block)
                else:
                    text.remove_name(block, host)
        if str(text) == self._text:
            raise InvalidInput(
                f"no Host line has {host}" if param is None else f"the block of {host} has no {param}",
                hint=f"it has {', '.join(self.hosts()[:8]) or 'none'}" if param is None else None,
            )
        self._take(text, host, {})

    def _values(self, param: str, value: Value | Sequence[str]) -> list[str]:
        """The values as they stand on their lines, each one that ssh takes."""
        name = _known(param)
        if isinstance(value, Sequence) and not isinstance(value, str):
            if name not in LISTS and name not in _MANY:
                raise InvalidInput(f"{param} has one value")
            words = [_word(one) for one in value]
            words = [" ".join(words)] if name in _MANY else words
        else:
            words = [_word(value)]
        return [self._quoted(param, word) for word in words]

    def _quoted(self, param: str, word: str) -> str:
        """The word, in quotes where ssh takes it only so."""
        if any(char < " " and char != "\t" for char in word) or not word.strip():
            raise ConfigError(f"{param}: a value is one line without control characters, and not empty")
        quoted = '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
        try:
            return self._tried(param, word)
        except ConfigError as error:
            if _known(param) in RAW:
                raise
            try:
                return self._tried(param, quoted)
            except ConfigError:
                raise ConfigError(error.message.partition(": ")[2] or error.message, hint=error.hint) from None

    def _tried(self, param: str, word: str) -> str:
        if word.lstrip().startswith("="):
            raise ConfigError(f"{param}: = at the beginning belongs to the keyword")
        Parser(self._local, self._read).parse(f"{param} {word}\n", None)
        plain = tuple(one.replace("#", "x") for one in arguments(word) or ())
        if _known(param) not in RAW and plain != arguments(word.replace("#", "x")):
            raise ConfigError(f"{param}: # begins a comment")
        return word

    def _take(self, text: Text, host: str, wanted: Mapping[str, list[str]]) -> None:
        """Make it the configuration, if it says what was asked for."""
        changed = SSHConfigFile(str(text), source=self.source, local=self._local, read=self._read)
        files = changed.parsed()  # which raises where ssh would
        if not _WILD & set(host) and len(host.split()) == 1:
            for param, values in wanted.items():
                _check_counts(changed, host, param, values)
        self._text, self._parsed = changed.text, files


def load(config: str | PathLike[str] = "~/.ssh/config", encoding: str = "utf-8") -> SSHConfigFile:
    """Read an ssh_config.

    Args:
        config: The file.
        encoding: Of its text; bytes that do not fit survive as they are.

    Raises:
        ConfigError: It cannot be read.
    """
    path = Path(config).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", source=str(path)) from None
    return SSHConfigFile(content.decode(encoding, "surrogateescape"), source=str(path))


def loads(text: str, *, source: str | None = None, local: Local | None = None, read: Reader = DISK) -> SSHConfigFile:
    """Take an ssh_config from text; ``dumps`` gives the same text back."""
    return SSHConfigFile(text, source=source, local=local, read=read)


def dumps(config: SSHConfigFile) -> str:
    """The configuration's text."""
    return config.text


def dump(
    config: SSHConfigFile,
    file: str | PathLike[str] | None = None,
    encoding: str = "utf-8",
    create_dirs: bool = False,  # noqa: FBT001, FBT002 - the documented signature
) -> None:
    """Write a configuration, all of it or nothing; a new file is its owner's alone.

    Args:
        config: What to write.
        file: Where to; by default where it was loaded from.
        encoding: As `load` has it.
        create_dirs: Whether to make the folders on the way.

    Raises:
        ConfigError: It cannot be written.
        InvalidInput: No file is named, and it came from none.
    """
    place = config.source if file is None else file
    if place is None:
        raise InvalidInput("no file is named to dump to")
    path = Path(place).expanduser()
    try:
        DISK.write(str(path), config.text.encode(encoding, "surrogateescape"), create_dirs=create_dirs)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror or error}", source=str(path)) from None


_TABLE = keyword_table({})
_MANY = frozenset(
    {"canonicaldomains", "canonicalizepermittedcnames", "globalknownhostsfile", "ipqos", "logverbose",
     "permitremoteopen", "rekeylimit", "userknownhostsfile", "channeltimeout", "sendenv", "setenv"}
)  # fmt: skip


def _known(param: str) -> str:
    name = ascii_lower(param)
    name = ALIASES.get(name, name)
    if name not in _TABLE and name not in IGNORED:
        close = difflib.get_close_matches(name, _TABLE, n=1)
        raise InvalidInput(
            f"{param!r} is not a keyword of ssh_config", hint=f"did you mean {close[0]}?" if close else None
        )
    return name


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int):
        raise InvalidInput(f"a value is a text, a number, or yes or no, and not a {type(value).__name__}")
    return str(value)


def _check_counts(config: SSHConfigFile, host: str, param: str, values: list[str]) -> None:
    """Check that what was written for a host is what counts for it."""
    alone = SSHConfigFile("".join(f"{param} {value}\n" for value in values), local=config._local)  # noqa: SLF001 - our own
    try:
        nothing: list[str] | None = [] if _known(param) in LISTS else None
        wanted, found = alone.get(host, param) or nothing, config.get(host, param) or nothing
    except ConfigError:
        return  # a Match exec or a name to be resolved stands before it
    kept = set(wanted) <= set(found) if isinstance(wanted, list) and isinstance(found, list) else wanted == found
    if not kept:
        raise ConfigError(
            f"{param} of {host} would not count: a line above says {found}",
            source=config.source,
            hint="change that line",
        )


def _sections(files: tuple[File, ...]) -> Iterator[Section]:
    for file in files:
        for section in file:
            yield section
            for item in section.body:
                if not isinstance(item, Option | Line):
                    yield from _sections(item.files)


def _unknown(files: tuple[File, ...]) -> list[ConfigError]:
    """Unknown keywords that no IgnoreUnknown names."""
    sections = list(_sections(files))
    ignored = [
        str(item.value)
        for section in sections
        for item in section.body
        if isinstance(item, Option) and item.keyword.name == "ignoreunknown"
    ]
    faults = []
    hints: dict[str, str] = {}
    for line in {line.origin: line for section in sections for line in section.unknown}.values():
        word = line.keyword
        if word not in hints:
            close = difflib.get_close_matches(word, _TABLE, n=1)
            hints[word] = f"did you mean {close[0]}?" if close else "IgnoreUnknown, on a line above, makes ssh skip it"
        if not any(matches_list(word, patterns, lower=True) for patterns in ignored):
            faults.append(line.error(f'"{word}" is not a keyword of ssh_config', hint=hints[word]))
    return faults
