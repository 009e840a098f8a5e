"""The API described: ``/schema/openapi.json`` (OpenAPI 3.1), made from what stands beside each handler.

Every operation names the errors that it may answer with; a test provokes them.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.routes import HTTPRoute

from ..model.errors import InvalidInput, MooringError, NotAllowed, Unauthenticated
from .problems import PLAIN, PROBLEM, status_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from litestar import Litestar
    from litestar.handlers import HTTPRouteHandler

    from .reading import Body, RpcBody

__all__ = ["Asked", "Described", "described", "document"]

_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)$", re.MULTILINE)
_BYTES: Final = "application/octet-stream"
_REFERENCE: Final = "#/components/schemas/{name}"


class Asked:
    """A query parameter, or a header.

    Args:
        meaning: What it means.
        required: Whether it must be given.
        form: Of JSON Schema, what it must be; text by default.
    """

    def __init__(self, meaning: str, *, required: bool = False, **form: Any) -> None:
        self.meaning = meaning
        self.required = required
        self.form = {"type": "string", **form}

    def told(self, name: str, place: str = "query") -> dict[str, Any]:
        """It as OpenAPI has it."""
        required = {"required": True} if self.required else {}
        return {"name": name, "in": place, "description": self.meaning, "schema": self.form, **required}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Described:
    """What is known of an operation beside its handler.

    Attributes:
        answer: What it answers with; a type that msgspec or a dataclass describes, or several.
        status: With which status.
        media_type: As which media type.
        partly: Whether a part of it may be asked for, by ``Range``.
        body: What it takes.
        content: The media type of a body of any bytes that it takes instead.
        query: Its query parameters by name; of a text of any form, what it means.
        headers: Headers that mean something to it alone, likewise.
        problems: The errors that it may answer with, beside those that every operation has.
        plain: Statuses of faults that lie in HTTP alone.
        open: Whether nobody is asked who they are.
    """

    answer: Any
    status: int = 200
    media_type: str = "application/json"
    partly: bool = False
    body: Body[Any] | RpcBody | None = None
    content: str = ""
    query: Mapping[str, str | Asked] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, Asked] = dataclasses.field(default_factory=dict)
    problems: Collection[type[MooringError]] = ()
    plain: Collection[int] = ()
    open: bool = False

    @property
    def errors(self) -> dict[int, list[type[MooringError]]]:
        """Every error that it may answer with, by status."""
        found: set[type[MooringError]] = {NotAllowed, *self.problems}
        if not self.open:
            found.add(Unauthenticated)
        if self.body is not None:
            found.add(InvalidInput)
        statuses: dict[int, list[type[MooringError]]] = {}
        for error in sorted(found, key=lambda error: error.code):
            statuses.setdefault(status_of(error), []).append(error)
        return statuses

    @property
    def plain_statuses(self) -> set[int]:
        """Statuses of the faults for which there is no class of error."""
        return {*self.plain, 500, *((413,) if self.body is not None else ())}


def described(**what: Any) -> dict[str, Described]:
    """Describe an operation: ``@get(path, opt=described(answer=...))``; keywords as Described has them."""
    return {"described": Described(**what)}


def document(app: Litestar, version: str) -> dict[str, Any]:
    """The description of all operations of an application that are described."""
    operations = [
        (route.path_format, method.lower(), handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if "described" in handler.opt
    ]
    forms = _Forms(handler.opt["described"] for _, _, handler in operations)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, handler in operations:
        paths.setdefault(path, {})[method] = _operation(path, handler, forms)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mooring", "version": version, "description": _ABOUT},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": forms.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


_ABOUT: Final = """\
Held SSH sessions: commands, streams and events over them. Over the Unix socket the kernel says who comes; over TCP a
bearer token is asked for, and `Host` and `Origin` are checked. Every error is `application/problem+json` (RFC 9457)
with a stable `code`. Any path may answer 404 and 405; a request that is no HTTP, too large in its head or too slow is
answered 400, 431 or 408 by the server itself, and one that the end of the daemon cuts short 503 (`daemon-unreachable`):
a command may have run then."""


def _operation(path: str, handler: HTTPRouteHandler, forms: _Forms) -> dict[str, Any]:
    what: Described = handler.opt["described"]
    summary, _, text = inspect.cleandoc(handler.fn.__doc__ or "").partition("\n")
    operation: dict[str, Any] = {
        "operationId": handler.handler_name,
        "summary": summary,
        "responses": {**_answers(what, forms), **_refusals(what)},
    }
    if text.strip():
        operation["description"] = text.strip()
    names = re.findall(r"\{(\w+)\}", path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    parameters += [
        (asked if isinstance(asked, Asked) else Asked(asked)).told(name) for name, asked in what.query.items()
    ]
    parameters += [asked.told(name, "header") for name, asked in what.headers.items()]
    if what.partly:
        parameters.append({"name": "Range", "in": "header", "schema": {"type": "string", "examples": ["bytes=0-99"]}})
    if parameters:
        operation["parameters"] = parameters
    if what.body is not None:
        content = {what.body.media_type: {"schema": forms.of(what.body.form)}}
        operation["requestBody"] = {"required": True, "content": content}
    elif what.content:
        operation["requestBody"] = {"required": True, "content": {what.content: {}}}
    if what.open:
        operation["security"] = []
    return operation


def _answers(what: Described, forms: _Forms) -> dict[str, Any]:
    if what.answer is None:
        return {str(what.status): {"description": "as described"}}
    content: dict[str, Any] = {what.media_type: {"schema": forms.of(what.answer)}}
    if not what.partly:
        return {str(what.status): {"description": "done", "content": content}}
    part: dict[str, Any] = {_BYTES: {}}
    return {
        "200": {"description": "done", "content": {**content, **part}},
        "206": {"description": "the part that was asked for", "content": part},
    }


def _refusals(what: Described) -> dict[str, Any]:
    told: dict[int, list[tuple[str, str]]] = {
        status: [(error.code, inspect.cleandoc(error.__doc__ or "").partition("\n")[0]) for error in errors]
        for status, errors in what.errors.items()
    }
    for status in what.plain_statuses:
        told.setdefault(status, []).append(PLAIN[status])
    return {str(status): _refusal(status, reasons) for status, reasons in sorted(told.items())}


def _refusal(status: int, reasons: list[tuple[str, str]]) -> dict[str, Any]:
    """One status. Its codes are examples: a narrower error of the same kind has its own."""
    form = {
        "$ref": _REFERENCE.format(name="Problem"),
        "properties": {"status": {"const": status}, "code": {"examples": [code for code, _ in reasons]}},
    }
    description = "\n".join(f"`{code}`: {meaning}" for code, meaning in reasons)
    return {"description": description, "content": {PROBLEM.decode(): {"schema": form}}}


class Problem(msgspec.Struct):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    hint: str | None


class _Forms:
    """The schemas of all values; those with a name become components.

    Args:
        operations: Whose values.
    """

    def __init__(self, operations: Iterable[Described]) -> None:
        named = ((*_each(what.answer), what.body and what.body.form) for what in operations)
        forms = dict.fromkeys(form for some in named for form in some if form)
        schemas, self.components = msgspec.json.schema_components(
            [*forms, Problem], schema_hook=_anything, ref_template=_REFERENCE
        )
        self._schemas = dict(zip([*forms, Problem], schemas, strict=True))
        for component in self.components.values():
            _tell_members(component)

    def of(self, form: Any) -> dict[str, Any]:  # noqa: ANN401 - any type
        """The schema of a value, or of several."""
        schemas = [self._schemas[each] for each in _each(form)]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _each(form: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any type
    return form if isinstance(form, tuple) else (form,)


def _tell_members(component: dict[str, Any]) -> None:
    """Move what a docstring says of each attribute to the member itself."""
    about, _, attributes = inspect.cleandoc(component.get("description", "")).partition("\n\nAttributes:\n")
    component["description"] = _as_markdown(about)
    for name, text in _ATTRIBUTE.findall(attributes):
        if name in component.get("properties", {}):
            component["properties"][name]["description"] = _as_markdown(" ".join(text.split()))


def _as_markdown(text: str) -> str:
    return re.sub(r"\bNone\b", "null", text.replace("``", "`"))


def _anything(form: type) -> dict[str, Any]:  # noqa: ARG001 - msgspec asks so about what may be anything
    return {"description": "any value"}
