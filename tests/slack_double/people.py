"""The people in the double: they type commands and press what is on their screen, and nothing else."""

import json
import re
import time
from typing import Any

from tests.slack_double.delivery import Ack
from tests.slack_double.workspace import Post, Screen, View, Workspace

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
        "trigger_id": w.trigger(user),
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
            **({"thread_ts": post.thread} if post.thread else {}),
        },
        "trigger_id": w.trigger(user),
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


def press_payload(w: Workspace, user: str, view: View, action_id: str, *, confirm: bool) -> dict[str, Any]:
    """A press of a button on a modal or a home tab: it has no channel, and no response URL."""
    if not view.open or view.user != user:
        raise NotOnScreen(f"{user} does not see that view")
    element = _pressed(view, action_id, confirm=confirm)
    return {
        **_interaction(w, "block_actions", user),
        "container": {"type": "view", "view_id": view.id},
        "view": _shown(w, view),
        "actions": [{**json.loads(json.dumps(element)), "action_ts": f"{time.time():.6f}"}],
    }


def shortcut_payload(w: Workspace, user: str, callback_id: str) -> dict[str, Any]:
    """A global shortcut as Slack sends it."""
    return {**_interaction(w, "shortcut", user), "callback_id": callback_id, "action_ts": f"{time.time():.6f}"}


def submission_payload(w: Workspace, user: str, view: View, given: dict[str, str]) -> dict[str, Any]:
    """A modal that is sent off with these values, by block id; NotOnScreen for what nobody could have entered."""
    if not view.open or view.user != user:
        raise NotOnScreen(f"{user} does not see that view")
    inputs = {block["block_id"]: block for block in view.blocks if block["type"] == "input"}
    if unknown := given.keys() - inputs.keys():
        raise NotOnScreen(f"no field {unknown}; there are {list(inputs)}")
    values = {name: {b["element"]["action_id"]: _entered(b, given.get(name))} for name, b in inputs.items()}
    return {
        **_interaction(w, "view_submission", user),
        "view": {**_shown(w, view), "state": {"values": values}},
        "response_urls": [],
    }


def _interaction(w: Workspace, kind: str, user: str) -> dict[str, Any]:
    return {
        "type": kind,
        "team": {"id": w.team, "domain": w.domain},
        "user": {"id": user, "username": w.users[user], "name": w.users[user], "team_id": w.team},
        "api_app_id": w.app,
        "token": _TOKEN,
        "trigger_id": w.trigger(user),
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _shown(w: Workspace, view: View) -> dict[str, Any]:
    defaults = {"private_metadata": "", "callback_id": "", "external_id": ""}
    ids = {"id": view.id, "root_view_id": view.id, "team_id": w.team, "hash": view.hash, "state": {"values": {}}}
    return {**defaults, **view.view, "blocks": view.blocks, **ids}


def _entered(block: dict[str, Any], given: str | None) -> dict[str, Any]:
    """What the state says of one field; what was not touched has its initial value."""
    element, name = block["element"], block["block_id"]
    if element["type"] == "static_select":
        option = element.get("initial_option")
        if given is not None:
            found = [o for o in element["options"] if o["value"] == given]
            if not found:
                raise NotOnScreen(f"{name} does not offer {given!r}")
            option = found[0]
        value, entered = option, {"selected_option": option}
    else:
        value = given if given is not None else element.get("initial_value")
        if value is not None and len(value) > element.get("max_length", 3000):
            raise NotOnScreen(f"{name} takes no more than {element['max_length']} characters")
        entered = {"value": value or None}
    if not value and not block.get("optional"):
        raise NotOnScreen(f"{name} must be filled in")
    return {"type": element["type"], **entered}


def _on_screen(post: Post, user: str, action_id: str, *, confirm: bool) -> dict[str, Any]:
    if post.deleted or post.only_for not in (None, user):
        raise NotOnScreen(f"{user} does not see that message")
    return _pressed(post, action_id, confirm=confirm)


def _pressed(screen: Screen, action_id: str, *, confirm: bool) -> dict[str, Any]:
    found = [element for element in screen.elements if element["action_id"] == action_id]
    if not found:
        there = [element["action_id"] for element in screen.elements]
        raise NotOnScreen(f"no {action_id} on screen; there are {there}")
    if "confirm" in found[0] and not confirm:
        raise NotOnScreen(f"{action_id} asks for a confirmation first")
    return found[0]


def ack_shown(ack: Ack) -> dict[str, Any] | None:
    """The message that an acknowledgement carries, if any."""
    body = ack.body
    return body if isinstance(body, dict) and (body.get("text") or body.get("blocks")) else None
