"""For schemathesis, which loads this: keeps its requests on this machine, and what an answer must be besides.

``SCHEMATHESIS_HOOKS`` names this module; test_schemathesis.py starts it.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import Any

import jsonschema_rs
import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response

DOOMED = "doomed"
"""Whatever that may be taken away."""
KNOWN = {"alias": "web1", "name": "one", "agent_id": "one", "id": os.environ["PENDING"]}
"""What is there, by the name of a path's parameter; half of the requests mean it."""
SOUND = {"selector": "web1", "name": "n{}", "agent_id": "a{}", "alias": "s{}", "label": "a:b"}
"""Members that mean something, in requests that ought to be right."""


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Have it ask for what is there, dial and listen on loopback alone, and take nothing away that others need."""
    del context, kwargs
    method, path, body = case.method.upper(), case.operation.path, case.body
    for name, text in case.path_parameters.items():
        if name in KNOWN and len(str(text)) % 2:
            case.path_parameters[name] = _known(name, path)
        if name in KNOWN and method == "DELETE":
            case.path_parameters[name] = DOOMED
    if method == "DELETE" and "selector" in case.query:
        case.query["selector"] = DOOMED
    if not isinstance(body, dict):
        return
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        _mean_something(body)
    if (method, path) == ("POST", "/v1/sessions"):
        body.update(target=f"{body.get('alias')}://127.0.0.1:1", host="127.0.0.1", port=1, jump=None)
    elif (method, path) == ("POST", "/v1/forwards"):
        body.update(listen=0, alias="web1", destination=None if body.get("kind") == "socks" else "127.0.0.1:1")


def _known(name: str, path: str) -> str:
    if "/recordings/" in path:
        return os.environ["RECORDING"]
    return "nc1" if "netconf" in path else KNOWN[name]


def _mean_something(body: dict[str, Any]) -> None:
    """No schema tells names that are there from others; nor one that is free."""
    text = json.dumps(body)
    for member, sound in SOUND.items():
        if member in body:
            body[member] = sound.format(zlib.crc32(text.encode()))
    for place in (*body.get("sources", ()), *([body["target"]] if "sources" in body else [])):
        place["session"] = "web1"


@schemathesis.check
def fails_as_described(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """No bug, and no error but those that the description names for this operation."""
    del ctx
    assert response.status_code != 500, response.text
    described = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    form = described.get("content", {}).get("application/problem+json", {}).get("schema", {})
    if form:
        codes = form["properties"]["code"]["examples"]
        assert response.status_code < 500 or response.json()["code"] in codes, response.text


@schemathesis.check
def lines_are_as_described(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Each line of JSON."""
    del ctx
    if response.headers.get("content-type") != ["application/x-ndjson"]:
        return
    described = case.operation.definition.raw["responses"][str(response.status_code)]
    form = described["content"]["application/x-ndjson"]["schema"]
    validator = jsonschema_rs.validator_for(form | {"components": case.operation.schema.raw_schema["components"]})
    for line in response.content.splitlines():  # a text's lines end at U+2028, too, which JSON may have in a string
        validator.validate(json.loads(line))
