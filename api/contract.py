"""RunPod's published contract, as far as we serve it: what a request may say, and the document about us.

`contract.json` holds those paths of https://docs.runpod.io (api-reference-v2/openapi.json, 2026-11) word for word.
"""

import json
from collections.abc import Iterable, Iterator
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


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": published()["components"]})


def failures(schema: str, body: Any) -> list[str]:
    """What in the body is not as the schema has it: `$.ports[0]: 8 is not of type 'string'`. Values are cut short."""
    found = sorted(_leaves(_validator(schema).iter_errors(body)), key=lambda error: error.json_path)
    return [f"{error.json_path}: {shorten(error.message, 200)}" for error in found[:_MOST]]


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Of a schema put together from others, what is wrong inside is told, not that something is."""
    for error in errors:
        inner = list(_leaves(error.context or ()))
        yield from inner or [error]
