"""A NETCONF request to one session or many: what ``rpc`` and ``get-config`` have in common."""

from __future__ import annotations

import json
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.errors import InvalidInput, MooringError, RpcError
from ..model.problem import to_problem
from .failures import complain, exit_code
from .fanout import CONCURRENCY, aliases, each
from .number import Number
from .progress import Progress
from .terminal import coloured, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .fanout import Outcome

__all__ = ["Request", "complained", "given", "options", "rpc", "secure", "text_of"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_XML: Final = "application/xml"
_Function = Any  # click's decorators know no types


def options(function: _Function) -> _Function:
    """The options of every request."""
    for option in (
        click.option(
            "--concurrency",
            metavar="N",
            type=click.IntRange(1, 1000),
            default=CONCURRENCY,
            show_default=True,
            help="Sessions at once.",
        ),
        click.option(
            "--timeout",
            metavar="SECONDS",
            type=Number(0, 86_400, min_open=True),
            default=60.0,
            show_default=True,
            help="Without anything of a reply.",
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as they come."),
        click.option(
            "-o",
            "--output",
            metavar="DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="One file for each session, ALIAS.xml, whatever its size.",
        ),
    ):
        function = option(function)
    return function


def text_of(word: str) -> str:
    """What stands in a file, or on standard input, or is the word itself: ``@FILE``, ``-``, anything else.

    Raises:
        InvalidInput: The file cannot be read.
    """
    if word == "-":
        return sys.stdin.read()
    if not word.startswith("@"):
        return word
    try:
        return Path(word[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidInput(f"{word[1:]} cannot be read: {reason}") from None


def given(word: str) -> bytes:
    """The request that a word means: XML, ``@FILE``, ``-`` for standard input, or a bare name.

    Raises:
        InvalidInput: It is none of these, or no well-formed XML.
    """
    text = text_of(word).strip()
    if _NAME.fullmatch(text):
        return f"<{text}/>".encode()
    if not text.startswith("<"):
        raise InvalidInput(f"{text[:40]!r} is no request", hint="XML, @FILE, - or a bare name: get-system-information")
    from ..wire.netconf.operation import custom  # noqa: PLC0415 - lxml is loaded by who needs it

    custom(text)
    return text.encode()


def rpc(daemon: Daemon, alias: str, body: bytes, timeout: float, channel: str = "") -> Iterator[bytes]:
    """Make a request; its reply, as it comes. Raises as ``Daemon``."""
    path = f"/v1/sessions/{secure(alias)}/netconf/rpc?timeout={timeout:g}"
    return daemon.content("POST", path + (f"&channel={quote(channel)}" if channel else ""), body, _XML)


def secure(alias: str) -> str:
    """An alias as part of a path."""
    return quote(alias, safe="")


def complained(name: str, alias: str, error: MooringError, *, several: bool) -> int:
    """Tell of an error, each of its list where there is one; the exit code that goes with it."""
    if several:
        tell(f"mooring {name}: {alias}: {error.message}")
        code = exit_code(error)
    else:
        code = complain(name, error)
    if isinstance(error, RpcError) and (len(error.errors) > 1 or any(fault.path for fault in error.errors)):
        for fault in error.errors:
            words = " ".join(f"{fault.severity} {fault.tag} {fault.message}".split())
            tell(f"  {words}{f' at {fault.path}' if fault.path else ''}")
    return code


class Request:
    """A request, and where its replies go.

    Args:
        name: The command's.
        body: What is asked.
        output: The folder of the files; None for standard output.
        as_json: Whether that gets objects.
        timeout: Seconds without anything of a reply.
        concurrency: Sessions at once.
    """

    def __init__(
        self, name: str, body: bytes, *, output: Path | None, as_json: bool, timeout: float, concurrency: int
    ) -> None:
        self._name = name
        self._body = body
        self._output = output
        self._json = as_json
        self._timeout = timeout
        self._concurrency = concurrency
        self._daemon = Daemon()

    def run(self, selector: str) -> int:
        """Make it, and return the exit code.

        Raises:
            MooringError: No session is meant, or the daemon could not be asked.
        """
        names = aliases(self._daemon, selector)
        if self._output is not None:
            self._output.mkdir(parents=True, exist_ok=True)
        if len(names) == 1 and not self._json and self._output is None:
            return self._one(names[0])
        work: Callable[[str], bytes] = self._whole if self._output is None else self._filed
        shown = self._output is not None or not sys.stdout.isatty()
        failed, codes = 0, [0]
        with Progress(len(names), shown=shown and len(names) > 1) as progress:
            for outcome in each(names, work, self._concurrency):
                progress.clear()
                codes.append(self._told(outcome, several=len(names) > 1))
                failed += bool(codes[-1])
                progress.step(failed=failed)
        return codes[-1] if len(names) == 1 else int(failed > 0)

    def _one(self, alias: str) -> int:
        """One session: byte for byte into a pipe or file, readable on a terminal."""
        try:
            if sys.stdout.isatty():
                self._show(self._whole(alias))
            else:
                for part in rpc(self._daemon, alias, self._body, self._timeout):
                    sys.stdout.buffer.write(part)
                sys.stdout.buffer.write(b"\n")
                sys.stdout.buffer.flush()
        except MooringError as error:
            return complained(self._name, alias, error, several=False)
        return 0

    def _whole(self, alias: str) -> bytes:
        return b"".join(rpc(self._daemon, alias, self._body, self._timeout))

    def _filed(self, alias: str) -> bytes:
        """Write the reply as it comes, under another name until it is whole."""
        assert self._output is not None  # noqa: S101 - else this is not called
        path = self._output / f"{alias}.xml"
        part = self._output / f".{alias}-{secrets.token_hex(8)}.part"
        try:
            with part.open("wb") as file:
                for data in rpc(self._daemon, alias, self._body, self._timeout):
                    file.write(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return str(path).encode()

    def _told(self, outcome: Outcome[bytes], *, several: bool) -> int:
        if self._json:
            return self._as_json(outcome)
        if isinstance(outcome.error, MooringError):
            return complained(self._name, outcome.alias, outcome.error, several=several)
        raw = outcome.result()
        if self._output is not None:
            sys.stdout.write(f"{raw.decode()}\n")
        else:
            sys.stdout.write(f"<!-- {outcome.alias} -->\n")
            self._show(raw)
        sys.stdout.flush()
        return 0

    def _show(self, raw: bytes) -> None:
        if sys.stdout.isatty():
            from .markup import shown  # noqa: PLC0415 - lxml is loaded by who needs it

            sys.stdout.write(shown(raw, colour=coloured(sys.stdout)))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(raw + b"\n")

    def _as_json(self, outcome: Outcome[bytes]) -> int:
        told: dict[str, object] = {"alias": outcome.alias}
        code = 0
        if isinstance(outcome.error, MooringError):
            told["error"] = to_problem(outcome.error)
            code = exit_code(outcome.error)
        else:
            told["file" if self._output is not None else "xml"] = outcome.result().decode("utf-8", "backslashreplace")
        sys.stdout.write(f"{json.dumps(told, ensure_ascii=False)}\n")
        sys.stdout.flush()
        return code
