"""The page's files: open to all, guarded by their headers, and a plain word where they were not built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mooring.web import page
from tests.rest.door import Answer, running

pytestmark = pytest.mark.anyio


def built(folder: Path) -> Path:
    """What a build leaves."""
    assets = folder / "static" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "index.html").write_text("<!doctype html><title>built</title>")
    (assets / "index-abc.js").write_text("export {}")
    (assets / "index-abc.css").write_text("a {}")
    return assets.parent


async def get(folder: Path, path: str, *, method: str = "GET", static: Path | None = None, host: str = "") -> Answer:
    async with running(folder, page=page(static or folder / "none")) as door, door.client(token=None) as client:
        return await client.ask(method, path, headers={"Host": host} if host else None)


def _directives(answer: Answer) -> dict[str, str]:
    parts = answer.headers["content-security-policy"].split("; ")
    return {name: rest for name, _, rest in (part.partition(" ") for part in parts)}


@pytest.mark.parametrize("path", ["/", "/assets/index-abc.js", "/assets/index-abc.css"])
async def test_headers(tmp_path: Path, path: str) -> None:
    answer = await get(tmp_path, path, static=built(tmp_path))
    assert answer.status == 200
    directives = _directives(answer)
    assert directives.pop("default-src") == "'none'"
    assert directives.pop("img-src") == "'self' data:"
    assert directives.pop("require-trusted-types-for") == "'script'"
    assert {directives.pop(name) for name in ("base-uri", "frame-ancestors", "trusted-types")} == {"'none'"}
    assert directives == dict.fromkeys(["script-src", "style-src", "connect-src", "font-src", "form-action"], "'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert ("immutable" in answer.headers["cache-control"]) is (path != "/")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/assets/index-abc.js", "text/javascript"),
        ("/assets/index-abc.css", "text/css"),
    ],
)
async def test_media_types(tmp_path: Path, path: str, media_type: str) -> None:
    assert (await get(tmp_path, path, static=built(tmp_path))).headers["content-type"] == media_type


@pytest.mark.parametrize(
    "path", ["/assets/../index.html", "/assets/%2e%2e/index.html", "/assets/", "/index.html", "/nothing", "//"]
)
async def test_nothing_else_is_open(tmp_path: Path, path: str) -> None:
    (await get(tmp_path, path, static=built(tmp_path))).problem(401, "unauthenticated")


async def test_another_method_is_not(tmp_path: Path) -> None:
    (await get(tmp_path, "/", method="POST")).problem(401, "unauthenticated")


async def test_a_foreign_host_sees_no_page(tmp_path: Path) -> None:
    (await get(tmp_path, "/", host="evil.example")).problem(403, "not-allowed")


async def test_without_npm_it_says_how_to_get_it(tmp_path: Path) -> None:
    answer = await get(tmp_path, "/")
    text = answer.body.decode()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "make wheel" in text
    assert "apt-get install npm" in text
    assert not re.findall(r"(?:src|href)=|https?:", text)
    assert _directives(answer)["default-src"] == "'none'"


def test_no_expression_looks_behind() -> None:
    """Safari before 16.4 has no such expressions, and throws."""
    sources = Path(__file__).parents[2] / "web" / "src"
    texts = {path.name: path.read_text(encoding="utf-8") for path in sources.glob("*.ts")}
    assert texts
    assert [name for name, text in texts.items() if re.search(r"\(\?<[!=]", text)] == []
