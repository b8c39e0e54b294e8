"""RunPod's published contract, as far as we serve it: what a request may say, and the document about us.

`contract.json` holds those paths of https://docs.runpod.io (api-reference-v2/openapi.json, 2026-11) word for word.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from core.units import shorten

_MOST = 20
"""Failures told of one body."""


@cache
def published() -> dict[str, Any]:
    """The paths that we serve and every schema they need."""
    return json.loads(resources.files("api").joinpath("contract.json").read_text(encoding="utf-8"))


def document(url: str) -> dict[str, Any]:
    """The same as our own description of ourselves; `url` is where `/v2` is found."""
    text = (
        "Pods of this Podkeeper, in the words of RunPod's REST API v2. What RunPod offers beside this answers 501. "
        "Pods carry one more field, `podkeeper`: status and sizes as they are, owner, addresses, and when silence ends "
        "it."
    )
    info = {"title": "Podkeeper", "version": published()["info"]["version"], "description": text}
    return published() | {"info": info, "servers": [{"url": url}]}


def query_failures(path: str, verb: str, query: Iterable[tuple[str, str]]) -> list[str]:
    """As `failures`, of the query of a request to this path; parameters that it does not know are let through."""
    known = _parameters(path, verb)
    found: list[str] = []
    for name, text in query:
        if name in known:
            read, validator = known[name]
            found += [f"query {name}: {shorten(error.message, 200)}" for error in validator.iter_errors(read(text))]
    return found[:_MOST]


@cache
def _parameters(path: str, verb: str) -> dict[str, tuple[Callable[[str], Any], Draft202012Validator]]:
    """Name -> how its text is read, and what it may be."""
    verbs = published()["paths"].get(f"/v2{path}", {})
    found: dict[str, tuple[Callable[[str], Any], Draft202012Validator]] = {}
    for given in [*verbs.get("parameters", []), *verbs.get(verb.lower(), {}).get("parameters", [])]:
        said = _resolved(given)
        if said["in"] == "query":
            schema = said["schema"] | {"components": published()["components"]}
            found[said["name"]] = (_reader(said["schema"]), Draft202012Validator(schema))
    return found


def _resolved(given: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in given:
        return given
    found: Any = published()
    for part in given["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def _reader(schema: dict[str, Any]) -> Callable[[str], Any]:
    match schema.get("type"):
        case "integer":
            return lambda text: int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
        case "boolean":
            return lambda text: {"true": True, "false": False}.get(text, text)
        case "array":
            return lambda text: text.split(",")
        case _:
            return str


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": published()["components"]})


def failures(schema: str, body: Any) -> list[str]:
    """What in the body is not as the schema has it: `$.ports[0]: 8 is not of type 'string'`. Values are cut short."""
    leaves = list(_leaves(_validator(schema).iter_errors(body)))
    # Where anything else is wrong, the schema calls all fields unknown.
    known = [error for error in leaves if error.validator != "unevaluatedProperties"]
    found = sorted(known or leaves, key=lambda error: error.json_path)
    return [*dict.fromkeys(f"{error.json_path}: {shorten(error.message, 200)}" for error in found)][:_MOST]


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Of a schema put together from others, what is wrong inside is told, not that something is."""
    for error in errors:
        inner = list(_leaves(error.context or ()))
        yield from inner or [error]
