"""The Slack app's manifest: what to paste where an app is made, and which scopes that asks for."""

from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import yaml

from core.errors import InvalidInput
from core.units import shorten

EVENTS = "/slack/events"
"""Where Slack's requests are answered."""


def manifest(url: str | None = None) -> str:
    """YAML for api.slack.com/apps. Socket Mode; with the public base `url` of this Podkeeper, signed HTTP in its place.

    InvalidInput for what is no https address.
    """
    text = resources.files("bot").joinpath("manifest.yaml").read_text(encoding="utf-8")
    if url is None:
        return text
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise InvalidInput(
            f"url: {shorten(url)!r} is not a public address. Write it as https://podkeeper.example.com; Slack calls "
            f"{EVENTS} there."
        )
    made: dict[str, Any] = yaml.safe_load(text)
    address = url.rstrip("/").removesuffix(EVENTS) + EVENTS
    for command in made["features"]["slash_commands"]:
        command["url"] = address
    settings = made["settings"]
    settings["event_subscriptions"]["request_url"] = settings["interactivity"]["request_url"] = address
    settings["socket_mode_enabled"] = False
    return yaml.safe_dump(made, sort_keys=False, allow_unicode=True)


def scopes() -> set[str]:
    """Of the bot token."""
    return set(yaml.safe_load(manifest())["oauth_config"]["scopes"]["bot"])
