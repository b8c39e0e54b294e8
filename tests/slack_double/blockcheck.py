"""What Slack says to blocks: the schema made from Slack's own types and limits, and the rules it does not carry."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

_SCHEMA = json.loads((Path(__file__).parent / "blocks.schema.json").read_text())
_NOT_IN_MESSAGES = {"input"}
_TOO_LONG = 13_200
_MOST = {"table": 1, "data_visualization": 2}


@cache
def _validator(definition: str) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/definitions/{definition}", "definitions": _SCHEMA["definitions"]})


@cache
def _definitions() -> dict[str, str]:
    """The definition of each block type."""
    found = {}
    for name, body in _SCHEMA["definitions"].items():
        kind = body.get("properties", {}).get("type", {}).get("const")
        if name.endswith("Block") and kind:
            found[kind] = name
    return found


def check_message(blocks: Any) -> list[str]:
    """What is wrong with the blocks of a message, in Slack's style; empty: nothing."""
    if not isinstance(blocks, list):
        return ["blocks must be an array"]
    problems = [f"no more than 50 items allowed [json-pointer:/blocks] ({len(blocks)})"] if len(blocks) > 50 else []
    ids: Counter[str] = Counter()
    for n, block in enumerate(blocks):
        kind = block.get("type") if isinstance(block, dict) else None
        definition = _definitions().get(str(kind))
        if definition is None or kind in _NOT_IN_MESSAGES:
            problems.append(f"unsupported type: {kind} [json-pointer:/blocks/{n}/type]")
            continue
        problems += _check(definition, block, f"/blocks/{n}")
        problems += _rules(block, f"/blocks/{n}")
        if "block_id" in block:
            ids[block["block_id"]] += 1
    problems += [f"`block_id` {name} already exists" for name, times in ids.items() if times > 1]
    kinds = Counter(str(block.get("type")) for block in blocks if isinstance(block, dict))
    problems += [f"no more than {most} {kind} in a message" for kind, most in _MOST.items() if kinds[kind] > most]
    if sum(len(text) for text in _texts(blocks)) > _TOO_LONG:
        problems.append("msg_blocks_too_long")
    return problems


def check_view(view: Any) -> list[str]:
    """What is wrong with a modal or a home view."""
    kinds = {"modal": "ModalView", "home": "HomeView"}
    if not isinstance(view, dict) or view.get("type") not in kinds:
        return ["view.type must be modal or home"]
    problems = _check(kinds[view["type"]], view, "/view")
    charts = [block["chart"] for block in view["blocks"] if block.get("type") == "data_visualization"]
    return problems or [problem for chart in charts for problem in _chart(chart)]


def _check(definition: str, value: Any, where: str) -> list[str]:
    error = best_match(_validator(definition).iter_errors(value))
    if error is None:
        return []
    pointer = "".join(f"/{part}" for part in error.absolute_path)
    return [f"{error.message[:200]} [json-pointer:{where}{pointer}]"]


def _rules(block: dict[str, Any], where: str) -> list[str]:
    """What the types do not say."""
    problems = []
    if block["type"] == "section" and not block.get("text") and not block.get("fields"):
        problems.append(f"section needs text or fields [json-pointer:{where}]")
    if block["type"] in ("actions", "context") and not block.get("elements"):
        problems.append(f"no fewer than 1 items allowed [json-pointer:{where}/elements]")
    if block["type"] == "context" and len(block.get("elements", [])) > 10:
        problems.append(f"no more than 10 items allowed [json-pointer:{where}/elements]")
    if block["type"] == "data_visualization":
        problems += [f"{problem} [json-pointer:{where}/chart]" for problem in _chart(block["chart"])]
    if any(not text for text in _texts(block)):
        problems.append(f"must be more than 0 characters [json-pointer:{where}]")
    actions = Counter(e["action_id"] for e in block.get("elements", []) if isinstance(e, dict) and "action_id" in e)
    problems += [f"`action_id` {name} already exists [{where}]" for name, times in actions.items() if times > 1]
    return problems


def _chart(chart: dict[str, Any]) -> list[str]:
    """A chart's series have names of their own, and a point for each category."""
    series = chart.get("series", [])
    names = Counter(one["name"] for one in series)
    problems = [f"series name {name} already exists" for name, times in names.items() if times > 1]
    wanted = chart.get("axis_config", {}).get("categories")
    if any([point["label"] for point in one["data"]] != wanted for one in series):
        problems.append("labels do not match the categories")
    if wanted is not None and len(set(wanted)) < len(wanted):
        problems.append("a category is there twice")
    return [*problems, *(["no more than 6 series"] if len(series) > 6 else [])]


def _texts(node: Any) -> list[str]:
    if isinstance(node, list):
        return [text for part in node for text in _texts(part)]
    if isinstance(node, dict):
        own = [node["text"]] if isinstance(node.get("text"), str) else []
        return own + [text for part in node.values() if isinstance(part, dict | list) for text in _texts(part)]
    return []
