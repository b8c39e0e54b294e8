"""Ignore rules as Envoy reads them: which requests to a pod are carried and counted apart."""

import re
from typing import Any

from core.errors import InvalidInput
from core.model import Ignore
from core.units import shorten

_PATH = re.compile(r"""/[!"$->@-~]*""")
_AGENT = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_METHOD = re.compile(r"[A-Za-z][A-Za-z_-]*")
_LONGEST = 256
"""Characters of one rule."""


def matches(rules: Ignore) -> list[dict[str, Any]]:
    """One route match for each rule; InvalidInput for a rule that no request could fit."""
    return [
        *(_path(_checked(path, _PATH, "a path such as /health, without ? and #")) for path in rules.paths),
        *(
            _header("user-agent", contains=_checked(agent, _AGENT, "a part of a User-Agent"), ignore_case=True)
            for agent in rules.agents
        ),
        *(
            _header(":method", exact=_checked(method, _METHOD, "a request method such as HEAD").upper())
            for method in rules.methods
        ),
    ]


def _checked(value: str, shape: re.Pattern[str], wanted: str) -> str:
    if len(value) > _LONGEST or not shape.fullmatch(value):
        raise InvalidInput(
            f"idle.ignore: {shorten(value)!r} is not {wanted}. Write at most {_LONGEST} plain characters."
        )
    return value


def _path(path: str) -> dict[str, Any]:
    # Envoy's field for whole segments takes neither a slash at the end nor the root.
    segments = path.rstrip("/")
    return {"path_separated_prefix": segments} if segments else {"prefix": "/"}


def _header(name: str, **match: Any) -> dict[str, Any]:
    return {"prefix": "/", "headers": [{"name": name, "string_match": match}]}
