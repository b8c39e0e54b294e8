"""The people in the double: they type commands and press what is on their screen, and nothing else."""

import json
import re
import time
from typing import Any

from tests.slack_double.delivery import Ack
from tests.slack_double.workspace import Post, Workspace

_TOKEN = "verification-double"


class NotOnScreen(AssertionError):
    """Nobody can press that: it is not there, not for them, or asks for a confirmation first."""


def typed(workspace: Workspace, text: str) -> str:
    """What Slack makes of what somebody types, with `should_escape` on."""
    out = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    out = re.sub(r"\bhttps?://[^\s]+", lambda m: f"<{m[0]}>", out)
    for user, name in workspace.users.items():
        out = re.sub(rf"(?<!\w)@{re.escape(name)}\b", f"<@{user}|{name}>", out)
    return out


def command_payload(w: Workspace, user: str, channel: str, command: str, text: str, url: str) -> dict[str, Any]:
    """A slash command as Slack sends it."""
    return {
        "token": _TOKEN,
        "team_id": w.team,
        "team_domain": w.domain,
        "channel_id": channel,
        "channel_name": w.channels[channel].name,
        "user_id": user,
        "user_name": w.users[user],
        "command": command,
        "text": text,
        "api_app_id": w.app,
        "is_enterprise_install": "false",
        "response_url": url,
        "trigger_id": f"{w.next()}.{int(time.time())}",
    }


def click_payload(w: Workspace, user: str, post: Post, action_id: str, url: str, *, confirm: bool) -> dict[str, Any]:
    """A press of a button as Slack sends it; NotOnScreen when nobody could have pressed it."""
    element = _on_screen(post, user, action_id, confirm=confirm)
    ephemeral = post.only_for is not None
    payload: dict[str, Any] = {
        "type": "block_actions",
        "user": {"id": user, "username": w.users[user], "name": w.users[user], "team_id": w.team},
        "api_app_id": w.app,
        "token": _TOKEN,
        "container": {
            "type": "message",
            "message_ts": post.ts,
            "channel_id": post.channel,
            "is_ephemeral": ephemeral,
        },
        "trigger_id": f"{w.next()}.{int(time.time())}",
        "team": {"id": w.team, "domain": w.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": post.channel, "name": w.channels[post.channel].name},
        "state": {"values": {}},
        "response_url": url,
        "actions": [{**json.loads(json.dumps(element)), "action_ts": f"{time.time():.6f}"}],
    }
    if not ephemeral:
        message = {"type": "message", "user": post.author, "ts": post.ts, "text": post.text, "blocks": post.blocks}
        payload["message"] = message
    return payload


def event_payload(w: Workspace, event: dict[str, Any]) -> dict[str, Any]:
    """An event as the Events API wraps it."""
    return {
        "token": _TOKEN,
        "team_id": w.team,
        "api_app_id": w.app,
        "type": "event_callback",
        "event_id": f"Ev{w.next():08}",
        "event_time": int(time.time()),
        "authorizations": [{"team_id": w.team, "user_id": w.bot, "is_bot": True}],
        "event": event,
    }


def _on_screen(post: Post, user: str, action_id: str, *, confirm: bool) -> dict[str, Any]:
    if post.deleted or post.only_for not in (None, user):
        raise NotOnScreen(f"{user} does not see that message")
    found = [element for element in post.elements if element["action_id"] == action_id]
    if not found:
        there = [element["action_id"] for element in post.elements]
        raise NotOnScreen(f"no {action_id} on screen; there are {there}")
    if "confirm" in found[0] and not confirm:
        raise NotOnScreen(f"{action_id} asks for a confirmation first")
    return found[0]


def ack_shown(ack: Ack) -> dict[str, Any] | None:
    """The message that an acknowledgement carries, if any."""
    body = ack.body
    return body if isinstance(body, dict) and (body.get("text") or body.get("blocks")) else None
