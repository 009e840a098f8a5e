"""The page's files, read once when the daemon starts; where it was built without them, how to get them."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, get

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.handlers import HTTPRouteHandler
    from litestar.types import Receive, Scope, Send

__all__ = ["BUILT", "page"]

BUILT: Final = Path(__file__).with_name("static")
"""Where the build puts it: ``index.html``, and ``assets/``, whose names change with their content."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing from elsewhere, nothing inline; and by the last two, text that came never becomes markup."""
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_HTML: Final = "text/html; charset=utf-8"
_MISSING: Final = b"""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Mooring</title>
<h1>This Mooring has no page</h1>
<p>The daemon works: the command line and the API do all that the page does. It was built where npm was missing.
<p>To have the page, install Node.js 20 or newer with npm (on Debian: <code>apt-get install npm</code>), and build
anew from the sources: <code>make wheel</code>. Released wheels have it.
"""


class _File:
    """A file as an answer.

    Args:
        content: Its bytes.
        media_type: As what.
        cache: For how long, as ``Cache-Control`` has it.
    """

    def __init__(self, content: bytes, media_type: str, cache: bytes) -> None:
        self._content = content
        self._headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(content)),
            (b"cache-control", cache),
            *_HEADERS,
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Send it."""
        start: Any = {"type": "http.response.start", "status": 200, "headers": self._headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._content, "more_body": False})


def page(built: Path = BUILT) -> list[HTTPRouteHandler]:
    """Handlers of the page's paths, for ``make_app``: they ask nobody who they are, since there is no secret in it.

    Args:
        built: The folder that it was built into; where there is none, ``/`` says how to get the page.
    """
    files = {"/": _File(_MISSING, _HTML, b"no-cache"), **dict(_files(built))}

    @get(list(files), opt={"open": True})
    async def show_page(request: Request[Any, Any, Any]) -> _File:
        """Show the page."""
        return files[request.scope["path"]]

    return [show_page]


def _files(built: Path) -> Iterable[tuple[str, _File]]:
    """Each file at its path. Nothing else can be asked for: no path of a request becomes one of the disk."""
    index = built / "index.html"
    if not index.is_file():
        return
    yield "/", _File(index.read_bytes(), _HTML, b"no-cache")
    for file in sorted(built.rglob("*")):
        if file.is_file() and file != index:
            media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            immutable = b"public, max-age=31536000, immutable"
            yield f"/{file.relative_to(built).as_posix()}", _File(file.read_bytes(), media_type, immutable)
