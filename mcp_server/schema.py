"""Tool schemas as they go over the wire: what pydantic writes, without the bytes that tell an assistant nothing."""

import json
from collections.abc import Mapping
from typing import Any, cast


def for_arguments(schema: dict[str, Any]) -> dict[str, Any]:
    """Of arguments: an optional one is left out rather than null (null is still understood), and no other is known."""
    return _slim(schema, nullable=False) | {"additionalProperties": False}


def for_result(schema: dict[str, Any], abridged: Mapping[str, tuple[tuple[str, ...], str]]) -> dict[str, Any]:
    """Of a result. `abridged` names models that are not told in full: the fields to keep, and words about the rest.

    Nothing is called required: every field is always there, null when there is nothing to say. Every time is ISO 8601.
    """
    schema = json.loads(json.dumps(schema))
    parts: dict[str, dict[str, Any]] = schema.get("$defs", {})
    for model in (schema, *parts.values()):
        # Docstrings of our models are for us.
        model.pop("description", None)
        model.pop("required", None)
        if model.get("title") in abridged:
            kept, elsewhere = abridged[model["title"]]
            fields = {name: model["properties"][name] for name in kept}
            model["properties"] = {
                name: {"type": "string"} if "$ref" in field else _bare(field) for name, field in fields.items()
            }
            model["description"] = elsewhere
    root = {key: value for key, value in schema.items() if key != "$defs"}
    return _slim(_inlined(root, parts), nullable=True)


def _inlined(node: Any, parts: Mapping[str, Any]) -> Any:
    """Each part where it is used, which is once: fewer bytes, and clients that check results follow no reference."""
    if isinstance(node, list):
        return [_inlined(item, parts) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    fields = {key: _inlined(value, parts) for key, value in cast(dict[str, Any], node).items()}
    part = parts.get(str(fields.pop("$ref", "")).removeprefix("#/$defs/"))
    return fields if part is None else _inlined(part, parts) | fields


def _bare(field: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in field.items() if key != "description"}


def _slim(node: Any, *, nullable: bool) -> Any:
    if isinstance(node, list):
        return [_slim(item, nullable=nullable) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    slim: dict[str, Any] = {}
    for key, value in cast(dict[str, Any], node).items():
        if key in ("properties", "$defs"):
            slim[key] = {name: _slim(inner, nullable=nullable) for name, inner in value.items()}
        elif key in ("required", "examples", "enum"):
            slim[key] = value
        elif key not in ("title", "format") and not (key == "default" and value is None):
            slim[key] = _slim(value, nullable=nullable)
    return _one_of(slim, nullable=nullable)


def _one_of(node: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    """`anyOf` of one kind and null becomes that kind; in results, which may hold null, a plain kind is not told."""
    kinds: list[dict[str, Any]] = node.get("anyOf", [])
    real = [kind for kind in kinds if kind != {"type": "null"}]
    if len(real) != 1 or len(kinds) != 2:
        return node
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    if not nullable:
        return real[0] | rest
    if real[0].keys() == {"type"}:
        return rest  # null or a plain value, as its name says
    return real[0] | {"type": [real[0]["type"], "null"]} | rest if "type" in real[0] else node
